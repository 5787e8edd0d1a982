"""Rules of soundness: numbers to be believed, and the artefact judged is the one served."""

from __future__ import annotations

from market_master.domain import Verdict
from market_master.gate.rules import Evidence, gate, missing

MAX_ECE = 0.05
ECE_SLACK = 0.01
MIN_VALID_SHARE = 0.98
MAX_PARITY = 1e-5


@gate()
def beats_baselines(evidence: Evidence) -> Verdict:
    """In walk-forward the winner beats the prior, and is worse than none of the other baselines beyond chance."""
    cards = {card.candidate: card for card in evidence.dev}
    if evidence.winner not in cards or "prior" not in cards or "vol_only" not in evidence.excess:
        return missing("beats_baselines", "The walk-forward comparison with the baselines")
    gain = 1 - cards[evidence.winner].rps / cards["prior"].rps
    nearest = max(evidence.excess, key=lambda name: evidence.excess[name])
    passed = gain > 0 and all(excess <= 1.0 for excess in evidence.excess.values())
    return Verdict(
        "beats_baselines", passed, "block", gain, 0.0,
        f"In walk-forward {evidence.winner} gains {gain:+.3%} on the prior (must be above 0) and stands "
        f"{evidence.excess[nearest]:+.2f} standard errors above {nearest}'s RPS (at most 1), the nearest of "
        f"{len(evidence.excess)} baselines.",
    )  # fmt: skip


@gate()
def leak_alarm(evidence: Evidence) -> Verdict:
    """Skill beyond what such bars can hold is a leak until proved otherwise."""
    cards = [
        card
        for card in (evidence.challenger, *evidence.dev)
        if card and (card is evidence.challenger or card.candidate == evidence.winner)
    ]
    if evidence.challenger is None or len(cards) < 2:
        return missing("leak_alarm", "The information coefficient")
    highest = max(abs(card.ic) for card in cards)
    return Verdict(
        "leak_alarm", all(abs(card.ic) <= evidence.max_ic for card in cards), "block", highest, evidence.max_ic,
        f"The largest |IC|, walk-forward or hold-out, is {highest:.4f}; above {evidence.max_ic:.4f} it is a leak.",
    )  # fmt: skip


@gate()
def calibrated(evidence: Evidence) -> Verdict:
    """Stated probabilities are those that come true."""
    if evidence.challenger is None:
        return missing("calibrated", "The calibration error")
    limit = MAX_ECE if evidence.champion is None else min(MAX_ECE, evidence.champion.ece + ECE_SLACK)
    return Verdict(
        "calibrated", evidence.challenger.ece <= limit, "block", evidence.challenger.ece, limit,
        f"Expected calibration error on the hold-out is {evidence.challenger.ece:.4f}, limit {limit:.4f}.",
    )  # fmt: skip


@gate()
def data_quality(evidence: Evidence) -> Verdict:
    """Nearly all bars that should be there are there and keep the bar contract."""
    if evidence.kept_share is None:
        return missing("data_quality", "The share of valid bars")
    return Verdict(
        "data_quality", evidence.kept_share >= MIN_VALID_SHARE, "block", evidence.kept_share, MIN_VALID_SHARE,
        f"{evidence.kept_share:.2%} of the bars the calendar has are there and valid, {MIN_VALID_SHARE:.0%} are needed.",
    )  # fmt: skip


@gate()
def untouched_holdout(evidence: Evidence) -> Verdict:
    """The hold-out begins after the last label that challenger or champion learned from."""
    learned = [evidence.labels_known]
    if evidence.champion_version is not None:
        learned.append(evidence.champion_labels_known or "")
    if not evidence.holdout_first or not all(learned):
        return missing("untouched_holdout", "Where training ended and the hold-out began")
    known = max(learned)
    return Verdict(
        "untouched_holdout", evidence.holdout_first > known, "block", evidence.holdout_first, known,
        f"The hold-out begins {evidence.holdout_first}; the last label learned from closed {known}.",
    )  # fmt: skip


@gate()
def export_parity(evidence: Evidence) -> Verdict:
    """The registered graph answers as its Python twin does."""
    if evidence.parity is None:
        return missing("export_parity", "The difference between graph and model")
    return Verdict(
        "export_parity", evidence.parity <= MAX_PARITY, "block", evidence.parity, MAX_PARITY,
        f"Largest difference in probability between graph and model is {evidence.parity:.1e}, limit {MAX_PARITY:.0e}.",
    )  # fmt: skip


@gate()
def deterministic(evidence: Evidence) -> Verdict:
    """Loaded twice from the registry, it is the same bytes and gives the same answers."""
    if evidence.deterministic is None:
        return missing("deterministic", "A second load")
    result = "gave the same answers" if evidence.deterministic else "gave different answers"
    return Verdict(
        "deterministic", evidence.deterministic, "block", None, None, f"Two loads from the registry {result}."
    )
