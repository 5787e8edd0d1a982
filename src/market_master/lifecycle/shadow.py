"""Shadow: a version past the gate, answering beside the champion before anyone acts on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import betainc, betaln

from market_master.artifact.bundle import SHADOW
from market_master.artifact.model_card import ModelCard
from market_master.config.settings import Shadow
from market_master.domain import CLASSES, Array, JournalEntry, NotPromotable
from market_master.lifecycle.promote import SHADOWED, promote_by_hand, withdraw
from market_master.prediction_log import PredictionLog
from market_master.registry.journal import journal_of
from market_master.registry.versions import Versions
from market_master.stats import metrics
from market_master.stats.daily import by_day

WITHDRAWAL_EVIDENCE = 20.0
"""evidence at which a version is taken out: where it is no worse, ever reached with a chance of 1 in 20 at most"""


@dataclass(frozen=True)
class ShadowComparison:
    """How the version in the shadow does beside the champion, on the bars both have answered."""

    version: str
    champion: str
    sessions: int
    """whole ones, with every outcome known"""
    needed: int
    approval: str
    gain: float
    """RPS saved over the champion, in shares of the champion's"""
    evidence_better: float
    evidence_worse: float
    """see `evidence`"""

    @property
    def served(self) -> bool:
        """Its sessions are over."""
        return self.sessions >= self.needed

    @property
    def summary(self) -> str:
        """The comparison in a sentence."""
        return (
            f"{self.sessions} of {self.needed} sessions in the shadow of version {self.champion}: RPS {self.gain:+.2%} saved, "
            f"evidence {self.evidence_better:.2g} that it is better and {self.evidence_worse:.2g} that it is worse."
        )


def compare_shadow(model: str, home: Path, log: PredictionLog) -> ShadowComparison | None:
    """The comparison so far; None where no version is in the shadow."""
    versions = Versions(home, model)
    shadow, champion = versions.version_at_alias(SHADOW), versions.production()
    decision = journal_of(home).last_decision(shadow) if shadow else None
    if shadow is None or champion is None or decision is None or decision.event != SHADOWED:
        return None
    card = versions.load(shadow).card
    terms = Shadow(**card.settings["shadow"])
    gains, usual = _gains(log.of_version(model, shadow, 0), log.of_version(model, champion, 0), card)
    better, worse = evidence(gains)
    return ShadowComparison(
        version=shadow,
        champion=champion,
        sessions=len(gains),
        needed=terms.sessions,
        approval=terms.approval,
        gain=float(gains.mean() / usual) if len(gains) else 0.0,
        evidence_better=better,
        evidence_worse=worse,
    )


def decide_shadow(comparison: ShadowComparison | None, model: str, home: Path) -> JournalEntry | None:
    """Take out a version that is worse beyond doubt; promote one that has served its sessions where the config says so."""
    if comparison and comparison.evidence_worse >= WITHDRAWAL_EVIDENCE:
        return withdraw(comparison.version, "shadow", f"Worse than the champion: {comparison.summary}", model, home)
    if comparison and comparison.served and comparison.approval == "auto":
        return _approved(comparison, "shadow", "The config approves by itself.", model, home)
    return None


def approve(version: str, by: str, reason: str, model: str, home: Path, log: PredictionLog) -> JournalEntry:
    """Put a version into production: out of the shadow once its sessions are over, else one that passed the gate before.

    Raises NotPromotable.
    """
    comparison = compare_shadow(model, home, log)
    if comparison and comparison.version == version:
        return _approved(comparison, by, reason, model, home)
    return promote_by_hand(version, by, reason, model, home)


def evidence(gains: Array) -> tuple[float, float]:
    """How strongly daily gains speak for "more good days than bad" and for the opposite; either may be looked at every day.

    Each is a test martingale (an e-value) of the null that a good day has a chance of one half at most: bets on the sign of
    each day, mixed over chances above one half with Jeffreys' prior; by Ville's inequality it ever exceeds x with a chance
    of 1/x at most (Robbins 1970; Ramdas, Gruenwald, Vovk and Shafer 2023).
    """
    good, bad = int((gains > 0).sum()), int((gains < 0).sum())

    def bet(won: int, lost: int) -> float:
        a, b = won + 0.5, lost + 0.5
        above = 1.0 - float(betainc(a, b, 0.5))
        return float(2.0 * above * np.exp((won + lost) * np.log(2.0) + betaln(a, b) - betaln(0.5, 0.5)))

    return bet(good, bad), bet(bad, good)


def _approved(comparison: ShadowComparison, by: str, reason: str, model: str, home: Path) -> JournalEntry:
    """Out of the shadow into production."""
    if not comparison.served:
        raise NotPromotable(f"Version {comparison.version} of {model} has not served yet: {comparison.summary}")
    journal_of(home).write(
        "approved",
        by=by,
        reason=f"{reason} {comparison.summary}",
        from_version=comparison.champion,
        to_version=comparison.version,
        details=asdict(comparison),
    )
    return promote_by_hand(comparison.version, by, reason, model, home)


def _gains(shadows: list[dict[str, Any]], champions: list[dict[str, Any]], card: ModelCard) -> tuple[Array, float]:
    """RPS saved by session, by the shadow's own labels, in sessions with every outcome known; and the champion's mean RPS."""
    by_key = {_key(row): row for row in champions}
    rows = [row for row in shadows if _key(row) in by_key]
    if not rows:
        return np.empty(0), 1.0
    ends = np.array([row["bar_end"] for row in rows], dtype=np.int64)
    schedule = card.times.between(int(ends.min()), int(ends.max()))
    session = schedule.session[schedule.by_end(ends)]
    waiting = session[np.array([row["settled_at"] is None for row in rows])]
    known = np.array([row["outcome"] is not None for row in rows]) & ~np.isin(session, waiting)
    counted = [row for row, is_known in zip(rows, known, strict=True) if is_known]
    if not counted:
        return np.empty(0), 1.0
    outcome = np.array([CLASSES.index(row["outcome"]) for row in counted], dtype=np.int8)
    shadow_rps, champion_rps = (
        metrics.rps(np.array([[row[name] for name in CLASSES] for row in part], dtype=float), outcome)
        for part in (counted, [by_key[_key(row)] for row in counted])
    )
    return by_day(champion_rps - shadow_rps, session[known]), float(champion_rps.mean())


def _key(row: dict[str, Any]) -> tuple[str, int]:
    return row["symbol"], row["bar_end"]
