"""Series: the champion's answers to every bar, and the index's WSS and signal at each, made as serving makes the newest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master import features, policy, wss
from market_master.config import Policy, Universe
from market_master.domain.actions import SCORES, expected_score
from market_master.domain.bars import Array, Bars
from market_master.domain.errors import LowCoverage, MissingWeight
from market_master.domain.inputs import model_inputs
from market_master.domain.sessions import DAY, Ints, iso
from market_master.steps.predict import Champion
from market_master.steps.progress import tell
from market_master.steps.weigh import weigh
from market_master.weights import Weights

TOGETHER = 20_000
"""bars that are answered at once; more need more memory and save no time"""


@dataclass(frozen=True, eq=False)
class AnswerSeries:
    """What was said of some bars, one array a column; whoever said it, if their answers and actions are at hand."""

    bars: Bars
    rows: Ints
    """which of the bars, increasing"""
    probabilities: Array
    """[n, 5]"""
    wanted: Ints
    """actions by the rule alone"""
    acted: Ints
    """actions that the confidence filter left"""

    @property
    def expected_score(self) -> Array:
        """Of each row, -2 to +2."""
        return expected_score(self.probabilities)

    @property
    def confidence(self) -> Array:
        """Highest probability of each row."""
        return np.asarray(self.probabilities.max(axis=1))


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


def answers(champion: Champion, bars: Bars, *, since: int | None = None, together: int = TOGETHER) -> AnswerSeries:
    """The champion's answers to all bars (that end at `since` or later) which have their warm-up behind them.

    Time is cut into parts of about `together` bars; each is computed with the warm-up before it, so that memory stays as
    it is however long the series, and every answer is bit for bit the one that serving gives.
    """
    count = len(bars)
    probabilities, said = np.full((count, len(SCORES)), np.nan), np.zeros(count, dtype=bool)
    wanted, acted = np.full(count, policy.HOLD), np.full(count, policy.HOLD)
    asked = (bars.age >= champion.card.warmup) & (bars.bar_end >= (bars.bar_end.min() if since is None else since))
    parts = list(_parts(bars, asked, champion.card.warmup, together))
    for done, (window, rows) in enumerate(parts):
        tell("answer", done, len(parts))
        part, place = bars.take(window), np.searchsorted(window, rows)
        values = features.compute(part, champion.card.features, members=champion.card.members, only=place)
        whole = np.isfinite(values).all(axis=1)
        rows, values = rows[whole], values[whole]
        if len(rows):
            inputs = model_inputs(values, bars.symbols, bars.code[rows], champion.card.symbols)
            probabilities[rows], decided = champion.answer(inputs)
            wanted[rows], acted[rows], said[rows] = decided.wanted, decided.acted, True
    tell("answer", 1, 1)
    rows = np.flatnonzero(said)
    return AnswerSeries(bars, rows, probabilities[rows], wanted[rows], acted[rows])


def index_series(
    said: AnswerSeries, universe: Universe, rule: Policy, *, spread: float | None = None, needed: int = 1
) -> IndexSeries:
    """WSS, coverage and signal at every bar from the first answered one on; nothing is raised for a single bar.

    A constituent counts only with an answer to a bar that ends at that very instant, and from its first bar on. `spread`
    is the out-of-sample one of the expected WSS, `needed` the bars without which there is no answer. Where LowCoverage or
    MissingWeight would be raised in serving the row is null and carries the sentence.
    """
    bars = said.bars
    eligible = np.array([s in (universe.symbols or bars.symbols) and s != universe.benchmark for s in bars.symbols])
    first = int(bars.bar_end[said.rows].min()) if len(said.rows) else np.iinfo(np.int64).max
    within = np.flatnonzero(eligible[bars.code] & (bars.bar_end >= first))
    instants, at = np.unique(bars.bar_end[within], return_inverse=True)
    order = np.argsort(at, kind="stable")
    edges = np.searchsorted(at[order], np.arange(len(instants) + 1))
    answer = np.full(len(bars), -1)
    answer[said.rows] = np.arange(len(said.rows))
    scores, expected = SCORES[said.acted].astype(int).tolist(), said.expected_score.tolist()
    held, acts, wants = _Table(universe, bars), said.acted != policy.HOLD, said.wanted != policy.HOLD
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
        signal=tuple(policy.signals(columns["wss"], **kept(rule))),
        reason=tuple(reason),
        missing=tuple(missing),
        index_share=columns["share"],
        weights=tuple(weights),
        weights_as_of=tuple(as_of),
        filter_coverage=columns["let"],
    )


def kept(rule: Policy) -> dict[str, Any]:
    """What the settings say of thresholds and of keeping positions, as `policy.signals` takes it."""
    return rule.model_dump(include={"buy", "sell", "hysteresis", "min_hold"})


def looked_back(rule: Policy) -> int:
    """Bars before the newest that its signal depends on."""
    return policy.memory(hysteresis=rule.hysteresis, min_hold=rule.min_hold) - 1


def absent(instant: int) -> str:
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
        return absent(instant)
    given = int(bars.age[row]) + 1
    if given < needed:
        return f"{given} bars were given, {needed} are needed for the features' warm-up."
    return "no answer to its bar"


def _parts(bars: Bars, asked: NDArray[np.bool_], warmup: int, together: int) -> Iterator[tuple[Ints, Ints]]:
    """Stretches of time: the rows that are asked for in each, and with them those of their warm-up."""
    instants, count = np.unique(bars.bar_end[asked], return_counts=True)
    if not len(instants):
        return
    group = (np.cumsum(count) - count) // together
    last = instants[np.append(np.flatnonzero(np.diff(group)), len(instants) - 1)]
    before = int(instants[0]) - 1
    for end in last.tolist():
        inside = (bars.bar_end > before) & (bars.bar_end <= end)
        first = np.array([rows.start + np.searchsorted(bars.bar_end[rows], before, "right") for _, rows in bars])
        window = (np.arange(len(bars)) >= (first - warmup)[bars.code]) & (bars.bar_end <= end)
        yield np.flatnonzero(window), np.flatnonzero(inside & asked)
        before = end
