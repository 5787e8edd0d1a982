"""Backtest: what a version's answers to bars it had not learned from would have earned, traded bar by bar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.artifact.out_of_sample import OutOfSample
from market_master.backtest.engine import SimulationResult, simulate
from market_master.backtest.forecast_skill import Forecast, forecast
from market_master.backtest.instrument import Instrument, instrument
from market_master.backtest.panel import Panel
from market_master.backtest.trading_rules import Rules
from market_master.config import Settings
from market_master.decision import policy
from market_master.domain.actions import SCORES
from market_master.domain.arrays import Array, Ints
from market_master.domain.bars import Bars
from market_master.domain.clock import instant, iso
from market_master.domain.errors import InSample
from market_master.index.series import IndexSeries, index_series, signal_rule_kwargs
from market_master.labels import LabelWindow
from market_master.labels.scaled_quantile import ScaledQuantile
from market_master.prediction.history import PredictionHistory, predict_history
from market_master.prediction.loaded_model import LoadedModel

POSITIONS = {"BUY": 1.0, "HOLD": 0.0, "SELL": -1.0}
LATER = -1
"""the fold of bars that came after the version was made"""


@dataclass(frozen=True, eq=False)
class OutOfSampleHistory:
    """Answers to bars that had not been learned from, and the index made of them."""

    said: PredictionHistory
    fold: NDArray[np.int8]
    """of each answered row: walk-forward fold, 0 for the hold-out, -1 for later bars"""
    index: IndexSeries
    refused: int
    """rows that the version had learned from"""


@dataclass(frozen=True, eq=False)
class SimulatedBook:
    """A book: targets on a panel, and what came of them."""

    panel: Panel
    target: Array
    path: SimulationResult
    rules: Rules


@dataclass(frozen=True, eq=False)
class Backtest:
    """The index and its constituents, traded on the same answers."""

    evidence: OutOfSampleHistory
    instrument: Instrument
    index: SimulatedBook
    """the signal on the index: all in, all out, or short"""
    constituents: SimulatedBook
    """every constituent at its weight, half its score"""
    ahead: Array
    """the instrument's next return, open to close, of each bar of the index series"""
    forecast: Forecast


def stored_out_of_sample(champion: LoadedModel, known: OutOfSample, bars: Bars) -> OutOfSampleHistory:
    """What a version answered out of sample when it was made, and answers now to bars that have come since.

    `bars` are those of its store. Rows that are in neither had been learned from, or lack their warm-up: nothing is said
    of them.
    """
    rows, place = _found(known, bars)
    sure = champion.confidence_filter
    since = int(known.bar_end.max()) + 1
    later = predict_history(champion, bars, since=since)
    acted = policy.filter_confidence(known.decided[place].astype(np.int64), known.probabilities[place], sure)
    joined = np.concatenate([rows, later.rows])
    order = np.argsort(joined)
    said = PredictionHistory(
        bars,
        joined[order],
        np.concatenate([known.probabilities[place], later.probabilities])[order],
        np.concatenate([known.decided[place].astype(np.int64), later.rule_action])[order],
        np.concatenate([acted, later.action])[order],
    )
    fold = np.concatenate([known.fold[place], np.full(len(later.rows), LATER, np.int8)])[order]
    return OutOfSampleHistory(said, fold, index_history(champion, said), 0)


def predict_out_of_sample(champion: LoadedModel, bars: Bars) -> OutOfSampleHistory:
    """Answers to somebody's own bars, but for those that end before the version's last label was known.

    Raises InSample when none are left.
    """
    known = instant(champion.card.label_known)
    refused = int((bars.bar_end <= known).sum())
    if refused == len(bars):
        raise InSample(
            f"All {len(bars):,} bars ended by {iso(known)}, when version {champion.artifact.version} knew its last label: a "
            "backtest on what was learned says nothing. Bring later bars, or leave --bars out to trade its walk-forward answers.",
            bars=len(bars),
            label_known=iso(known),
        )
    said = predict_history(champion, bars, since=known + 1)
    return OutOfSampleHistory(said, np.full(len(said.rows), LATER, np.int8), index_history(champion, said), refused)


def backtest(champion: LoadedModel, evidence: OutOfSampleHistory) -> Backtest:
    """Trade the index on its signals and the constituents on their actions, by the settings' rules and costs."""
    settings, bars = champion.settings, evidence.said.bars
    traded = instrument(bars, settings.universe)
    at = np.searchsorted(traded.bars.bar_end, evidence.index.bar_end)
    at = np.minimum(at, len(traded.bars) - 1)
    there = traded.bars.bar_end[at] == evidence.index.bar_end
    ahead = np.where(there, LabelWindow().returns(traded.bars)[at], np.nan)
    usual = ScaledQuantile(slot_factor=champion.card.label.get("slot_factor", {})).scale(traded.bars)[at]
    return Backtest(
        evidence=evidence,
        instrument=traded,
        index=trade_index(evidence.index.bar_end, evidence.index.wss, traded, settings),
        constituents=_trade_constituents(evidence, settings),
        ahead=np.expm1(ahead),
        forecast=forecast(evidence.index.wss, ahead / usual, traded.bars.session[at]),
    )


def trade_index(
    bar_end: Ints, wss: Array, traded: Instrument, settings: Settings, *, threshold: float | None = None
) -> SimulatedBook:
    """The index bought on BUY, sold short on SELL, left on HOLD and where there is no signal, from the first WSS to the last.

    Another `threshold`, the same for both sides, may be tried.
    """
    rule = settings.policy
    if threshold is not None:
        rule = rule.model_copy(update={"buy": threshold, "sell": -threshold})
    said, ends = policy.signals(wss, **signal_rule_kwargs(rule)), traded.bars.bar_end
    panel = Panel.of(traded.bars, (ends >= bar_end[0]) & (ends <= bar_end[-1]))
    wanted = np.array([POSITIONS[word] if word else 0.0 for word in said])
    target = np.nan_to_num(panel.laid(np.zeros(len(bar_end), np.int64), bar_end, wanted))
    rules = rules_of(settings, settings.costs.index_bps)
    return SimulatedBook(panel, target, simulate(target, panel, rules), rules)


def rules_of(settings: Settings, bps: float | None = None) -> Rules:
    """The engine's rules, as the settings have them; `bps` other costs than those of a constituent."""
    rate = (settings.costs.bps if bps is None else bps) / 1e4
    slippage = min(settings.costs.slippage_bps / 1e4, rate)
    return Rules(cost=rate - slippage, slippage=slippage, **settings.backtest.model_dump())


def _trade_constituents(evidence: OutOfSampleHistory, settings: Settings) -> SimulatedBook:
    """Half its score times its weight over the covered weight: each one's part in the WSS, halved."""
    said, series = evidence.said, evidence.index
    bars, benchmark = said.bars, settings.universe.benchmark
    bars_in = bars.select([symbol for symbol in bars.symbols if symbol != benchmark])
    panel = Panel.of(bars_in, bars_in.bar_end >= series.bar_end[0])
    place = {symbol: number for number, symbol in enumerate(panel.symbols)}
    column = np.array([place.get(symbol, -1) for symbol in bars.symbols])[bars.code[said.rows]]
    inside = column >= 0
    score = panel.laid(column[inside], bars.bar_end[said.rows][inside], SCORES[said.action[inside]].astype(float))
    weight = np.zeros(score.shape)
    for row, table in zip(np.searchsorted(panel.bar_end, series.bar_end).tolist(), series.weights, strict=True):
        for symbol, share in table.items():
            weight[row, place[symbol]] = share
    weight[np.isnan(score)] = 0.0
    total = weight.sum(axis=1, keepdims=True)
    target = np.nan_to_num(score) / 2 * np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    rules = rules_of(settings)
    return SimulatedBook(panel, target, simulate(target, panel, rules), rules)


def index_history(champion: LoadedModel, said: PredictionHistory) -> IndexSeries:
    """The index of some answers, as the champion's settings make it."""
    settings, card = champion.settings, champion.card
    return index_series(
        said, settings.universe, settings.policy, spread=card.wss_expected_sd, needed=champion.required_bars
    )


def _found(kept: OutOfSample, bars: Bars) -> tuple[Ints, Ints]:
    """Rows of the bars that were answered, and their places in what was kept; a bar that is gone is left out."""
    code = np.array([bars.symbols.index(s) if s in bars.symbols else -1 for s in kept.symbols.tolist()])[kept.code]
    span = int(bars.newest) + 1
    keys = bars.code * span + bars.bar_end
    wanted = code * span + kept.bar_end
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    place = np.flatnonzero((code >= 0) & (keys[at] == wanted))
    return at[place], place
