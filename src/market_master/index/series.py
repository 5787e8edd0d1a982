"""Series: the champion's answers to every bar, and the index's WSS and signal at each, made as serving makes the newest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from market_master.config.settings import Policy, Universe
from market_master.decision import policy, wss
from market_master.domain.actions import SCORES
from market_master.domain.arrays import Array, Ints
from market_master.domain.bars import Bars
from market_master.domain.clock import DAY, iso
from market_master.domain.errors import LowCoverage, MissingWeight
from market_master.market_data.weights import Weights, weigh
from market_master.prediction.history import PredictionHistory


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
    """constituents without a fresh action: symbol, weight, why"""
    index_share: Array
    weights: tuple[Mapping[str, float], ...]
    """of the constituents, summing to 1; empty where there are none"""
    weights_as_of: tuple[str | None, ...]
    filter_coverage: Array
    """weight that the confidence filter let act, of what wanted to; NaN without a filter, or where none wanted to"""

    def __len__(self) -> int:
        return len(self.bar_end)


def index_series(
    said: PredictionHistory, universe: Universe, rule: Policy, *, spread: float | None = None, needed: int = 1
) -> IndexSeries:
    """WSS, coverage and signal at every bar from the first answered one on; nothing is raised for a single bar.

    A constituent counts only with an answer to a bar that ends at that very instant, and from its first bar on. `spread`
    is the out-of-sample one of the expected WSS, `needed` the bars without which there is no answer. Where LowCoverage or
    MissingWeight would be raised in serving the row is null and carries the sentence.
    """
    bars = said.bars
    eligible = np.isin(bars.symbols, eligible_symbols(universe, bars.symbols))
    first = int(bars.bar_end[said.rows].min()) if len(said.rows) else np.iinfo(np.int64).max
    within = np.flatnonzero(eligible[bars.code] & (bars.bar_end >= first))
    instants, at = np.unique(bars.bar_end[within], return_inverse=True)
    order = np.argsort(at, kind="stable")
    edges = np.searchsorted(at[order], np.arange(len(instants) + 1))
    answer = np.full(len(bars), -1)
    answer[said.rows] = np.arange(len(said.rows))
    scores, expected = SCORES[said.action].astype(int).tolist(), said.expected_score.tolist()
    held, acts, wants = _Table(universe, bars), said.action != policy.HOLD, said.rule_action != policy.HOLD
    filtered = rule.min_confidence is not None or rule.confidence_rank is not None
    columns = {name: np.full(len(instants), np.nan) for name in ("wss", "wss_expected", "coverage", "share", "let")}
    reason, as_of, missing = list[str | None](), list[str | None](), list[tuple[tuple[str, float, str], ...]]()
    weights = list[Mapping[str, float]]()
    for number, (instant, (start, stop)) in enumerate(zip(instants.tolist(), pairwise(edges.tolist()), strict=True)):
        rows = within[order[start:stop]].tolist()
        table = held.at(instant)
        if isinstance(table, MissingWeight):
            reason.append(str(table))
            as_of.append(None)
            missing.append(())
            weights.append({})
            continue
        there = {bars.symbols[bars.code[row]]: row for row in rows}
        fresh = {symbol: int(answer[row]) for symbol, row in there.items() if answer[row] >= 0}
        why = {
            symbol: _why(instant, bars, there.get(symbol), needed)
            for symbol in sorted(table.by_symbol.keys() - fresh.keys())
        }
        as_of.append(table.as_of)
        weights.append(table.by_symbol)
        missing.append(tuple((symbol, table.by_symbol[symbol], words) for symbol, words in why.items()))
        columns["share"][number] = table.index_share
        try:
            total = wss.aggregate(
                table.by_symbol,
                {symbol: scores[n] for symbol, n in fresh.items()},
                {symbol: expected[n] for symbol, n in fresh.items()},
                floor=rule.min_coverage,
                reasons=why,
            )
        except LowCoverage as error:
            reason.append(str(error))
            columns["coverage"][number] = error.numbers["coverage"]
            continue
        reason.append(None)
        columns["wss"][number], columns["wss_expected"][number] = total.wss, total.wss_expected
        columns["coverage"][number] = total.coverage
        if filtered:
            places = list(fresh.values())
            weight = np.array([table.by_symbol.get(symbol, 0.0) for symbol in fresh])
            columns["let"][number] = policy.filter_coverage(wants[places], acts[places], weight)
    return IndexSeries(
        bar_end=instants,
        wss=columns["wss"],
        wss_expected=columns["wss_expected"],
        wss_z=columns["wss_expected"] / spread if spread else np.full(len(instants), np.nan),
        coverage=columns["coverage"],
        signal=tuple(policy.signals(columns["wss"], **signal_rule_kwargs(rule))),
        reason=tuple(reason),
        missing=tuple(missing),
        index_share=columns["share"],
        weights=tuple(weights),
        weights_as_of=tuple(as_of),
        filter_coverage=columns["let"],
    )


def signal_rule_kwargs(rule: Policy) -> dict[str, Any]:
    """What the settings say of thresholds and of keeping positions, as `policy.signals` takes it."""
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


class _Table:
    """The weights at each instant of some bars, looked up once a day and once for each symbol that appears."""

    def __init__(self, universe: Universe, bars: Bars) -> None:
        self._universe = universe
        firsts = [(int(bars.bar_end[rows][0]), symbol) for symbol, rows in bars if rows.stop > rows.start]
        self._firsts = sorted(firsts)
        self._ends = np.array([end for end, _ in self._firsts])
        self._known: dict[tuple[int, int], Weights | MissingWeight] = {}

    def at(self, instant: int) -> Weights | MissingWeight:
        """The weights among the symbols that have had a bar by then, or the refusal."""
        count = int(np.searchsorted(self._ends, instant, "right"))
        key = (instant // DAY, count)
        if key not in self._known:
            try:
                self._known[key] = weigh(self._universe, instant, [symbol for _, symbol in self._firsts[:count]])
            except MissingWeight as error:
                self._known[key] = error
        return self._known[key]


def _why(instant: int, bars: Bars, row: int | None, needed: int) -> str:
    if row is None:
        return missing_bar_reason(instant)
    given = int(bars.age[row]) + 1
    if given < needed:
        return f"{given} bars were given, {needed} are needed for the features' warm-up."
    return "no answer to its bar"
