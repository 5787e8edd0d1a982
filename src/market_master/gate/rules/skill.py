"""Rules of skill: better than knowing nothing, and a direction that is known."""

from __future__ import annotations

from market_master.domain import Verdict
from market_master.gate.rules import Evidence, gate, missing

MIN_GAIN = 0.0005
"""of the prior's RPS, about an IC of .03 (method 4.3)"""
NON_INFERIORITY = 0.0025
"""of the prior's RPS: how much worse still counts as not worse"""


@gate(proves="skill")
def beats_prior(evidence: Evidence) -> Verdict:
    """On the hold-out the challenger's RPS is lower than that of the training class shares, beyond chance."""
    duel = evidence.against_prior
    if duel is None:
        return missing("beats_prior", "The gain over the prior")
    passed = duel.rps.p_value <= evidence.alpha and duel.rps.mean >= MIN_GAIN
    return Verdict(
        "beats_prior", passed, "block", duel.rps.p_value, evidence.alpha,
        f"RPS gain over the prior is {duel.rps.mean:+.3%} a day (90 % band {duel.rps.low:+.3%} to {duel.rps.high:+.3%}) over "
        f"{duel.rps.days} days; p = {duel.rps.p_value:.4f}, limit {evidence.alpha:.4f}, least gain {MIN_GAIN:.2%}.",
    )  # fmt: skip


@gate(proves="skill")
def knows_direction(evidence: Evidence) -> Verdict:
    """The gain comes from direction, not only from knowing how volatile the next bar will be."""
    duel = evidence.against_prior
    if duel is None:
        return missing("knows_direction", "The directional gain")
    passed = duel.direction.p_value <= evidence.alpha and evidence.shrinkage > 0
    return Verdict(
        "knows_direction", passed, "block", duel.direction.p_value, evidence.alpha,
        f"Directional gain is {duel.direction.mean:+.3%} a day (90 % band {duel.direction.low:+.3%} to "
        f"{duel.direction.high:+.3%}); p = {duel.direction.p_value:.4f}, limit {evidence.alpha:.4f}; directional shrinkage "
        f"{evidence.shrinkage:.2f}" + (" (no directional edge)." if evidence.shrinkage == 0 else "."),
    )  # fmt: skip


@gate(proves="skill")
def enough_history(evidence: Evidence) -> Verdict:
    """The hold-out is as long as a claim of skill needs."""
    return Verdict(
        "enough_history", not evidence.short_history, "block", evidence.holdout_sessions, None,
        f"The hold-out has {evidence.holdout_sessions} sessions"
        + (": too little history to call anything skilled." if evidence.short_history else "."),
    )  # fmt: skip


@gate()
def not_worse_than_prior(evidence: Evidence) -> Verdict:
    """Whatever else, the challenger does not answer worse than the class shares would."""
    duel = evidence.against_prior
    if duel is None:
        return missing("not_worse_than_prior", "The gain over the prior")
    passed = duel.rps.low >= -NON_INFERIORITY and duel.direction.mean >= -NON_INFERIORITY
    return Verdict(
        "not_worse_than_prior", passed, "block", duel.rps.low, -NON_INFERIORITY,
        f"With 95 % confidence RPS is at worst {duel.rps.low:+.3%} of the prior's (limit {-NON_INFERIORITY:+.2%}), direction "
        f"{duel.direction.mean:+.3%}.",
    )  # fmt: skip
