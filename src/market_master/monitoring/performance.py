"""Realised performance of a version's logged predictions, by day, symbol, slot and regime."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market_master.artifact.bundle import ModelVersion
from market_master.artifact.reference_window import Reference
from market_master.domain import CLASSES, Array, Bars, Ints, expected_score, session_date, without_direction
from market_master.monitoring.reading import Reading, evaluate_limit, insufficient_history
from market_master.prediction_log import PredictionLog
from market_master.stats import metrics
from market_master.stats.control_charts import DECISION, cusum, shortfall
from market_master.stats.daily import by_day, newey_west_se
from market_master.stats.regimes import regimes

DIRECTION_SESSIONS = 20
"""the newest sessions, over which direction is compared with promotion"""
DIRECTION_ALARM_T = 3.0
"""standard errors"""
MIN_REFERENCE_SESSIONS = 20
Z_90 = 1.645
"""half-width of a 90 % interval in standard errors"""


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

    def select(self, rows: NDArray[np.bool_]) -> LoggedPredictions:
        """Some of those that have an outcome."""
        names = ("probabilities", "session", "symbol", "slot", "bar_end", "action", "z")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def gains(self, prior: Array) -> tuple[Array, Array]:
        """By session: RPS saved over the prior, and the part of it that direction saved."""
        return daily_gains(self.probabilities, self.action, self.session, prior)


@dataclass(frozen=True)
class RealisedPerformance:
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
    has_outcome = np.array([row["outcome"] is not None for row in rows], dtype=bool)
    ends = np.array([row["bar_end"] for row in rows], dtype=np.int64)
    session = slot = np.empty(0, dtype=np.int64)
    if rows:
        schedule = version.card.times.between(int(ends.min()), int(ends.max()))
        position = schedule.by_end(ends)
        session, slot = schedule.session[position], schedule.slot[position]
    probabilities = np.array([[row[name] for name in CLASSES] for row in rows], dtype=float).reshape(-1, len(CLASSES))
    settled_rows = [row for row in rows if row["outcome"] is not None]
    return LoggedPredictions(
        all_probabilities=probabilities,
        all_session=session,
        all_end=ends,
        probabilities=probabilities[has_outcome],
        session=session[has_outcome],
        symbol=np.array([row["symbol"] for row in settled_rows], dtype=str),
        slot=slot[has_outcome],
        bar_end=ends[has_outcome],
        action=np.array([CLASSES.index(row["outcome"]) for row in settled_rows], dtype=np.int8),
        z=np.array([row["outcome_z"] for row in settled_rows], dtype=float),
    )


def daily_gains(probabilities: Array, action: NDArray[np.int8], session: Ints, prior: Array) -> tuple[Array, Array]:
    """By session: RPS saved over the prior, and the part that direction saved; in shares of the prior's mean RPS."""
    if not len(action):
        return np.empty(0), np.empty(0)
    prior_rows = np.tile(prior, (len(action), 1))
    base, scores = metrics.rps(prior_rows, action), metrics.rps(probabilities, action)
    direction = metrics.rps(without_direction(probabilities, prior), action) - scores
    return by_day(base - scores, session) / base.mean(), by_day(direction, session) / base.mean()


def performance_alarms(reference: Reference, predictions: LoggedPredictions) -> list[Reading]:
    """The cumulative sum of daily RPS gains, and the direction's mean over 20 sessions, against the version's own tests.

    The gain expected of a day is the reference's mean less its own standard error: it was a winner's mean.
    """
    rows = np.isfinite(reference.probabilities[:, 0])
    reference_gains, reference_direction = daily_gains(
        reference.probabilities[rows], reference.action[rows], reference.session[rows], reference.prior
    )
    gains, direction = predictions.gains(reference.prior)
    return [_gains_reading(gains, reference_gains), _direction_reading(direction, reference_direction)]


def _gains_reading(gains: Array, reference_gains: Array) -> Reading:
    statistic = "cumulative sum of daily RPS gains"
    if len(reference_gains) < MIN_REFERENCE_SESSIONS or not len(gains):
        reason = (
            f"{len(gains)} settled sessions; {len(reference_gains)} in the reference, {MIN_REFERENCE_SESSIONS} needed."
        )
        return insufficient_history("performance", statistic, len(gains), reason)
    mean = reference_gains.mean() - newey_west_se(reference_gains)
    path = cusum(gains, float(mean), float(reference_gains.std(ddof=1)))
    return evaluate_limit("performance", statistic, len(gains), path, DECISION, "h of the chart", min_streak=1)


def _direction_reading(direction: Array, reference_direction: Array) -> Reading:
    statistic = "DIR below promotion"
    if len(reference_direction) < MIN_REFERENCE_SESSIONS or len(direction) < DIRECTION_SESSIONS:
        reason = f"{len(direction)} settled sessions, {DIRECTION_SESSIONS} needed; {len(reference_direction)} in the reference."
        return insufficient_history("direction", statistic, DIRECTION_SESSIONS, reason)
    below = np.array([shortfall(direction[-DIRECTION_SESSIONS:], reference_direction)])
    origin = "standard errors below what it had shown at promotion"
    return evaluate_limit("direction", statistic, DIRECTION_SESSIONS, below, DIRECTION_ALARM_T, origin, min_streak=1)


def realised_performance(
    predictions: LoggedPredictions, prior: Array, bars: Bars, members: tuple[str, ...]
) -> list[RealisedPerformance]:
    """Of all predictions with an outcome, and by symbol, slot, regime and session."""
    if not len(predictions.action):
        return []
    regime = dict(zip(bars.session.tolist(), regimes(bars, members).tolist(), strict=True))
    parts = {
        "all": np.full(len(predictions.action), "all"),
        "symbol": predictions.symbol,
        "slot": predictions.slot,
        "regime": np.array([regime.get(day, "neutral") for day in predictions.session.tolist()]),
        "session": np.array([session_date(day).isoformat() for day in predictions.session.tolist()]),
    }
    return [
        _row(part, str(name), predictions.select(values == name), prior)
        for part, values in parts.items()
        for name in np.unique(values)
    ]


def _row(part: str, name: str, predictions: LoggedPredictions, prior: Array) -> RealisedPerformance:
    gains, direction = predictions.gains(prior)
    score = expected_score(predictions.probabilities)
    daily = by_day((np.sign(score) == np.sign(predictions.z)).astype(float), predictions.session)
    return RealisedPerformance(
        part=part,
        name=name,
        rows=len(predictions.action),
        sessions=len(gains),
        rpss=float(gains.mean()),
        dir=float(direction.mean()),
        dir_band=_band(direction),
        ic=metrics.ic(score, predictions.z),
        hit_rate=float(daily.mean()),
        hit_band=_band(daily),
    )


def _band(daily: Array) -> float | None:
    """None for a single session, which says nothing of its own spread."""
    return Z_90 * newey_west_se(daily) if len(daily) > 1 else None
