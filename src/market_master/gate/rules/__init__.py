"""Gate rules: each a number, a limit and a reason; no evidence is a no."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from market_master.domain import ConfigError, Verdict
from market_master.gate.evidence import MAX_ROWS_LOST, Evidence, PairedComparison, Segment, Speed
from market_master.plugins import load_family, register

Rule = TypeVar("Rule", bound=Callable[..., Verdict])
SKILL_RULES = "skill"

__all__ = [
    "MAX_ROWS_LOST", "SKILL_RULES", "Evidence", "Judgement", "PairedComparison", "Segment", "Speed", "gate", "judge", "missing",
]  # fmt: skip


def gate(*, proves: str = "soundness") -> Callable[[Rule], Rule]:
    """Decorator: a gate rule. One that proves `skill` only keeps a challenger from being promoted as skilled."""
    return register("gate.rules", proves=proves)


@dataclass(frozen=True)
class Judgement:
    """All verdicts, and the outcome they add up to."""

    outcome: str
    """promoted, provisional or rejected"""
    verdicts: tuple[Verdict, ...]
    reason: str


def judge(evidence: Evidence, rules: Sequence[str], *, provisional: bool) -> Judgement:
    """Ask every rule (all of the family when none is named).

    Promoted: no blocking rule failed. Provisional: only rules of skill failed, and `provisional` allows it. Else
    rejected. Raises ConfigError for a rule that does not exist.
    """
    known = load_family("gate.rules")
    for name in rules:
        if name not in known:
            raise ConfigError(f"gate.rules names '{name}'; there are {', '.join(known)}.")
    spoken = [(known[name], known[name].factory(evidence)) for name in (rules or known)]
    failed = [(plugin, verdict) for plugin, verdict in spoken if not verdict.passed and verdict.severity == "block"]
    unsound = [verdict for plugin, verdict in failed if plugin.metadata["proves"] != SKILL_RULES]
    unskilled = [verdict for plugin, verdict in failed if plugin.metadata["proves"] == SKILL_RULES]
    outcome = "rejected" if unsound or (unskilled and not provisional) else "provisional" if unskilled else "promoted"
    why = " ".join(verdict.reason for verdict in unsound + unskilled) or "Every rule passed."
    return Judgement(outcome, tuple(verdict for _, verdict in spoken), why)


def missing(rule: str, what: str) -> Verdict:
    """The verdict of a rule whose evidence is not there."""
    return Verdict(rule, False, "block", None, None, f"{what} could not be measured, and no evidence is a no.")
