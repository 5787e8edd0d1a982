"""Backtest of a version: index and constituents traded on its out-of-sample predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.backtest.engine import SimulationResult, simulate
from market_master.backtest.forecast_skill import Forecast, measure_forecast_skill
from market_master.backtest.history import OutOfSampleHistory
from market_master.backtest.instrument import Instrument, traded_instrument
from market_master.backtest.panel import Panel
from market_master.backtest.trading_rules import Rules
from market_master.config import Settings
from market_master.decision import policy
from market_master.domain import SCORES, Array, Ints
from market_master.index.series import IndexSeries, signal_rule_kwargs
from market_master.labels import LabelWindow
from market_master.labels.scaled_quantile import ScaledQuantile
from market_master.prediction.loaded_model import LoadedModel

POSITIONS = {"BUY": 1.0, "HOLD": 0.0, "SELL": -1.0}


@dataclass(frozen=True, eq=False)
class SimulatedBook:
    """A book: targets on a panel, and the result of trading them."""

    panel: Panel
    target: Array
    result: SimulationResult
    rules: Rules


@dataclass(frozen=True, eq=False)
class Backtest:
    """The index and its constituents, traded on the same predictions."""

    history: OutOfSampleHistory
    instrument: Instrument
    index: SimulatedBook
    """the signal on the index: all in, all out, or short"""
    constituents: SimulatedBook
    """every constituent at its weight, half its score"""
    next_return: Array
    """of the instrument, open to close of the next bar, at each bar of the index series"""
    forecast: Forecast


def run_backtest(model: LoadedModel, history: OutOfSampleHistory) -> Backtest:
    """Trade the index on its signals and the constituents on their actions, by the settings' rules and costs."""
    settings, index = model.settings, history.index
    traded = traded_instrument(history.predictions.bars, settings.universe)
    row = np.minimum(np.searchsorted(traded.bars.bar_end, index.bar_end), len(traded.bars) - 1)
    has_bar = traded.bars.bar_end[row] == index.bar_end
    next_log_return = np.where(has_bar, LabelWindow().returns(traded.bars)[row], np.nan)
    scale = ScaledQuantile(slot_factor=model.card.label.get("slot_factor", {})).scale(traded.bars)[row]
    return Backtest(
        history=history,
        instrument=traded,
        index=trade_index(index.bar_end, index.wss, traded, settings),
        constituents=_trade_constituents(history, settings),
        next_return=np.expm1(next_log_return),
        forecast=measure_forecast_skill(index.wss, next_log_return / scale, traded.bars.session[row]),
    )


def trade_index(
    bar_end: Ints, wss: Array, traded: Instrument, settings: Settings, *, threshold: float | None = None
) -> SimulatedBook:
    """The index bought on BUY, sold short on SELL, flat on HOLD and where there is no signal, from the first WSS to the last.

    Another `threshold`, the same for both sides, may be tried.
    """
    rule = settings.policy
    if threshold is not None:
        rule = rule.model_copy(update={"buy": threshold, "sell": -threshold})
    signals, ends = policy.signals_of_wss(wss, **signal_rule_kwargs(rule)), traded.bars.bar_end
    panel = Panel.of(traded.bars, (ends >= bar_end[0]) & (ends <= bar_end[-1]))
    positions = np.array([POSITIONS[signal] if signal else 0.0 for signal in signals])
    target = np.nan_to_num(panel.matrix(np.zeros(len(bar_end), np.int64), bar_end, positions))
    rules = rules_from_settings(settings, settings.costs.index_bps)
    return SimulatedBook(panel, target, simulate(target, panel, rules), rules)


def rules_from_settings(settings: Settings, bps: float | None = None) -> Rules:
    """The engine's rules, as the settings have them; `bps` other costs than those of a constituent."""
    rate = (settings.costs.bps if bps is None else bps) / 1e4
    slippage = min(settings.costs.slippage_bps / 1e4, rate)
    return Rules(cost=rate - slippage, slippage=slippage, **settings.backtest.model_dump())


def _trade_constituents(history: OutOfSampleHistory, settings: Settings) -> SimulatedBook:
    """Half its score times its weight over the covered weight: the part of each in the WSS, halved."""
    predictions, bars = history.predictions, history.predictions.bars
    constituents = bars.select([symbol for symbol in bars.symbols if symbol != settings.universe.benchmark])
    panel = Panel.of(constituents, constituents.bar_end >= history.index.bar_end[0])
    columns = {symbol: number for number, symbol in enumerate(panel.symbols)}
    column = np.array([columns.get(symbol, -1) for symbol in bars.symbols])[bars.code[predictions.rows]]
    inside = column >= 0
    score = SCORES[predictions.action[inside]].astype(float)
    score = panel.matrix(column[inside], bars.bar_end[predictions.rows][inside], score)
    weight = _weights(panel, history.index)
    weight[np.isnan(score)] = 0.0
    covered = weight.sum(axis=1, keepdims=True)
    target = np.nan_to_num(score) / 2 * np.divide(weight, covered, out=np.zeros_like(weight), where=covered > 0)
    rules = rules_from_settings(settings)
    return SimulatedBook(panel, target, simulate(target, panel, rules), rules)


def _weights(panel: Panel, index: IndexSeries) -> Array:
    """[bars, instruments]: the constituents' weights at each bar of the index."""
    columns = {symbol: number for number, symbol in enumerate(panel.symbols)}
    weight = np.zeros(panel.open.shape)
    for row, by_symbol in zip(np.searchsorted(panel.bar_end, index.bar_end).tolist(), index.weights, strict=True):
        for symbol, share in by_symbol.items():
            weight[row, columns[symbol]] = share
    return weight
