"""Rules against overfitting by search: the challenger was found, not picked by chance."""

from __future__ import annotations

from market_master.domain import Verdict
from market_master.gate.rules import Evidence, gate, missing

MAX_PBO = 0.5
MIN_UNSEEN = 0.5
ONLY_ONE = "One recipe was tried, so none was picked for its luck."


@gate(proves="skill")
def not_overfitted(evidence: Evidence) -> Verdict:
    """What was best on one half of the days is not below the median of all tries on the other half."""
    rule = "not_overfitted"
    if evidence.pbo is None:
        if evidence.tried > 1:
            return missing(rule, "The probability of backtest overfitting")
        return Verdict(rule, True, "warn", None, None, ONLY_ONE)
    severity = "block" if evidence.lane == "new_recipe" else "warn"
    return Verdict(
        rule, evidence.pbo < MAX_PBO, severity, evidence.pbo, MAX_PBO,
        f"Probability of backtest overfitting among {evidence.tried} recipes and the baselines is {evidence.pbo:.2f}; it must "
        f"be below {MAX_PBO:.2f}.",
    )  # fmt: skip


@gate(proves="skill")
def survives_search(evidence: Evidence) -> Verdict:
    """The walk-forward gain is not what the best of so many tries shows by luck (method 4.4: several challengers at once)."""
    rule = "survives_search"
    if evidence.tried == 1:
        return Verdict(rule, True, "warn", evidence.luck, None, ONLY_ONE)
    if evidence.luck is None:
        return missing(rule, "The luck of the best of all that was tried")
    against = "the champion's recipe" if evidence.recipes is not None else "the prior"
    return Verdict(
        rule, evidence.luck <= evidence.alpha or evidence.lane == "refresh", "block", evidence.luck, evidence.alpha,
        f"If none of the {evidence.tried} recipes tried were better than {against}, the best would look this good in "
        f"walk-forward with p = {evidence.luck:.4f} (SPA), limit {evidence.alpha:.4f}"
        + (" (told only: a refresh chooses no new recipe)." if evidence.lane == "refresh" else "."),
    )  # fmt: skip


@gate()
def fresh_holdout(evidence: Evidence) -> Verdict:
    """A new recipe is judged on days that earlier new recipes were mostly not judged on."""
    if evidence.unseen is None:
        return missing("fresh_holdout", "Which days earlier looks have seen")
    noted_only = evidence.lane != "new_recipe"
    return Verdict(
        "fresh_holdout", evidence.unseen >= MIN_UNSEEN or noted_only, "block", evidence.unseen, MIN_UNSEEN,
        f"{evidence.unseen:.0%} of the hold-out's {evidence.holdout_sessions} sessions were never seen by a new recipe's "
        f"look; at least {MIN_UNSEEN:.0%} are needed"
        + (" (told only: a refresh is counted, not spent)." if noted_only else "."),
    )  # fmt: skip
