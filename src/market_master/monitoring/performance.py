"""Performance: what the logged predictions of a version came to, by day, symbol, slot and regime."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market_master.artifact.bundle import ModelVersion
from market_master.artifact.reference_window import Reference
from market_master.domain.actions import CLASSES, expected_score, without_direction
from market_master.domain.arrays import Array, Ints
from market_master.domain.bars import Bars
from market_master.domain.clock import session_date
from market_master.monitoring.reading import Reading, evaluate_limit, insufficient_history
from market_master.prediction_log import PredictionLog
from market_master.stats import metrics
from market_master.stats.control_charts import DECISION, cusum, shortfall
from market_master.stats.daily import by_day, newey_west_se
from market_master.stats.regimes import regimes

LOOKED_AT = 20
"""sessions of the direction's rule"""
DIRECTION_ALARM_T = 3.0
"""standard errors"""
LEAST_DAYS = 20
"""of the reference"""
BAND = 1.645


@dataclass(frozen=True, eq=False)
class LoggedPredictions:
    """A version's logged predictions; those that have an outcome with it. Nothing is predicted again."""

    all_probabilities: Array
    all_session: Ints
    all_end: Ints
    probabilities: Array
    session: Ints
    symbol: NDArray[np.str_]
    slot: Ints
    bar_end: Ints
    action: NDArray[np.int8]
    z: Array

    def only(self, rows: NDArray[np.bool_]) -> LoggedPredictions:
        """Some of those that have an outcome."""
        names = ("probabilities", "session", "symbol", "slot", "bar_end", "action", "z")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def gains(self, prior: Array) -> tuple[Array, Array]:
        """By session: RPS saved over the prior, and the part of it that direction saved."""
        return daily_gains(self.probabilities, self.action, self.session, prior)


@dataclass(frozen=True)
class Realised:
    """What predictions came to, in one part of them: numbers with the half-width of their 90 % band, by day."""

    part: str
    name: str
    rows: int
    sessions: int
    rpss: float
    dir: float
    dir_band: float | None
    ic: float
    hit_rate: float
    """share of rows whose expected score had the sign of what came"""
    hit_band: float | None


def load_logged_predictions(log: PredictionLog, version: ModelVersion, since: int) -> LoggedPredictions:
    """What the log holds of a version at bars from an instant on."""
    rows = log.of_version(version.name, version.version, since)
    known = np.array([row["outcome"] is not None for row in rows], dtype=bool)
    ends = np.array([row["bar_end"] for row in rows], dtype=np.int64)
    session = slot = np.empty(0, dtype=np.int64)
    if rows:
        schedule = version.card.times.between(int(ends.min()), int(ends.max()))
        at = schedule.by_end(ends)
        session, slot = schedule.session[at], schedule.slot[at]
    probabilities = np.array([[row[name] for name in CLASSES] for row in rows], dtype=float).reshape(-1, len(CLASSES))
    done = [row for row in rows if row["outcome"] is not None]
    return LoggedPredictions(
        all_probabilities=probabilities,
        all_session=session,
        all_end=ends,
        probabilities=probabilities[known],
        session=session[known],
        symbol=np.array([row["symbol"] for row in done], dtype=str),
        slot=slot[known],
        bar_end=ends[known],
        action=np.array([CLASSES.index(row["outcome"]) for row in done], dtype=np.int8),
        z=np.array([row["outcome_z"] for row in done], dtype=float),
    )


def daily_gains(probabilities: Array, action: NDArray[np.int8], session: Ints, prior: Array) -> tuple[Array, Array]:
    """By session: RPS saved over the prior, and the part that direction saved; in shares of the prior's mean RPS."""
    if not len(action):
        return np.empty(0), np.empty(0)
    flat = np.tile(prior, (len(action), 1))
    base, scores = metrics.rps(flat, action), metrics.rps(probabilities, action)
    direction = metrics.rps(without_direction(probabilities, prior), action) - scores
    return by_day(base - scores, session) / base.mean(), by_day(direction, session) / base.mean()


def performance_alarms(reference: Reference, settled: LoggedPredictions) -> list[Reading]:
    """The cumulative sum of daily RPS gains, and the direction's mean over 20 sessions, against the version's own tests.

    The gain expected of a day is the reference's mean less its own standard error: it was a winner's mean.
    """
    there = np.isfinite(reference.probabilities[:, 0])
    before = daily_gains(
        reference.probabilities[there], reference.action[there], reference.session[there], reference.prior
    )
    gains, direction = settled.gains(reference.prior)
    told = []
    if len(before[0]) < LEAST_DAYS or not len(gains):
        reason = f"{len(gains)} settled sessions; {len(before[0])} in the reference, {LEAST_DAYS} needed."
        told.append(insufficient_history("performance", "cumulative sum of daily RPS gains", len(gains), reason))
    else:
        mean, spread = before[0].mean() - newey_west_se(before[0]), before[0].std(ddof=1)
        path = cusum(gains, float(mean), float(spread))
        told.append(
            evaluate_limit(
                "performance",
                "cumulative sum of daily RPS gains",
                len(gains),
                path,
                DECISION,
                "h of the chart",
                needed=1,
            )
        )
    if len(before[1]) < LEAST_DAYS or len(direction) < LOOKED_AT:
        reason = f"{len(direction)} settled sessions, {LOOKED_AT} needed; {len(before[1])} in the reference."
        told.append(insufficient_history("direction", "DIR below promotion", LOOKED_AT, reason))
    else:
        below = np.array([shortfall(direction[-LOOKED_AT:], before[1])])
        whence = "standard errors below what it had shown at promotion"
        told.append(
            evaluate_limit("direction", "DIR below promotion", LOOKED_AT, below, DIRECTION_ALARM_T, whence, needed=1)
        )
    return told


def realised(settled: LoggedPredictions, prior: Array, bars: Bars, members: tuple[str, ...]) -> list[Realised]:
    """The whole, and its parts by symbol, slot, regime and session."""
    if not len(settled.action):
        return []
    regime = dict(zip(bars.session.tolist(), regimes(bars, members).tolist(), strict=True))
    parts = {
        "all": np.full(len(settled.action), "all"),
        "symbol": settled.symbol,
        "slot": settled.slot,
        "regime": np.array([regime.get(day, "neutral") for day in settled.session.tolist()]),
        "session": np.array([session_date(day).isoformat() for day in settled.session.tolist()]),
    }
    return [
        _row(part, str(name), settled.only(values == name), prior)
        for part, values in parts.items()
        for name in np.unique(values)
    ]


def _row(part: str, name: str, settled: LoggedPredictions, prior: Array) -> Realised:
    gains, direction = settled.gains(prior)
    score = expected_score(settled.probabilities)
    daily = by_day((np.sign(score) == np.sign(settled.z)).astype(float), settled.session)
    return Realised(
        part=part,
        name=name,
        rows=len(settled.action),
        sessions=len(gains),
        rpss=float(gains.mean()),
        dir=float(direction.mean()),
        dir_band=_band(direction),
        ic=metrics.ic(score, settled.z),
        hit_rate=float(daily.mean()),
        hit_band=_band(daily),
    )


def _band(daily: Array) -> float | None:
    """None for a single session, which says nothing of its own spread."""
    return BAND * newey_west_se(daily) if len(daily) > 1 else None
