"""Risk of a symbol: stop and target, position size, value at risk, a score from 0 to 100.

Returns are from close to close, nights included. Score and parts are ranks among the symbol's own bars: 100 is the most
risk it had in the bars that are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.domain import Array, Ints, TooFewBars, iso
from market_master.insights import MarketView, insight
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
STOOD_STILL = 1e-16
"""variance of the market's returns that is rounding"""
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
def risk(view: MarketView, symbol: str) -> Risk:
    """What may be lost with a symbol, and where a stop belongs. Raises UnknownSymbol, TooFewBars."""
    view.require_symbol(symbol)
    bars, rows = view.bars, view.bars.rows(symbol)
    high, low, close = bars.high[rows], bars.low[rows], bars.close[rows]
    if len(close) < NEEDED:
        raise TooFewBars(
            f"Risk needs {NEEDED} bars of '{symbol}', there are {len(close)}.", given=len(close), needed=NEEDED
        )
    returns, history = view.returns[rows][1:], _RiskHistory.of(view, (symbol,))
    losses = {level: loss_quantiles(returns, level) for level in LEVELS}
    price, wide = float(close[-1]), average_true_range(high, low, close)
    return Risk(
        symbol=symbol,
        as_of=iso(int(bars.bar_end[rows][-1])),
        price=price,
        average_true_range=wide,
        long=Bracket(price - STOP_RANGES * wide, price + TARGET_RANGES * wide),
        short=Bracket(price + STOP_RANGES * wide, price - TARGET_RANGES * wide),
        volatility=float(history.volatility[0, -1]),
        losses=tuple(_loss_quantile(returns, level, *stated) for level, stated in losses.items()),
        drawdown=float(history.drawdown[0, -1]),
        beta=float(history.beta[0, -1]),
        daily_volume=_daily_volume(bars.volume[rows], bars.session[rows]),
        score=history.scores()[0],
    )


def risk_scores(view: MarketView) -> dict[str, float]:
    """The score of every symbol that has enough bars, by symbol."""
    by_count: dict[int, list[str]] = {}
    for symbol, rows in view.bars:
        if rows.stop - rows.start >= NEEDED:
            by_count.setdefault(rows.stop - rows.start, []).append(symbol)
    return {
        symbol: score.score
        for symbols in by_count.values()
        for symbol, score in zip(symbols, _RiskHistory.of(view, symbols).scores(), strict=True)
    }


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


def rolling_drawdown(close: Array) -> Array:
    """How far each close is below the highest of the last 250, as a share of it; along the last axis."""
    highest, width = close, 1
    while width < WINDOW:
        step = min(width, WINDOW - width)
        highest, width = np.maximum(highest[..., step:], highest[..., :-step]), width + step
    return 1.0 - close[..., WINDOW - 1 :] / highest


def rolling_beta(returns: Array, market: Array) -> Array:
    """Slope of the last 250 returns on the market's; 1 where the market stood still; along the last axis."""
    own, all_ = _window_sums(returns, WINDOW) / WINDOW, _window_sums(market, WINDOW) / WINDOW
    shared = _window_sums(returns * market, WINDOW) / WINDOW - own * all_
    variance = _window_sums(market**2, WINDOW) / WINDOW - all_**2
    moved = variance > STOOD_STILL
    return np.where(moved, shared / np.where(moved, variance, 1.0), 1.0)


def illiquidity(returns: Array, money: Array) -> Array:
    """Amihud's mean of absolute return over money traded, of the last 20 bars that traded; 0 where none did."""
    traded = money > 0.0
    cost = np.where(traded, np.abs(returns) / np.where(traded, money, 1.0), 0.0)
    return _window_sums(cost, LIQUIDITY) / np.maximum(_window_sums(traded, LIQUIDITY), 1)


def _daily_volume(volume: Array, session: Ints) -> float:
    """The newest session may not be over, and of the oldest not all bars may be here."""
    _, day = np.unique(session, return_inverse=True)
    return float(np.bincount(day, weights=volume)[1:-1][-LIQUIDITY:].mean())


def _loss_quantile(returns: Array, level: float, at_risk: Array, shortfall: Array) -> LossQuantile:
    """The newest of each, as shares of the price."""
    loss, beyond = (float(1.0 - np.exp(-values[-1])) for values in (at_risk, shortfall))
    return LossQuantile(level, loss, beyond, coverage(returns, at_risk, level))


@dataclass(frozen=True, eq=False)
class _RiskHistory:
    """The parts of some symbols' scores over their own newest bars: [symbols, bars]."""

    volatility: Array
    expected_shortfall: Array
    drawdown: Array
    beta: Array
    illiquidity: Array

    @classmethod
    def of(cls, view: MarketView, symbols: Sequence[str]) -> _RiskHistory:
        """Of symbols that have equally many bars."""
        rows = np.stack([np.arange(*view.bars.rows(symbol).indices(len(view.bars))) for symbol in symbols])
        returns, market, close = view.returns[rows][:, 1:], view.market_returns[rows][:, 1:], view.bars.close[rows]
        volatility = expected_volatility(returns)
        return cls(
            volatility=volatility[:, 1:],
            expected_shortfall=loss_quantiles(returns, LEVELS[0], volatility)[1],
            drawdown=rolling_drawdown(close),
            beta=rolling_beta(returns, market),
            illiquidity=illiquidity(returns, (close * view.bars.volume[rows])[:, 1:]),
        )

    def scores(self) -> list[RiskScore]:
        """Of each symbol: the newest of each part among as many bars as the shortest has."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        among = min(part.shape[1] for part in parts.values())
        ranks = {name: _newest_rank(part[:, -among:]) for name, part in parts.items()}
        score = np.mean(list(ranks.values()), axis=0)
        return [
            RiskScore(
                score=float(score[at]), ranked_among=among, **{name: float(rank[at]) for name, rank in ranks.items()}
            )
            for at in range(len(score))
        ]


def _window_sums(values: NDArray[Any], window: int) -> Array:
    """Sum of each so many values in a row, along the last axis."""
    sums = np.cumsum(values, axis=-1, dtype=float)
    return np.concatenate([sums[..., window - 1 : window], sums[..., window:] - sums[..., :-window]], axis=-1)


def _newest_rank(values: Array) -> Array:
    """Percentile rank of the newest value among all of its row, ties counted half."""
    newest = values[..., -1:]
    return np.asarray(50.0 * ((values < newest).mean(axis=-1) + (values <= newest).mean(axis=-1)))
