"""The gate: every rule speaks, with its number, its limit and its reason; no evidence is a no."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from market_master.domain.days import Gain
from market_master.domain.errors import ConfigError
from market_master.domain.records import Scorecard, Verdict
from market_master.plugins import family, mark

Rule = TypeVar("Rule", bound=Callable[..., Verdict])
SKILL_RULES = "skill"


@dataclass(frozen=True)
class Duel:
    """The challenger against another on the same hold-out rows; gains are shares of the prior's RPS, by day."""

    rps: Gain
    direction: Gain
    """gain in the directional part"""


@dataclass(frozen=True)
class Evidence:
    """Everything the rules may look at; None means that it could not be measured, and fails the rule that needs it."""

    lane: str
    """`new_recipe` (must be better) or `refresh` (same recipe, newer data: must not be worse)"""
    alpha: float
    """what this look may spend"""
    max_ic: float
    challenger: Scorecard | None
    """on the hold-out, by the registered artefact"""
    against_prior: Duel | None
    champion_version: str | None
    champion: Scorecard | None
    against_champion: Duel | None
    champion_reason: str
    """why there is no comparison, if there is none"""
    dev: tuple[Scorecard, ...]
    """walk-forward scorecards of all candidates and baselines"""
    winner: str
    vol_only_excess: float | None
    """winner's dev RPS above vol-only's, in standard errors of the daily difference"""
    holdout_first: str
    labels_known: str
    """end of the last label the challenger learned from"""
    champion_labels_known: str | None
    holdout_sessions: int
    short_history: bool
    kept_share: float | None
    """share of the fetched rows and of the calendar's bars that passed the bar contract"""
    parity: float | None
    deterministic: bool | None
    shrinkage: float


def gate(*, proves: str = "soundness") -> Callable[[Rule], Rule]:
    """Decorator: a gate rule. One that proves `skill` only keeps a challenger from being promoted as skilled."""
    return mark("gates", proves=proves)


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
    known = family("gates")
    for name in rules:
        if name not in known:
            raise ConfigError(f"gate.rules names '{name}'; there are {', '.join(known)}.")
    spoken = [(known[name], known[name].make(evidence)) for name in (rules or known)]
    failed = [(plugin, verdict) for plugin, verdict in spoken if not verdict.passed and verdict.severity == "block"]
    unsound = [verdict for plugin, verdict in failed if plugin.facts["proves"] != SKILL_RULES]
    unskilled = [verdict for plugin, verdict in failed if plugin.facts["proves"] == SKILL_RULES]
    outcome = "rejected" if unsound or (unskilled and not provisional) else "provisional" if unskilled else "promoted"
    why = " ".join(verdict.reason for verdict in unsound + unskilled) or "Every rule passed."
    return Judgement(outcome, tuple(verdict for _, verdict in spoken), why)


def missing(rule: str, what: str) -> Verdict:
    """The verdict of a rule whose evidence is not there."""
    return Verdict(rule, False, "block", None, None, f"{what} could not be measured, and no evidence is a no.")
