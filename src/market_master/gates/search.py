"""Was the challenger found, or was it picked because it fitted the past?"""

from __future__ import annotations

from market_master.domain.records import Verdict
from market_master.gates import Evidence, gate, missing

MOST_OVERFIT = 0.5
LEAST_UNSEEN = 0.5


@gate(proves="skill")
def not_overfitted(evidence: Evidence) -> Verdict:
    """What was best on one half of the days is not below the median of all tries on the other half."""
    rule = "not_overfitted"
    if evidence.pbo is None:
        if evidence.tried > 1:
            return missing(rule, "The probability of backtest overfitting")
        return Verdict(rule, True, "warn", None, None, "One recipe was tried, so none was picked for its luck.")
    severity = "block" if evidence.lane == "new_recipe" else "warn"
    return Verdict(
        rule, evidence.pbo < MOST_OVERFIT, severity, evidence.pbo, MOST_OVERFIT,
        f"Probability of backtest overfitting among {evidence.tried} recipes and the baselines is {evidence.pbo:.2f}; it must "
        f"be below {MOST_OVERFIT:.2f}.",
    )  # fmt: skip


@gate()
def fresh_holdout(evidence: Evidence) -> Verdict:
    """A new recipe is judged on days that earlier new recipes were mostly not judged on."""
    if evidence.unseen is None:
        return missing("fresh_holdout", "Which days earlier looks have seen")
    told = evidence.lane != "new_recipe"
    return Verdict(
        "fresh_holdout", evidence.unseen >= LEAST_UNSEEN or told, "block", evidence.unseen, LEAST_UNSEEN,
        f"{evidence.unseen:.0%} of the hold-out's {evidence.holdout_sessions} sessions were never seen by a new recipe's "
        f"look; at least {LEAST_UNSEEN:.0%} are needed"
        + (" (told only: a refresh is counted, not spent)." if told else "."),
    )  # fmt: skip
