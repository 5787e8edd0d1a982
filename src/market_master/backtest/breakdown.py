"""Breakdown of a simulation: costs, trades, benchmarks, random paths, by bar and by symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market_master.backtest.engine import SimulationResult, simulate
from market_master.backtest.panel import Panel
from market_master.backtest.positions import forward
from market_master.backtest.statistics import Measures, daily_returns, measure_returns
from market_master.backtest.trading_rules import Rules
from market_master.domain import Array
from market_master.stats.bootstrap import RANDOM_PATHS, SEED, permute_days
from market_master.stats.daily import newey_west_se

COST_MULTIPLES = (0.0, 1.0, 2.0)


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
    """A part of a simulation: a slot, a regime, a symbol. Sums of shares of capital."""

    name: str
    gross: float
    cost: float
    net: float
    turnover: float
    sessions: int | None
    """in which it had bars; None for symbols"""
    net_t: float | None
    """t of the net's mean a session (Newey-West); None for symbols and under 10 sessions"""


def cost_table(
    target: Array, panel: Panel, rules: Rules, multiples: Sequence[float] = COST_MULTIPLES, *, year: int = 252
) -> tuple[CostScenario, ...]:
    """What is left at no cost, at the given cost and at twice that."""
    rows = []
    for multiple in multiples:
        scaled = replace(rules, cost=multiple * rules.cost, slippage=multiple * rules.slippage)
        daily = daily_returns(simulate(target, panel, scaled).net, panel.session)[1]
        rows.append(CostScenario(multiple, scaled.rate, float(daily.mean()), measure_returns(daily, year=year)))
    return tuple(rows)


def trade_statistics(result: SimulationResult, panel: Panel) -> TradeStatistics:
    """Turnover, exposure, and the round trips in numbers."""
    net, gross, cost = result.trades.net, float(result.gross.sum()), float(result.cost.sum())
    won, lost = net[net > 0], net[net < 0]
    return TradeStatistics(
        trades=len(net),
        turnover=float(result.turnover.sum()) / len(np.unique(panel.session)),
        exposure=float(result.exposure.mean()),
        hit_rate=len(won) / len(net) if len(net) else None,
        average_win=float(won.mean()) if len(won) else None,
        average_loss=float(lost.mean()) if len(lost) else None,
        profit_factor=float(won.sum() / -lost.sum()) if len(lost) else None,
        cost_share=cost / gross if gross > 0 else None,
        break_even=result.break_even,
    )


def buy_and_hold(panel: Panel, rules: Rules) -> SimulationResult:
    """Equal shares of all instruments, bought at each one's first open at these costs, and held: no stops, no exits."""
    target = np.full(panel.open.shape, np.nan)
    target[0] = 1.0 / len(panel.symbols)
    return simulate(target, panel, Rules(cost=rules.cost, slippage=rules.slippage))


def random_paths(target: Array, panel: Panel, rules: Rules, *, paths: int = RANDOM_PATHS, seed: int = SEED) -> Array:
    """Daily net returns [paths, sessions] of the same decisions, whole days of them dealt to other days.

    The days keep their shapes, and the turnover is about the same. A bar whose slot the other day does not have (a
    half-day's) keeps its own.
    """
    decisions = np.nan_to_num(forward(target))
    random = np.random.default_rng(seed)
    group = np.zeros(len(panel), dtype=np.int64)
    daily = []
    for _ in range(paths):
        rows = permute_days(group, panel.slot, panel.session, random)
        daily.append(daily_returns(simulate(decisions[rows], panel, rules).net, panel.session)[1])
    return np.stack(daily)


def random_band(daily: Array, paths: Array) -> RandomBand:
    """The band of random paths' daily returns [paths, sessions] by the mean, and the share of them that a path beats."""
    nets = paths.mean(axis=1)
    low, median, high = (float(value) for value in np.quantile(nets, [0.05, 0.5, 0.95]))
    return RandomBand(low, median, high, float((nets < daily.mean()).mean()), len(nets))


def breakdown_by_bar(result: SimulationResult, panel: Panel, names: NDArray) -> tuple[Breakdown, ...]:
    """The parts of a result by a name of each bar: its slot, its session's regime."""
    parts = []
    for name in np.unique(names):
        rows = names == name
        _, daily = daily_returns(result.net[rows], panel.session[rows])
        se = newey_west_se(daily) if len(daily) >= 10 else 0.0
        parts.append(
            Breakdown(
                name=str(name),
                gross=float(result.gross[rows].sum()),
                cost=float(result.cost[rows].sum()),
                net=float(result.net[rows].sum()),
                turnover=float(result.turnover[rows].sum()),
                sessions=len(daily),
                net_t=float(daily.mean() / se) if se > 0 else None,
            )
        )
    return tuple(parts)


def breakdown_by_symbol(result: SimulationResult, panel: Panel) -> tuple[Breakdown, ...]:
    """The parts of a result by instrument; the nets, in shares of the starting capital, add up to the change of equity."""
    columns = (result.instrument_gross, result.instrument_turnover, result.instrument_net)
    return tuple(
        Breakdown(symbol, float(gross), float(result.rate * turnover), float(net), float(turnover), None, None)
        for symbol, gross, turnover, net in zip(panel.symbols, *columns, strict=True)
    )
