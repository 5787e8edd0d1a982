"""The index bar by bar is what serving says of each bar; no part of it sees a later one."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market_master.artifact.model_card import ModelCard
from market_master.config.settings import Policy, Universe
from market_master.domain.bars import Bars
from market_master.domain.calendar import Timetable
from market_master.domain.clock import iso
from market_master.domain.errors import LowCoverage, ModelError
from market_master.domain.records import as_json
from market_master.index.series import IndexSeries, index_series
from market_master.index.signal import predict_index
from market_master.market_data import weights
from market_master.prediction.history import predict_history
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.prediction_history import PredictionHistory
from market_master.registry.champion import load_champion
from tests.support.random_bars import random_bars

KEEPING = {"hysteresis": 0.6, "min_hold": 3}
MODEL = "market-master"


@pytest.fixture(scope="module")
def champion(trained_home: Path) -> LoadedModel:
    """The trained home's."""
    return load_champion(trained_home, MODEL)


@pytest.fixture(scope="module")
def bars(champion: LoadedModel, trained_home: Path) -> Bars:
    """The stored bars, with holes: three symbols miss some, one begins late, one ends early."""
    complete = champion.store(trained_home).bars()
    dropped = np.random.default_rng(3).random(len(complete)) < 0.05
    ends = np.unique(complete.bar_end)
    dropped &= np.isin(complete.code, [1, 4, 5])
    dropped |= (complete.code == 2) & (complete.bar_end < ends[300])
    dropped |= (complete.code == 3) & (complete.bar_end > ends[500])
    return complete.take(~dropped)


class BarsInMemory:
    """Bars in memory that answer like a store."""

    def __init__(self, bars: Bars) -> None:
        """Hold these."""
        self._bars, self.source = bars, "test"

    def symbols(self) -> tuple[str, ...]:
        """All of them."""
        return self._bars.symbols

    def bars(self, symbols: tuple[str, ...] = (), *, last: int | None = None, until: int | None = None) -> Bars:
        """Those of some symbols, the last of them, up to an instant."""
        series = self._bars.select(symbols or self._bars.symbols)
        series = series if until is None else series.until(until)
        return series if last is None else series.tail(last)


def under(champion: LoadedModel, **rule: Any) -> LoadedModel:
    """The champion under another policy."""
    settings = champion.settings
    policy = Policy.model_validate(settings.policy.model_dump() | rule)
    return replace(champion, settings=settings.model_copy(update={"policy": policy}))


def series_of(champion: LoadedModel, bars: Bars) -> IndexSeries:
    """The index's series of its answers."""
    settings, card = champion.settings, champion.card
    predictions = predict_history(champion, bars)
    return index_series(
        predictions,
        settings.universe,
        settings.policy,
        spread=card.wss_expected_sd,
        required_bars=champion.required_bars,
    )


def by_hand(scores: dict[str, list[int]], bars: Bars) -> PredictionHistory:
    """Answers that are sure of these actions, at the first bars of each symbol."""
    rows = [bars.rows(symbol).start + bar for symbol in bars.symbols for bar in range(len(scores[symbol]))]
    action = np.array([score + 2 for symbol in bars.symbols for score in scores[symbol]])
    return PredictionHistory(bars, np.array(rows), np.eye(5)[action], action, action)


@pytest.mark.parametrize("together", [1, 137, 5000])
def test_the_size_of_the_parts_does_not_matter(champion: LoadedModel, bars: Bars, together: int) -> None:
    """Answered a few bars at a time or all at once, every number is the same to the last bit."""
    some = bars.until(int(np.unique(bars.bar_end)[90])) if together == 1 else bars
    first, second = predict_history(champion, some, batch_rows=together), predict_history(champion, some)
    for name in ("rows", "probabilities", "rule_action", "action"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


@pytest.mark.parametrize("rule", [{}, KEEPING, {"min_confidence": 0.45}], ids=["plain", "keeping", "filtered"])
def test_a_later_bar_changes_nothing(champion: LoadedModel, bars: Bars, rule: dict[str, Any]) -> None:
    """Cut off at t, all rows up to t are the same to the last bit: of symbols that come later nothing is known."""
    served = under(champion, **rule)
    complete = series_of(served, bars)
    for bar in (1, 150, 245, 400, len(complete) - 2):
        part = series_of(served, bars.until(int(complete.bar_end[bar])))
        assert len(part) == bar + 1
        for field in fields(IndexSeries):
            first, second = getattr(part, field.name), getattr(complete, field.name)[: bar + 1]
            equal = np.array_equal(first, second, equal_nan=True) if isinstance(first, np.ndarray) else first == second
            assert equal, field.name


@pytest.mark.parametrize("rule", [{}, KEEPING, {"min_confidence": 0.45}], ids=["plain", "keeping", "filtered"])
def test_every_bar_is_what_serving_says_of_it(champion: LoadedModel, bars: Bars, rule: dict[str, Any]) -> None:
    """WSS, its expected twin, coverage, share, missing, filter and signal of any bar: the graph and NumPy give the same numbers."""
    served = under(champion, **rule)
    complete, store = series_of(served, bars), BarsInMemory(bars)
    refused = 0
    for bar in (0, 10, 30, 190, 241, 300, 420, len(complete) - 1):
        end = int(complete.bar_end[bar])
        if complete.reason[bar] is not None:
            with pytest.raises(LowCoverage) as caught:
                predict_index(served, store, now=end, asof=end)
            assert str(caught.value) == complete.reason[bar]
            refused += 1
            continue
        signal = predict_index(served, store, now=end, asof=end)
        assert signal.as_of == iso(end)
        assert signal.wss == complete.wss[bar]
        assert signal.wss_expected == pytest.approx(complete.wss_expected[bar], abs=1e-12)
        assert signal.wss_z == pytest.approx(complete.wss_z[bar], abs=1e-9)
        assert (signal.signal, signal.coverage) == (complete.signal[bar], complete.coverage[bar])
        assert [(m.symbol, m.weight, m.reason) for m in signal.missing] == list(complete.missing[bar])
        assert signal.filter_coverage == (
            None if np.isnan(complete.filter_coverage[bar]) else complete.filter_coverage[bar]
        )
    assert 1 <= refused <= 3


def test_keeping_positions_is_not_the_plain_rule(champion: LoadedModel, bars: Bars) -> None:
    """The same WSS, other signals: or the test above would hold nothing."""
    plain, keeping = series_of(champion, bars), series_of(under(champion, **KEEPING), bars)
    assert np.array_equal(plain.wss, keeping.wss, equal_nan=True)
    assert plain.signal != keeping.signal


def test_too_little_of_the_index_is_a_null_row_with_the_sentence_of_serving(champion: LoadedModel, bars: Bars) -> None:
    """Where serving raises LowCoverage the series goes on: no WSS, no signal, the coverage, and the same reason."""
    ends = np.unique(bars.bar_end)
    holed = bars.take(~((bars.bar_end == ends[200]) & (bars.code < 6)))
    series = series_of(champion, holed)
    bar = int(np.searchsorted(series.bar_end, ends[200]))
    with pytest.raises(LowCoverage) as caught:
        predict_index(champion, BarsInMemory(holed), now=int(ends[200]), asof=int(ends[200]))
    assert series.reason[bar] == str(caught.value)
    assert series.coverage[bar] == caught.value.numbers["coverage"]
    assert (series.signal[bar], np.isnan(series.wss[bar])) == (None, True)
    assert series.signal[bar + 1] is not None


def test_answers_of_another_kind_make_the_same_index() -> None:
    """Walk-forward answers with actions already decided need no champion: weight times score over what is covered."""
    bars = random_bars(1, symbols=3, sessions=4)
    predictions = by_hand({"S1": [2, 2, 1], "S2": [1, -1, -2], "S3": [0, 0, -1]}, bars)
    series = index_series(predictions, Universe(), Policy(buy=0.5, sell=-0.5), spread=0.5)
    assert series.wss[:3] == pytest.approx([1.0, 1 / 3, -2 / 3])
    assert series.signal[:4] == ("BUY", "HOLD", "SELL", None)
    assert series.wss_z[:3] == pytest.approx(series.wss_expected[:3] / 0.5)
    assert series.reason[3] is not None
    assert "0.800 is needed" in series.reason[3]


def test_weights_change_at_their_date_and_a_symbol_that_leaves_ends_the_series(tmp_path: Path) -> None:
    """Each bar has the table of its day; asked for by name, a symbol that has left makes the rows null, with its name."""
    bars = random_bars(2, symbols=3, sessions=3)
    days = [iso(int(end))[:10] for end in np.unique(bars.bar_end)]
    second, third = sorted(set(days))[1:]
    file = tmp_path / "weights.csv"
    file.write_text(
        f"symbol,weight,as_of\nS1,1,2020-01-01\nS2,1,2020-01-01\nS1,3,{second}\nS2,1,{second}\nS1,1,{third}\nS3,1,{third}\n"
    )
    count = len(bars) // 3
    scores = {"S1": [2] * count, "S2": [0] * count, "S3": [-2] * count}
    predictions = by_hand(scores, bars)
    free = index_series(predictions, Universe(weights=file), Policy())
    assert {(day, as_of) for day, as_of in zip(days, free.weights_as_of, strict=True)} == {
        (days[0], "2020-01-01"), (second, second), (third, third),
    }  # fmt: skip
    assert {(day, round(float(wss), 9)) for day, wss in zip(days, free.wss, strict=True)} == {
        (days[0], 1.0), (second, 1.5), (third, 0.0),
    }  # fmt: skip
    named = index_series(predictions, Universe(weights=file, symbols=("S1", "S2")), Policy())
    last = np.array([day == third for day in days])
    assert np.array_equal(np.isnan(named.wss), last)
    assert all(signal is None for signal, dropped in zip(named.signal, last, strict=True) if dropped)
    assert all(
        f"S2 had a weight before {third}" in str(why)
        for why, dropped in zip(named.reason, last, strict=True)
        if dropped
    )


def test_the_rank_filter_needs_a_card_that_knows_ranks(champion: LoadedModel) -> None:
    """A new card holds 101 percentiles that never fall; of an older one nothing is made up."""
    sizes = champion.card.score_sizes
    assert len(sizes) == 101
    assert list(sizes) == sorted(sizes)
    ranked = under(champion, confidence_rank=0.6)
    assert ranked.confidence_filter.min_abs_score == pytest.approx(sizes[60])
    old = replace(ranked, artifact=replace(ranked.artifact, card=replace(ranked.card, score_sizes=())))
    with pytest.raises(ModelError, match=r"confidence_rank is 0\.6.*train and promote"):
        _ = old.confidence_filter


def test_a_card_from_before_ranks_still_reads(champion: LoadedModel) -> None:
    """A card without the percentiles is a whole card."""
    values = json.loads(champion.card.to_json())
    del values["score_sizes"]
    assert ModelCard.from_json(json.dumps(values)).score_sizes == ()


def test_the_real_index_through_its_three_tables(shared_data: Path) -> None:
    """QQQ as published: the share of it that is covered, and its weights, at bars before, between and after the tables."""
    table = shared_data / "weights" / "weights.csv"
    assert sorted({row.as_of for row in weights.read_weights(table)}) == ["2020-07-02", "2024-12-26", "2025-04-28"]
    universe = Universe(weights=table, renamed={"FB": "META", "GOOG": "GOOGL"})
    times, columns = Timetable("XNYS", "1d"), ("open", "high", "low", "close", "volume")
    dates = ["2020-07-01", "2020-07-02", "2024-12-24", "2024-12-26", "2025-04-25", "2025-04-28"]
    days = [int(np.datetime64(day).astype("datetime64[D]").astype(int)) for day in dates]
    schedule = times.between(days[0] * 86400, days[-1] * 86400)
    ends = schedule.end[schedule.by_session(np.array(days))]
    first = {"bar_end": ends, **{name: np.ones(len(days)) for name in columns}}
    bars = Bars.of(times, {"AAPL": first, "META": first, "GOOGL": first})
    scores = {"AAPL": [1] * 6, "GOOGL": [0] * 6, "META": [-1] * 6}
    series = index_series(by_hand(scores, bars), universe, Policy())
    assert series.weights_as_of == (None, *(("2020-07-02",) * 2), *(("2024-12-26",) * 2), "2025-04-28")
    assert "begin after" in str(series.reason[0])
    rows = {(row.as_of, row.symbol): row.weight for row in weights.read_weights(table)}
    for bar in range(1, 6):
        as_of, facebook = str(series.weights_as_of[bar]), "FB" if bar < 3 else "META"
        apple, meta = rows[as_of, "AAPL"], rows[as_of, facebook]
        google = rows[as_of, "GOOG"] + rows[as_of, "GOOGL"]
        assert series.wss[bar] == pytest.approx((apple - meta) / (apple + meta + google), abs=1e-12)


def test_a_signal_tells_its_filter(champion: LoadedModel, bars: Bars) -> None:
    """Without a filter there is none to tell of; with one that lets nothing through its coverage is 0 and all is hold."""
    end = bars.newest
    assert predict_index(champion, BarsInMemory(bars), now=end).filter_coverage is None
    shut = predict_index(under(champion, min_confidence=1.0), BarsInMemory(bars), now=end)
    assert (shut.filter_coverage, shut.wss, shut.signal) == (0.0, 0.0, "HOLD")
    assert as_json(shut)["filter_coverage"] == 0.0
