"""The index's WSS and signal at every bar of a history, made as serving makes the newest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from market_master.config.settings import Policy, Universe
from market_master.decision import policy, wss
from market_master.domain import DAY, SCORES, Array, Bars, Ints, LowCoverage, MissingWeight, iso
from market_master.market_data.weights import Weights, index_weights
from market_master.prediction.prediction_history import PredictionHistory
from market_master.prediction.window import warmup_shortfall


@dataclass(frozen=True, eq=False)
class IndexSeries:
    """The index bar by bar: one array or tuple a column. A bar without WSS has NaN, no signal, and the reason."""

    bar_end: Ints
    wss: Array
    wss_expected: Array
    wss_z: Array
    """expected WSS in units of its out-of-sample spread"""
    coverage: Array
    signal: tuple[str | None, ...]
    reason: tuple[str | None, ...]
    """why there is no signal"""
    missing: tuple[tuple[tuple[str, float, str], ...], ...]
    """constituents without an action at this bar: symbol, weight, why"""
    index_share: Array
    weights: tuple[Mapping[str, float], ...]
    """of the constituents, summing to 1; empty where there are none"""
    weights_as_of: tuple[str | None, ...]
    filter_coverage: Array
    """weight that the confidence filter let act, of what the rule would have; NaN without a filter, or where none would"""

    def __len__(self) -> int:
        return len(self.bar_end)


def signal_rule_kwargs(rule: Policy) -> dict[str, Any]:
    """The settings' thresholds and rules of keeping positions, as `policy.signals` takes them."""
    return rule.model_dump(include={"buy", "sell", "hysteresis", "min_hold"})


def lookback_bars(rule: Policy) -> int:
    """Bars before the newest that its signal depends on."""
    return policy.lookback_bars(hysteresis=rule.hysteresis, min_hold=rule.min_hold) - 1


def eligible_symbols(universe: Universe, symbols: Sequence[str]) -> list[str]:
    """Those of some symbols that may be constituents, sorted: the ones that the config names (all, if none), less the benchmark."""
    return sorted(set(universe.symbols or symbols) & set(symbols) - {universe.benchmark})


def missing_bar_reason(instant: int) -> str:
    """The reason why a symbol without a bar is missing."""
    return f"no bar that ends {iso(instant)}"


def index_series(
    predictions: PredictionHistory,
    universe: Universe,
    rule: Policy,
    *,
    spread: float | None = None,
    required_bars: int = 1,
) -> IndexSeries:
    """WSS, coverage and signal at every bar from the first predicted one on; nothing is raised for a single bar.

    A constituent counts only with a prediction from a bar that ends at that very instant, and from its first bar on.
    `spread` is the out-of-sample one of the expected WSS, `required_bars` the bars without which there is no prediction.
    Where LowCoverage or MissingWeight would be raised in serving the row is null and carries the sentence.
    """
    calculator = _BarCalculator(predictions, universe, rule, required_bars)
    instants, rows_by_instant = _rows_by_instant(predictions, universe)
    index = [calculator.bar(instant, rows) for instant, rows in zip(instants.tolist(), rows_by_instant, strict=True)]

    def column(name: str) -> Array:
        return np.array([getattr(bar, name) for bar in index], dtype=float)

    level, expected = column("wss"), column("wss_expected")
    return IndexSeries(
        bar_end=instants,
        wss=level,
        wss_expected=expected,
        wss_z=expected / spread if spread else np.full(len(instants), np.nan),
        coverage=column("coverage"),
        signal=tuple(policy.signals_of_wss(level, **signal_rule_kwargs(rule))),
        reason=tuple(bar.reason for bar in index),
        missing=tuple(bar.missing for bar in index),
        index_share=column("index_share"),
        weights=tuple(bar.weights for bar in index),
        weights_as_of=tuple(bar.weights_as_of for bar in index),
        filter_coverage=column("filter_coverage"),
    )


def _rows_by_instant(predictions: PredictionHistory, universe: Universe) -> tuple[Ints, list[list[int]]]:
    """The instants from the first prediction on at which a symbol that may be a constituent has a bar, and its rows there."""
    bars = predictions.bars
    eligible = np.isin(bars.symbols, eligible_symbols(universe, bars.symbols))
    first = bars.bar_end[predictions.rows].min() if len(predictions.rows) else np.iinfo(np.int64).max
    rows = np.flatnonzero(eligible[bars.code] & (bars.bar_end >= first))
    instants, instant_of_row = np.unique(bars.bar_end[rows], return_inverse=True)
    in_time = rows[np.argsort(instant_of_row, kind="stable")]
    edges = np.searchsorted(np.sort(instant_of_row), np.arange(len(instants) + 1))
    return instants, [in_time[start:stop].tolist() for start, stop in pairwise(edges.tolist())]


@dataclass(frozen=True)
class _IndexBar:
    """One bar of an IndexSeries; NaN and None stand for what is not known."""

    reason: str | None
    wss: float = math.nan
    wss_expected: float = math.nan
    coverage: float = math.nan
    missing: tuple[tuple[str, float, str], ...] = ()
    index_share: float = math.nan
    weights: Mapping[str, float] = field(default_factory=dict)
    weights_as_of: str | None = None
    filter_coverage: float = math.nan


class _BarCalculator:
    """The index at one bar after the other, from predictions, weights and the policy."""

    def __init__(self, predictions: PredictionHistory, universe: Universe, rule: Policy, required_bars: int) -> None:
        self._bars, self._rule, self._required_bars = predictions.bars, rule, required_bars
        self._prediction_of_row = np.full(len(predictions.bars), -1)
        self._prediction_of_row[predictions.rows] = np.arange(len(predictions.rows))
        self._scores = SCORES[predictions.action].astype(int).tolist()
        self._expected = predictions.expected_score.tolist()
        self._acts, self._wants = predictions.action != policy.HOLD, predictions.rule_action != policy.HOLD
        self._filtered = rule.min_confidence is not None or rule.confidence_rank is not None
        self._weights = _WeightsByDay(universe, predictions.bars)

    def bar(self, instant: int, rows: Sequence[int]) -> _IndexBar:
        """The index at an instant; `rows` are those of the bars that end then, of symbols that may be constituents."""
        weights = self._weights.at(instant)
        if isinstance(weights, MissingWeight):
            return _IndexBar(str(weights))
        row_of = {self._bars.symbols[self._bars.code[row]]: row for row in rows}
        predicted = {
            symbol: int(self._prediction_of_row[row])
            for symbol, row in row_of.items()
            if self._prediction_of_row[row] >= 0
        }
        reasons = {
            symbol: self._missing_reason(instant, row_of.get(symbol))
            for symbol in sorted(weights.by_symbol.keys() - predicted.keys())
        }
        bar = _IndexBar(
            None,
            missing=tuple((symbol, weights.by_symbol[symbol], reason) for symbol, reason in reasons.items()),
            index_share=weights.index_share,
            weights=weights.by_symbol,
            weights_as_of=weights.as_of,
        )
        try:
            total = wss.aggregate(
                weights.by_symbol,
                {symbol: self._scores[number] for symbol, number in predicted.items()},
                {symbol: self._expected[number] for symbol, number in predicted.items()},
                floor=self._rule.min_coverage,
                reasons=reasons,
            )
        except LowCoverage as error:
            return replace(bar, reason=str(error), coverage=error.numbers["coverage"])
        return replace(
            bar,
            wss=total.wss,
            wss_expected=total.wss_expected,
            coverage=total.coverage,
            filter_coverage=self._filter_coverage(weights, predicted),
        )

    def _filter_coverage(self, weights: Weights, predicted: Mapping[str, int]) -> float:
        if not self._filtered:
            return math.nan
        numbers = list(predicted.values())
        weight = np.array([weights.by_symbol.get(symbol, 0.0) for symbol in predicted])
        return policy.filter_coverage(self._wants[numbers], self._acts[numbers], weight)

    def _missing_reason(self, instant: int, row: int | None) -> str:
        if row is None:
            return missing_bar_reason(instant)
        available = int(self._bars.age[row]) + 1
        if available < self._required_bars:
            return warmup_shortfall(available, self._required_bars)
        return "no answer to its bar"


class _WeightsByDay:
    """The weights at each instant of some bars, looked up once a day and once for each symbol that appears."""

    def __init__(self, universe: Universe, bars: Bars) -> None:
        self._universe = universe
        self._first_bars = sorted(
            (int(bars.bar_end[rows][0]), symbol) for symbol, rows in bars if rows.stop > rows.start
        )
        self._first_ends = np.array([end for end, _ in self._first_bars])
        self._known: dict[tuple[int, int], Weights | MissingWeight] = {}

    def at(self, instant: int) -> Weights | MissingWeight:
        """The weights among the symbols that have had a bar by then, or the refusal."""
        count = int(np.searchsorted(self._first_ends, instant, "right"))
        key = (instant // DAY, count)
        if key not in self._known:
            try:
                self._known[key] = index_weights(
                    self._universe, instant, [symbol for _, symbol in self._first_bars[:count]]
                )
            except MissingWeight as error:
                self._known[key] = error
        return self._known[key]
