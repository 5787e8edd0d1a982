"""Risk of a symbol: stop and target, position size, value at risk, a score from 0 to 100.

Returns are from close to close, nights included. Score and parts are ranks among the symbol's own bars: 100 is the most
risk it had in the bars that are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.domain import Array, Bars, Ints, TooFewBars, iso
from market_master.insights.declare import insight, require_symbol
from market_master.insights.value_at_risk import FIRST, WINDOW, Coverage, coverage, expected_volatility, loss_quantiles

ATR_BARS = 14
LEVELS = (0.95, 0.99)
"""of value at risk; the score ranks the expected shortfall at the first"""
STOP_RANGES, TARGET_RANGES = 2.0, 3.0
"""average ranges from the entry to the stop, and to the target"""
HISTORY = 60
"""bars that each part of the score is ranked among, at least"""
LIQUIDITY = 20
"""bars, and sessions"""
VOLUME_SHARE = 0.01
"""of the daily volume that a position may be"""
NEEDED = FIRST + WINDOW + HISTORY + 1


@dataclass(frozen=True)
class Bracket:
    """Where a position taken at the close is left."""

    stop: float
    target: float


@dataclass(frozen=True)
class LossQuantile:
    """Losses over the next bar that are exceeded with a probability of 1 - level, as shares of the price."""

    level: float
    value_at_risk: float
    expected_shortfall: float
    coverage: Coverage


@dataclass(frozen=True)
class RiskScore:
    """Mean of the parts, each the percentile rank (0 to 100) of its newest value among the symbol's own."""

    score: float
    volatility: float
    expected_shortfall: float
    drawdown: float
    beta: float
    illiquidity: float
    ranked_among: int
    """bars"""


@dataclass(frozen=True)
class Risk:
    """A symbol's risk as of its newest bar; prices in the symbol's own currency."""

    symbol: str
    as_of: str
    price: float
    average_true_range: float
    long: Bracket
    short: Bracket
    volatility: float
    """expected of the next bar's log return"""
    losses: tuple[LossQuantile, ...]
    drawdown: float
    """below the highest close of the last 250 bars, as a share of it"""
    beta: float
    """slope on the mean return of all symbols, 250 bars"""
    daily_volume: float
    """mean volume of the last 20 sessions that are whole"""
    score: RiskScore


@dataclass(frozen=True)
class PositionSizes:
    """Units that lose a share of the equity (the budget) when the stop is hit, long or short."""

    equity: float
    budget: float
    long: float
    short: float


@insight
def risk(bars: Bars, symbol: str) -> Risk:
    """What may be lost with a symbol, and where a stop belongs. Raises UnknownSymbol, TooFewBars."""
    require_symbol(bars, symbol)
    rows = bars.rows(symbol)
    high, low, close = bars.high[rows], bars.low[rows], bars.close[rows]
    if len(close) < NEEDED:
        raise TooFewBars(
            f"Risk needs {NEEDED} bars of '{symbol}', there are {len(close)}.", given=len(close), needed=NEEDED
        )
    returns, market = close_returns(bars)[rows][1:], market_returns(bars)[rows][1:]
    volatility, wide = expected_volatility(returns), average_true_range(high, low, close)
    price, losses = float(close[-1]), {level: loss_quantiles(returns, level) for level in LEVELS}
    drawdown, beta = rolling_drawdown(close), rolling_beta(returns, market)
    return Risk(
        symbol=symbol,
        as_of=iso(int(bars.bar_end[rows][-1])),
        price=price,
        average_true_range=wide,
        long=Bracket(price - STOP_RANGES * wide, price + TARGET_RANGES * wide),
        short=Bracket(price + STOP_RANGES * wide, price - TARGET_RANGES * wide),
        volatility=float(volatility[-1]),
        losses=tuple(_loss_quantile(returns, level, *stated) for level, stated in losses.items()),
        drawdown=float(drawdown[-1]),
        beta=float(beta[-1]),
        daily_volume=_daily_volume(bars.volume[rows], bars.session[rows]),
        score=_score(
            volatility[1:],
            losses[LEVELS[0]][1],
            drawdown,
            beta,
            illiquidity(returns, close[1:] * bars.volume[rows][1:]),
        ),
    )


def position_sizes(risk: Risk, equity: float, budget: float) -> PositionSizes:
    """What may be bought or sold at the newest close, left at its stop."""
    long, short = (
        position_size(equity, budget, risk.price, bracket.stop, daily_volume=risk.daily_volume)
        for bracket in (risk.long, risk.short)
    )
    return PositionSizes(equity, budget, long, short)


def position_size(
    equity: float, budget: float, entry: float, stop: float, *, most: float = 1.0, daily_volume: float = np.inf
) -> float:
    """Units that lose a share of the equity (the budget) when the stop is hit.

    At most a share of the equity is invested (`most`), and 1 % of the daily volume traded.
    """
    by_risk = budget * equity / abs(entry - stop) if entry != stop else np.inf
    return float(min(by_risk, most * equity / entry, VOLUME_SHARE * daily_volume))


def average_true_range(high: Array, low: Array, close: Array) -> float:
    """Wilder's mean of 14 true ranges; it begins with the simple mean of the first 14."""
    before = close[:-1]
    ranges = np.maximum(high[1:], before) - np.minimum(low[1:], before)
    average = float(ranges[:ATR_BARS].mean())
    for newest in ranges[ATR_BARS:].tolist():
        average += (newest - average) / ATR_BARS
    return average


def close_returns(bars: Bars) -> Array:
    """Log return of each bar since its symbol's bar before; 0 for the first."""
    moved = np.diff(np.log(bars.close), prepend=np.log(bars.close[:1]))
    return np.where(bars.age > 0, moved, 0.0)


def market_returns(bars: Bars) -> Array:
    """Mean of all symbols' returns at each bar's end."""
    returns, known = close_returns(bars), bars.age > 0
    _, instant = np.unique(bars.bar_end, return_inverse=True)
    counts = np.bincount(instant, weights=known)
    return (np.bincount(instant, weights=returns) / np.maximum(counts, 1.0))[instant]


def rolling_drawdown(close: Array) -> Array:
    """How far each close is below the highest of the last 250, as a share of it."""
    windows = np.lib.stride_tricks.sliding_window_view(close, WINDOW)
    return 1.0 - windows[:, -1] / windows.max(axis=1)


def rolling_beta(returns: Array, market: Array) -> Array:
    """Slope of the last 250 returns on the market's; 1 where the market stood still."""
    own, all_ = (np.lib.stride_tricks.sliding_window_view(values, WINDOW) for values in (returns, market))
    shared = (own * all_).mean(axis=1) - own.mean(axis=1) * all_.mean(axis=1)
    variance = all_.var(axis=1)
    return np.where(variance > 0.0, shared / np.where(variance > 0.0, variance, 1.0), 1.0)


def illiquidity(returns: Array, money: Array) -> Array:
    """Amihud's mean of absolute return over money traded, of the last 20 bars that traded; 0 where none did."""
    traded = money > 0.0
    cost = np.where(traded, np.abs(returns) / np.where(traded, money, 1.0), 0.0)
    total, count = (np.lib.stride_tricks.sliding_window_view(one, LIQUIDITY).sum(axis=1) for one in (cost, traded))
    return total / np.maximum(count, 1)


def _daily_volume(volume: Array, session: Ints) -> float:
    """The newest session may not be over, and of the oldest not all bars may be here."""
    _, day = np.unique(session, return_inverse=True)
    return float(np.bincount(day, weights=volume)[1:-1][-LIQUIDITY:].mean())


def _loss_quantile(returns: Array, level: float, at_risk: Array, shortfall: Array) -> LossQuantile:
    """The newest of each, as shares of the price."""
    loss, beyond = (float(1.0 - np.exp(-values[-1])) for values in (at_risk, shortfall))
    return LossQuantile(level, loss, beyond, coverage(returns, at_risk, level))


def _score(*parts: Array) -> RiskScore:
    """The parts in the record's order, over as many bars as the shortest has."""
    among = min(map(len, parts))
    volatility, shortfall, drawdown, beta, cost = ranks = [_rank(part[-among:]) for part in parts]
    return RiskScore(float(np.mean(ranks)), volatility, shortfall, drawdown, beta, cost, among)


def _rank(values: Array) -> float:
    """Percentile rank of the newest value among all, ties counted half."""
    newest = values[-1]
    return float(100.0 * ((values < newest).sum() + 0.5 * (values == newest).sum()) / len(values))
