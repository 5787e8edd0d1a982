"""What is left after costs, and against what: cost table, trades, benchmarks, cuts, and the choice of a threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market_master.backtest.engine import SimulationResult, simulate
from market_master.backtest.panel import Panel
from market_master.backtest.positions import forward
from market_master.backtest.statistics import Measures, daily_returns, measure
from market_master.backtest.trading_rules import Rules
from market_master.domain.arrays import Array
from market_master.domain.errors import ConfigError
from market_master.stats.daily import days_permuted, newey_west_se

MULTIPLES = (0.0, 1.0, 2.0)
RANDOM_PATHS, SEED = 200, 7


@dataclass(frozen=True)
class CostScenario:
    """The same targets at a multiple of the costs."""

    multiple: float
    rate: float
    """one way, share of the traded value"""
    net: float
    """mean a session"""
    measures: Measures
    """all numbers of its sessions, with their intervals"""


@dataclass(frozen=True)
class TradeStatistics:
    """How much was traded and how it ended; None where there is nothing to divide by."""

    trades: int
    turnover: float
    """traded share of capital, mean a session"""
    exposure: float
    """sum of |position|, mean a bar"""
    hit_rate: float | None
    """share of the round trips that earned something after costs"""
    average_win: float | None
    """shares of the starting capital"""
    average_loss: float | None
    profit_factor: float | None
    """won over lost by round trips"""
    cost_share: float | None
    """costs over gross; above 1 nothing is left, None where gross is not above 0"""
    break_even: float | None
    """one-way cost that would take all of the gross"""


@dataclass(frozen=True)
class RandomBand:
    """Mean net a session of the same positions on other days: the luck to be beaten."""

    low: float
    """5 of 100 paths lie below"""
    median: float
    high: float
    """95 of 100 paths lie below"""
    beaten: float
    """share of the paths with a lower net than the path itself"""
    paths: int


@dataclass(frozen=True)
class Breakdown:
    """A part of a path: a slot, a regime, a symbol. Sums of shares of capital; `share` is its part of the bars or of turnover."""

    name: str
    gross: float
    cost: float
    net: float
    turnover: float
    sessions: int | None
    """in which it had bars; None for symbols"""
    net_t: float | None
    """t of the net's mean a session (Newey-West); None for symbols and under 10 sessions"""


@dataclass(frozen=True)
class ThresholdSearch:
    """A threshold, and what the choice cost: each value tried is a trial for the deflated Sharpe ratio."""

    threshold: float
    best: float
    """the value with the highest mean, before the rule of one standard error"""
    trials: int
    net: tuple[float, ...]
    """mean net a session of each value, in order"""
    shortfall_se: tuple[float, ...]
    """standard error of each one's paired daily difference to the best"""


def cost_table(
    target: Array, panel: Panel, rules: Rules, multiples: Sequence[float] = MULTIPLES, *, year: int = 252
) -> tuple[CostScenario, ...]:
    """What is left at no cost, at the given cost and at twice that."""
    rows = []
    for multiple in multiples:
        costed = replace(rules, cost=multiple * rules.cost, slippage=multiple * rules.slippage)
        daily = daily_returns(simulate(target, panel, costed).net, panel.session)[1]
        rows.append(CostScenario(multiple, costed.rate, float(daily.mean()), measure(daily, year=year)))
    return tuple(rows)


def dealings(path: SimulationResult, panel: Panel) -> TradeStatistics:
    """Turnover, exposure, and the round trips in numbers."""
    net, gross, cost = path.trades.net, float(path.gross.sum()), float(path.cost.sum())
    won, lost = net[net > 0], net[net < 0]
    return TradeStatistics(
        trades=len(net),
        turnover=float(path.turnover.sum()) / len(np.unique(panel.session)),
        exposure=float(path.exposure.mean()),
        hit_rate=len(won) / len(net) if len(net) else None,
        average_win=float(won.mean()) if len(won) else None,
        average_loss=float(lost.mean()) if len(lost) else None,
        profit_factor=float(won.sum() / -lost.sum()) if len(lost) else None,
        cost_share=cost / gross if gross > 0 else None,
        break_even=path.break_even,
    )


def buy_and_hold(panel: Panel, rules: Rules) -> SimulationResult:
    """Equal shares of all instruments, bought at each one's first open at these costs, and held: no stops, no exits."""
    target = np.full(panel.open.shape, np.nan)
    target[0] = 1.0 / len(panel.symbols)
    return simulate(target, panel, Rules(cost=rules.cost, slippage=rules.slippage))


def flat(panel: Panel) -> SimulationResult:
    """Nothing is done: what a strategy must earn more than to be worth its while."""
    return simulate(np.zeros(panel.open.shape), panel, Rules())


def random_paths(target: Array, panel: Panel, rules: Rules, *, paths: int = RANDOM_PATHS, seed: int = SEED) -> Array:
    """Daily net returns [paths, sessions] of the same standing decisions, whole days of them dealt to other days.

    The days keep their shapes, and the turnover is about the same. A bar whose slot the other day does not have (a
    half-day's) keeps its own.
    """
    standing = np.nan_to_num(forward(target))
    random = np.random.default_rng(seed)
    everywhere = np.zeros(len(panel), dtype=np.int64)
    return np.stack([
        daily_returns(
            simulate(standing[days_permuted(everywhere, panel.slot, panel.session, random)], panel, rules).net,
            panel.session,
        )[1]
        for _ in range(paths)
    ])  # fmt: skip


def band(daily: Array, paths: Array) -> RandomBand:
    """Where a path's daily returns lie among those of random ones [paths, sessions], by the mean."""
    nets = paths.mean(axis=1)
    low, median, high = (float(value) for value in np.quantile(nets, [0.05, 0.5, 0.95]))
    return RandomBand(low, median, high, float((nets < daily.mean()).mean()), len(nets))


def by_bar(path: SimulationResult, panel: Panel, names: NDArray) -> tuple[Breakdown, ...]:
    """A path cut by a name of each bar: its slot, its session's regime."""
    cuts = []
    for name in np.unique(names):
        rows = names == name
        _, daily = daily_returns(path.net[rows], panel.session[rows])
        se = newey_west_se(daily) if len(daily) >= 10 else 0.0
        cuts.append(
            Breakdown(
                name=str(name),
                gross=float(path.gross[rows].sum()),
                cost=float(path.cost[rows].sum()),
                net=float(path.net[rows].sum()),
                turnover=float(path.turnover[rows].sum()),
                sessions=len(daily),
                net_t=float(daily.mean() / se) if se > 0 else None,
            )
        )
    return tuple(cuts)


def by_symbol(path: SimulationResult, panel: Panel) -> tuple[Breakdown, ...]:
    """A path cut by instrument; the nets, in shares of the starting capital, add up to the change of equity."""
    columns = (path.instrument_gross, path.instrument_turnover, path.instrument_net)
    return tuple(
        Breakdown(symbol, float(gross), float(path.rate * turnover), float(net), float(turnover), None, None)
        for symbol, gross, turnover, net in zip(panel.symbols, *columns, strict=True)
    )


def tune(targets: Callable[[float], Array], thresholds: Sequence[float], panel: Panel, rules: Rules) -> ThresholdSearch:
    """The threshold by mean net a session, then the largest whose shortfall from the best is within one standard error.

    `targets` makes [bars, instruments] of a threshold, on development bars only. The error is that of the paired daily
    difference (Newey-West). The best of a grid on noise shows a Sharpe ratio of 1.4 in half a year, and less than 0 after
    it: so larger, which trades less, unless there is reason. Raises ConfigError unless thresholds increase.
    """
    values = np.asarray(thresholds, dtype=float)
    if not len(values) or (np.diff(values) <= 0).any():
        raise ConfigError(
            f"Thresholds to choose from increase; {', '.join(f'{v:g}' for v in values) or 'none'} were given."
        )
    daily = np.stack([daily_returns(simulate(targets(v), panel, rules).net, panel.session)[1] for v in values.tolist()])
    means = daily.mean(axis=1)
    best = int(means.argmax())
    errors = np.array([newey_west_se(daily[best] - other) for other in daily])
    chosen = int(np.flatnonzero(means[best] - means <= errors).max())
    return ThresholdSearch(
        float(values[chosen]), float(values[best]), len(values), tuple(means.tolist()), tuple(errors.tolist())
    )
