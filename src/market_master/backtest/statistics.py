"""Statistics of daily returns: return, risk, bootstrap intervals, and tests against luck.

A session is one observation: bars are compounded to sessions before anything is annualised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from market_master.domain import Array, Ints
from market_master.stats.bootstrap import SEED

BOOTSTRAP_DRAWS = 1000
LOW_SAMPLE_SESSIONS = 30
"""below them numbers are marked"""
MIN_MEASURED_SESSIONS = 10
"""below them there are none"""
INTERVAL_LEVEL = 0.90
MIN_SPREAD = 1e-15
"""a spread below this is rounding"""
EULER_MASCHERONI = 0.5772156649015329


@dataclass(frozen=True)
class Measures:
    """All numbers of a series of daily returns; None stands where a number can't be had, and `reason` says why."""

    sessions: int
    year: int
    """sessions in a year"""
    low_sample: bool
    """fewer than 30 sessions: look at the intervals"""
    reason: str | None
    values: dict[str, float | None]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """90 % of 1000 draws of a stationary bootstrap of sessions"""
    block: int | None = None
    """mean length of its blocks, sessions"""


def year_of(calendar: str) -> int:
    """Sessions in a year: 365 where trading never rests, else 252."""
    return 365 if calendar == "24/7" else 252


def daily_returns(net: Array, session: Ints) -> tuple[Ints, Array]:
    """Sessions, and the return of each: its bars compounded. `session` by bar, in order of time."""
    days, first = np.unique(session, return_index=True)
    return days, np.multiply.reduceat(1 + net, first) - 1


def measure_returns(daily: Array, *, year: int = 252, benchmark: Array | None = None) -> Measures:
    """All numbers of docs/backtest.md that need daily returns only, with intervals; alpha and beta if there is a benchmark.

    Under 10 sessions every value is None, with the reason. The bootstrap is Politis and Romano's (1994), its mean block
    chosen by Politis and White (2004), seeded.
    """
    count = len(daily)
    names = [*_numbers(np.zeros(2), year), *(("alpha", "beta") if benchmark is not None else ())]
    if count < MIN_MEASURED_SESSIONS:
        reason = f"{count} sessions are too few for any number; {MIN_MEASURED_SESSIONS} are needed."
        return Measures(count, year, True, reason, dict.fromkeys(names))
    values = {name: _finite(float(value)) for name, value in _numbers(daily, year).items()}
    drawn, block = _draws(daily)
    intervals = {name: _interval(value) for name, value in _numbers(daily[drawn], year).items()}
    if benchmark is not None:
        alpha, beta = _alpha_beta(daily, benchmark, year)
        values |= {"alpha": _finite(float(alpha)), "beta": _finite(float(beta))}
        drawn_alpha, drawn_beta = _alpha_beta(daily[drawn], benchmark[drawn], year)
        intervals |= {"alpha": _interval(drawn_alpha), "beta": _interval(drawn_beta)}
    missing = [name for name, value in values.items() if value is None]
    return Measures(
        sessions=count,
        year=year,
        low_sample=count < LOW_SAMPLE_SESSIONS,
        reason=f"Nothing to divide by for {', '.join(missing)}." if missing else None,
        values=values,
        intervals={name: interval for name, interval in intervals.items() if interval is not None},
        block=block,
    )


def psr(daily: Array, above: float = 0.0) -> float | None:
    """Probability that the true Sharpe ratio, per session, is above a value: Bailey and Lopez de Prado (2012).

    Phi((SR - above) sqrt(n - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2)), with skewness g3 and raw kurtosis g4; nothing is
    annualised. None under 10 sessions or for a constant return.
    """
    if len(daily) < MIN_MEASURED_SESSIONS or not daily.std() > MIN_SPREAD:
        return None
    ratio = float(daily.mean() / daily.std(ddof=1))
    skew, kurtosis = float(stats.skew(daily)), float(stats.kurtosis(daily, fisher=False))
    spread = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    return float(stats.norm.cdf((ratio - above) * math.sqrt((len(daily) - 1) / spread)))


def dsr(daily: Array, trials: int, *, spread: float | None = None) -> float | None:
    """PSR against the best Sharpe ratio that so many trials without skill would show: Bailey and Lopez de Prado (2014).

    `spread` is the standard deviation of the trials' ratios, per session; unless it is given, that of ratios estimated on
    as many sessions where there is no skill, 1 / sqrt(n - 1).
    """
    if len(daily) < MIN_MEASURED_SESSIONS:
        return None
    trial_spread = 1 / math.sqrt(len(daily) - 1) if spread is None else spread
    return psr(daily, trial_spread * expected_maximum(trials))


def expected_maximum(trials: int) -> float:
    """Expected maximum of so many standard normal values: (1 - g) PhiInv(1 - 1/N) + g PhiInv(1 - 1/(N e)); 0 for one."""
    if trials <= 1:
        return 0.0
    quantile, far_quantile = stats.norm.ppf([1 - 1 / trials, 1 - 1 / (trials * math.e)])
    return float((1 - EULER_MASCHERONI) * quantile + EULER_MASCHERONI * far_quantile)


def least_years(trials: int, sharpe: float = 1.0) -> float:
    """MinBTL: years under which the best of so many trials without skill is expected to show an annual Sharpe ratio this high."""
    return (expected_maximum(trials) / sharpe) ** 2


def _numbers(daily: Array, year: int) -> dict[str, Array]:
    """Every number of daily returns [..., sessions], in the order of the tear sheet; NaN where there is nothing to divide by."""
    count = daily.shape[-1]
    wealth = np.cumprod(1 + daily, axis=-1)
    high = np.maximum.accumulate(np.maximum(wealth, 1.0), axis=-1)
    rows = np.arange(1, count + 1)
    under = rows - np.maximum.accumulate(np.where(wealth < high, 0, rows), axis=-1)
    mean, spread = daily.mean(axis=-1), daily.std(axis=-1, ddof=1)
    won, lost = np.maximum(daily, 0), np.minimum(daily, 0)
    worst, best = np.quantile(daily, [0.05, 0.95], axis=-1)
    tail = daily <= worst[..., None]
    cagr, drawdown = wealth[..., -1] ** (year / count) - 1, (wealth / high - 1).min(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        numbers = {
            "total": wealth[..., -1] - 1,
            "cagr": cagr,
            "volatility": spread * math.sqrt(year),
            "sharpe": mean / np.where(spread > MIN_SPREAD, spread, 0.0) * math.sqrt(year),
            "sortino": mean / np.sqrt((lost**2).mean(axis=-1)) * math.sqrt(year),
            "max_drawdown": drawdown,
            "drawdown_sessions": under.max(axis=-1),
            "calmar": cagr / np.abs(drawdown),
            "omega": won.sum(axis=-1) / -lost.sum(axis=-1),
            "tail_ratio": np.abs(best) / np.abs(worst),
            "var_95": worst,
            "es_95": (daily * tail).sum(axis=-1) / tail.sum(axis=-1),
            "mean": mean,
            "winning_sessions": (daily > 0).mean(axis=-1),
        }
    return {name: np.asarray(value, dtype=float) for name, value in numbers.items()}


def _alpha_beta(daily: Array, benchmark: Array, year: int) -> tuple[Array, Array]:
    """Annualised return beyond beta x the benchmark's, and beta; [..., sessions]."""
    centred = benchmark - benchmark.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        beta = (centred * daily).sum(axis=-1) / (centred**2).sum(axis=-1)
        return (1 + (daily - beta[..., None] * benchmark).mean(axis=-1)) ** year - 1, beta


def _draws(daily: Array) -> tuple[Ints, int]:
    """Sessions drawn in blocks of random length, [draws, sessions], and their mean length."""
    from arch.bootstrap import StationaryBootstrap, optimal_block_length

    count = len(daily)
    optimal = float(optimal_block_length(daily)["stationary"].iloc[0]) if daily.std() > MIN_SPREAD else 1.0
    block = min(max(math.ceil(optimal), 1), count // 3) if math.isfinite(optimal) else 1
    bootstrap = StationaryBootstrap(block, np.arange(count), seed=SEED)
    return np.stack([positional[0] for positional, _ in bootstrap.bootstrap(BOOTSTRAP_DRAWS)]), block


def _interval(drawn: Array) -> tuple[float, float] | None:
    """The middle 90 %; None where a tenth of the draws have no number."""
    known = drawn[np.isfinite(drawn)]
    if len(known) < INTERVAL_LEVEL * len(drawn):
        return None
    low, high = np.quantile(known, [(1 - INTERVAL_LEVEL) / 2, (1 + INTERVAL_LEVEL) / 2])
    return float(low), float(high)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
