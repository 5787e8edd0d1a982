"""Evidence: plain numbers, all that rules see, so that a decision can be made again."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from market_master.domain import Array, Scorecard, Trades
from market_master.stats.daily import Gain, gain

MAX_ROWS_LOST = 0.01
"""share of the rows, of the hold-out or of development, that one of two compared may leave without an answer"""


@dataclass(frozen=True)
class PairedComparison:
    """The challenger against another on the same rows; gains are shares of the prior's RPS, by day."""

    rps: Gain
    direction: Gain
    """gain in the directional part"""
    rps_daily: tuple[float, ...] = ()
    """what `rps` was made of, one number a session"""
    direction_daily: tuple[float, ...] = ()

    @classmethod
    def of(cls, rps: Array, direction: Array, overlap: int = 0) -> PairedComparison:
        """The duel that some daily gains make; labels of neighbouring days share `overlap` days of news."""
        return cls(
            gain(rps, overlap=overlap),
            gain(direction, overlap=overlap),
            tuple(float(value) for value in rps),
            tuple(float(value) for value in direction),
        )


@dataclass(frozen=True)
class Segment:
    """How much worse than the reference the challenger is on one part of the hold-out."""

    kind: str
    """symbol, slot, regime or session"""
    name: str
    rows: int
    worse: float
    """of the reference's RPS there, as a share; above 0 is worse"""
    t: float
    """of the daily differences"""


@dataclass(frozen=True)
class Speed:
    """Seconds of one prediction from bars, of which 95 in 100 take less."""

    challenger: float
    champion: float | None


@dataclass(frozen=True)
class Evidence:
    """Everything the rules may look at; None means that it could not be measured, and fails the rule that needs it."""

    lane: str
    """`new_recipe` (must be better) or `refresh` (same recipe, newer data: must not be worse)"""
    alpha: float
    """what this look may spend"""
    max_ic: float
    overlap: int
    """sessions that neighbouring labels share"""
    challenger: Scorecard | None
    """on the hold-out, by the registered artefact"""
    against_prior: PairedComparison | None
    champion_version: str | None
    champion: Scorecard | None
    against_champion: PairedComparison | None
    """artefact evidence: both frozen models on the hold-out, by the challenger's labels"""
    against_champion_relabelled: PairedComparison | None
    """the same by the champion's labels"""
    rows_lost: float | None
    """share of the hold-out's rows that the champion can't answer"""
    champion_reason: str
    """why there is no comparison, if there is none"""
    recipes: PairedComparison | None
    """recipe evidence: both recipes fitted anew on the same development folds"""
    recipes_reason: str
    dev: tuple[Scorecard, ...]
    """walk-forward scorecards of all candidates and baselines"""
    winner: str
    excess: dict[str, float]
    """winner's dev RPS above each baseline's, in standard errors of the daily difference"""
    tried: int
    """recipes among which the winner was found"""
    luck: float | None
    """chance that the best of them looks this good when none beats the reference (SPA): the champion's recipe, or the prior"""
    pbo: float | None
    """probability of backtest overfitting; None with a single recipe"""
    segments: tuple[Segment, ...] | None
    """against the champion, or the prior while there is none"""
    trades: Trades | None
    champion_trades: Trades | None
    drift: float | None
    """AUC of telling hold-out rows from training rows"""
    speed: Speed | None
    holdout_first: str
    labels_known: str
    """end of the last label the challenger learned from"""
    champion_labels_known: str | None
    holdout_sessions: int
    short_history: bool
    unseen: float | None
    """share of the hold-out's sessions that no earlier look of the new-recipe lane has seen"""
    kept_share: float | None
    """share of the fetched rows and of the calendar's bars that passed the bar contract"""
    parity: float | None
    feature_parity: float | None
    """largest difference between features of a long history and of the few bars that serving has"""
    deterministic: bool | None
    shrinkage: float
    certificate: str | None
    """hash of the leak suite's certificate"""
    broken_laws: tuple[str, ...] | None
    """laws that did not hold; None when the suite was not run"""
    laws: tuple[str, ...]
    """laws that were checked"""

    @classmethod
    def from_record(cls, values: dict[str, Any]) -> Evidence:
        """Evidence from its JSON, every duel worked out anew from its days."""
        evidence: Evidence = TypeAdapter(cls).validate_python(values)
        return evidence.again()

    def again(self) -> Evidence:
        """The same with every duel worked out anew from its days."""
        named = {name: getattr(self, name) for name in DUELS}
        anew: dict[str, Any] = {
            name: PairedComparison.of(np.array(duel.rps_daily), np.array(duel.direction_daily), self.overlap)
            for name, duel in named.items()
            if duel is not None
        }
        return replace(self, **anew)

    @classmethod
    def unlooked(cls, lane: str, sessions: int, unseen: float, champion_version: str | None) -> Evidence:
        """What is known when the hold-out is not looked at."""
        nothing: dict[str, Any] = {field.name: None for field in fields(cls)}
        known: dict[str, Any] = {
            "lane": lane, "alpha": 0.0, "max_ic": 0.0, "overlap": 0, "champion_version": champion_version,
            "champion_reason": "", "recipes_reason": "", "dev": (), "winner": "", "excess": {}, "tried": 0,
            "holdout_first": "", "labels_known": "", "holdout_sessions": sessions, "short_history": False,
            "unseen": unseen, "shrinkage": 0.0, "laws": (),
        }  # fmt: skip
        return cls(**(nothing | known))


DUELS = ("against_prior", "against_champion", "against_champion_relabelled", "recipes")
