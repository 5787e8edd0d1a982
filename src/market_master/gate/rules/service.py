"""Rules of service: certified, same features, fast, on familiar bars, and not ruinous."""

from __future__ import annotations

from market_master.domain import Verdict
from market_master.gate.rules import Evidence, gate, missing
from market_master.leakage import FAST_LAWS, LAWS

MAX_FEATURE_PARITY = 1e-9
MAX_SECONDS = 0.050
MAX_SLOWDOWN = 1.5
MAX_AUC = 0.75


@gate()
def certified(evidence: Evidence) -> Verdict:
    """The leak suite holds for this very pipeline; a new recipe needs all of it, a refresh the fast laws."""
    if evidence.certificate is None or evidence.broken_laws is None:
        return missing("certified", "The leak suite's certificate")
    needed = tuple(LAWS) if evidence.lane == "new_recipe" else FAST_LAWS
    unchecked = [law for law in needed if law not in evidence.laws]
    finding = (
        f"laws {', '.join(evidence.broken_laws)} are broken (`mm audit` shows the proof)" if evidence.broken_laws
        else f"laws {', '.join(unchecked)} were not checked (`mm audit` checks all)" if unchecked
        else f"all {len(needed)} laws that this lane needs hold"
    )  # fmt: skip
    return Verdict(
        "certified", not evidence.broken_laws and not unchecked, "block", evidence.certificate, None,
        f"Certificate {evidence.certificate}: {finding}.",
    )  # fmt: skip


@gate()
def feature_parity(evidence: Evidence) -> Verdict:
    """The few bars that serving has give the features that training computed from the whole history."""
    if evidence.feature_parity is None:
        return missing("feature_parity", "The difference between features offline and as served")
    return Verdict(
        "feature_parity", evidence.feature_parity <= MAX_FEATURE_PARITY, "block", evidence.feature_parity,
        MAX_FEATURE_PARITY,
        f"Largest difference between a feature offline and as served is {evidence.feature_parity:.1e}, limit "
        f"{MAX_FEATURE_PARITY:.0e}.",
    )  # fmt: skip


@gate()
def fast_enough(evidence: Evidence) -> Verdict:
    """A prediction from bars takes at most 50 ms, and not half as long again as the champion's; a measurement, so a note."""
    if evidence.speed is None:
        return missing("fast_enough", "The time of a prediction")
    limit = min(MAX_SECONDS, MAX_SLOWDOWN * evidence.speed.champion) if evidence.speed.champion else MAX_SECONDS
    return Verdict(
        "fast_enough", evidence.speed.challenger <= limit, "warn", evidence.speed.challenger, limit,
        f"95 of 100 predictions from bars take at most {evidence.speed.challenger:.4f} s, limit {limit:.4f} s.",
    )  # fmt: skip


@gate()
def familiar_bars(evidence: Evidence) -> Verdict:
    """The hold-out looks like the bars the model learned from; if not, its numbers may not last."""
    if evidence.drift is None:
        return missing("familiar_bars", "The drift between training and hold-out")
    return Verdict(
        "familiar_bars", evidence.drift < MAX_AUC, "warn", evidence.drift, MAX_AUC,
        f"A classifier tells hold-out rows from training rows with an AUC of {evidence.drift:.3f}; from {MAX_AUC:.2f} on "
        "they differ.",
    )  # fmt: skip
