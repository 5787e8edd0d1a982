"""Rules of superiority to the champion: as an artefact, as a recipe, and in every segment."""

from __future__ import annotations

from market_master.domain import Verdict
from market_master.gate.rules import MAX_ROWS_LOST, Evidence, PairedComparison, gate, missing
from market_master.gate.rules.skill import MIN_GAIN, NON_INFERIORITY

MAX_SEGMENT_T = 3.0
"""of a segment's daily differences: about Bonferroni over some dozens of segments (method 4.5)"""
MAX_SEGMENT_LOSS = 0.02
"""of the reference's RPS in a segment"""


@gate()
def beats_champion(evidence: Evidence) -> Verdict:
    """A new recipe must be better than the champion on the same bars; a refresh of the same recipe must not be worse."""
    rule, name = "beats_champion", f"champion version {evidence.champion_version}"
    if evidence.champion_version is None:
        return Verdict(rule, True, "warn", None, None, "There is no champion yet; the prior stands in for it.")
    duel, relabelled = evidence.against_champion, evidence.against_champion_relabelled
    if duel is None or relabelled is None or evidence.rows_lost is None:
        return Verdict(rule, False, "block", None, None, f"No comparison with {name}: {evidence.champion_reason}")
    if not evidence.rows_lost <= MAX_ROWS_LOST:
        return Verdict(
            rule, False, "block", evidence.rows_lost, MAX_ROWS_LOST,
            f"{name.capitalize()} can't answer {evidence.rows_lost:.2%} of the hold-out's rows, limit {MAX_ROWS_LOST:.0%}.",
        )  # fmt: skip
    if evidence.lane == "refresh":
        return _not_worse(rule, name, duel)
    agree = relabelled.rps.mean > 0
    passed = _better(duel, evidence.alpha) and agree
    return Verdict(
        rule, passed, "block", duel.rps.p_value, evidence.alpha,
        f"Against {name} RPS gains {duel.rps.mean:+.3%} a day over {duel.rps.days} days ({relabelled.rps.mean:+.3%} by the "
        f"champion's own labels), direction {duel.direction.mean:+.3%}; p = {duel.rps.p_value:.4f}, limit "
        f"{evidence.alpha:.4f}, least gain {MIN_GAIN:.2%}.",
    )  # fmt: skip


@gate()
def recipe_beats_champion(evidence: Evidence) -> Verdict:
    """Fitted anew on the same folds, the new recipe is better than the champion's; that of a refresh is not worse."""
    rule = "recipe_beats_champion"
    if evidence.champion_version is None:
        return Verdict(rule, True, "warn", None, None, "There is no champion yet; the prior stands in for its recipe.")
    duel, name = evidence.recipes, f"the recipe of champion version {evidence.champion_version}"
    if duel is None:
        return Verdict(rule, False, "block", None, None, f"No comparison with {name}: {evidence.recipes_reason}")
    if evidence.lane == "refresh":
        return _not_worse(rule, name, duel)
    return Verdict(
        rule, _better(duel, evidence.alpha), "block", duel.rps.p_value, evidence.alpha,
        f"In walk-forward RPS gains {duel.rps.mean:+.3%} a day on {name} over {duel.rps.days} days, direction "
        f"{duel.direction.mean:+.3%}; p = {duel.rps.p_value:.4f}, limit {evidence.alpha:.4f}, least gain {MIN_GAIN:.2%}.",
    )  # fmt: skip


@gate()
def no_broken_segment(evidence: Evidence) -> Verdict:
    """Better on average does not excuse being broken for one symbol, hour, regime, or across sessions."""
    rule, alone = "no_broken_segment", evidence.champion_version is None
    if not evidence.segments:
        return missing(rule, "The parts of the hold-out")
    worst = max(evidence.segments, key=lambda part: max(part.t / MAX_SEGMENT_T, part.worse / MAX_SEGMENT_LOSS))
    passed = all(part.t < MAX_SEGMENT_T and part.worse <= MAX_SEGMENT_LOSS for part in evidence.segments)
    reference = "the prior" if alone else f"champion version {evidence.champion_version}"
    return Verdict(
        rule, passed, "warn" if alone else "block", worst.t, MAX_SEGMENT_T,
        f"Worst of {len(evidence.segments)} segments against {reference} is {worst.kind} {worst.name} ({worst.rows} rows): "
        f"RPS {worst.worse:+.2%} (at most {MAX_SEGMENT_LOSS:+.0%}), t of the daily difference "
        f"{worst.t:+.2f} (below {MAX_SEGMENT_T:.1f}).",
    )  # fmt: skip


def _better(duel: PairedComparison, alpha: float) -> bool:
    return duel.rps.p_value <= alpha and duel.rps.mean >= MIN_GAIN and duel.direction.mean >= 0


def _not_worse(rule: str, name: str, duel: PairedComparison) -> Verdict:
    passed = duel.rps.low >= -NON_INFERIORITY and duel.direction.mean >= -NON_INFERIORITY
    return Verdict(
        rule, passed, "block", duel.rps.low, -NON_INFERIORITY,
        f"Against {name} RPS is at worst {duel.rps.low:+.3%}, direction {duel.direction.mean:+.3%}; asked: not worse than "
        f"{-NON_INFERIORITY:+.2%} with 95 % confidence (refresh of the same recipe).",
    )  # fmt: skip
