"""The scheduled signal: each bar has exactly one, or one stated reason; late, doubled and simultaneous runs are skipped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from market_master.artifact.bars_graph import BarsGraph, RawColumns
from market_master.artifact.onnx_graph import Graph
from market_master.domain import clock
from market_master.domain.clock import instant, iso
from market_master.index.inputs import read_inputs
from market_master.index.signal import predict_index
from market_master.prediction_log import BACKFILLED, PredictionLog
from market_master.registry.champion import load_champion
from market_master.signals.scheduled import backfill_signals, run_scheduled_signal, signal_bar
from tests.support.servers import MODEL
from tests.support.trained_home import settings_of


def _newest(home: Path) -> list[int]:
    champion = load_champion(home, MODEL)
    bars = champion.store(home).bars((champion.card.symbols[0],), last=6)
    return bars.bar_end.tolist()


def test_a_bar_is_signalled_once(altered: Path, log: PredictionLog) -> None:
    """The first run signals and logs every constituent; a second one says that it is done."""
    settings, now = settings_of("test"), clock.now()
    run = run_scheduled_signal(settings, altered, log, now=now)
    assert run.status == "signalled"
    assert run.signal is not None
    assert run.bar_end == iso(_newest(altered)[-1])
    assert log.count() == len(run.signal.constituents)
    again = run_scheduled_signal(settings, altered, log, now=now)
    assert (again.status, again.signal) == ("skipped", None)
    assert "already" in again.reason
    assert len(log.signals(10)) == 1


def test_an_explained_signal_predicts_its_bar_and_the_bar_before_once(
    altered: Path, log: PredictionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph is evaluated for the bar, for the bar before and for the coalitions between them; verifying aside."""
    champion = load_champion(altered, MODEL)
    stored, (before, bar) = champion.store(altered), _newest(altered)[-2:]
    rows = {end: read_inputs(champion, stored, now=end, asof=end).model_inputs for end in (before, bar)}
    served: list[np.ndarray] = []
    coalitions: list[np.ndarray] = []
    predict, probabilities = BarsGraph.predict, Graph.probabilities

    def counted(graph: BarsGraph, columns: RawColumns) -> tuple[np.ndarray, np.ndarray]:
        outputs = predict(graph, columns)
        served.append(outputs[0])
        return outputs

    def counted_coalitions(graph: Graph, inputs: np.ndarray) -> np.ndarray:
        coalitions.append(inputs)
        return probabilities(graph, inputs)

    monkeypatch.setattr(BarsGraph, "predict", counted)
    monkeypatch.setattr(Graph, "probabilities", counted_coalitions)
    load_champion(altered, MODEL)
    verifying, served[:], coalitions[:] = len(served), [], []
    run = run_scheduled_signal(settings_of("test"), altered, log, now=clock.now())
    assert run.signal is not None
    assert run.signal.explanation is not None
    assert run.signal.explanation.since == iso(before)
    predicted, predicted_before = served[verifying:]
    assert np.array_equal(predicted, np.stack(list(rows[bar].values())))
    assert np.array_equal(predicted_before, np.stack(list(rows[before].values())))
    assert len(coalitions[-1]) == len(predicted) * 2 ** len(champion.bars_graph.groups)
    assert len(coalitions) == verifying + 1
    assert log.count() == len(run.signal.constituents)


def test_a_run_reads_each_file_once_to_add_bars_and_once_to_settle(
    altered: Path, log: PredictionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal, its explanation and the bar before come of the newest bars' own file."""
    champion, before = load_champion(altered, MODEL), _newest(altered)[-2]
    signal_bar(champion, altered, log, before, now=before, source=BACKFILLED)
    reads: Counter[str] = Counter()
    read = pd.read_parquet

    def counted(file: Path, **options: Any) -> pd.DataFrame:
        if file.parent == champion.store(altered).folder:
            reads[unquote(file.stem)] += 1
        return read(file, **options)

    monkeypatch.setattr(pd, "read_parquet", counted)
    run = run_scheduled_signal(settings_of("test"), altered, log, now=clock.now())
    assert (run.status, run.settled) == ("signalled", 10)
    assert reads == dict.fromkeys(champion.card.symbols, 2)


def test_a_late_run_is_skipped_with_a_word(altered: Path, log: PredictionLog) -> None:
    """A run for a bar after which another has closed makes no signal, and names both."""
    ends = _newest(altered)
    run = run_scheduled_signal(settings_of("test"), altered, log, now=clock.now(), asof=ends[-2])
    assert (run.status, run.bar_end) == ("skipped", iso(ends[-2]))
    assert iso(ends[-1]) in run.reason
    assert log.signals(10) == []


def test_one_run_at_a_time(altered: Path, log: PredictionLog) -> None:
    """While one makes the signal another leaves it to that one."""
    with FileLock(altered / "data" / "signal.lock"):
        run = run_scheduled_signal(settings_of("test"), altered, log, now=clock.now())
    assert (run.status, run.reason) == ("skipped", "Another run is making the signal now.")


def test_missed_bars_are_filled_in_order_and_marked(altered: Path, log: PredictionLog) -> None:
    """Every bar of the span has one signal: what was there stays, what was not is made from the bars known then."""
    settings, now, ends = settings_of("test"), clock.now(), _newest(altered)
    run_scheduled_signal(settings, altered, log, now=now)
    runs = backfill_signals(settings, altered, log, first=ends[0], last=ends[-1], now=now)
    assert [run.bar_end for run in runs] == [iso(end) for end in ends]
    assert [run.status for run in runs] == ["signalled"] * 5 + ["skipped"]
    rows_by_end = {row["bar_end"]: row for row in log.signals(10)}
    assert sorted(rows_by_end) == ends
    assert {row["source"] for row in rows_by_end.values()} == {"scheduled", "backfilled"}
    champion = load_champion(altered, MODEL)
    for run in runs[:5]:
        assert run.signal is not None
        at = ends[runs.index(run)]
        assert run.signal == predict_index(champion, champion.store(altered), now=at, asof=at)
    after = run_scheduled_signal(settings, altered, log, now=now)
    assert after.status == "skipped"


def test_earlier_predictions_are_settled_on_the_way(altered: Path, log: PredictionLog) -> None:
    """A run puts outcomes beside what was predicted before, a filling one too; the newest bar's are not known yet."""
    ends = _newest(altered)
    settings, now = settings_of("test"), clock.now()
    run_scheduled_signal(settings, altered, log, now=now)
    backfill_signals(settings, altered, log, first=ends[2], last=ends[3], now=now)
    settled = {row["bar_end"]: row["settled_at"] is not None for row in log.recent(1000)}
    assert settled == {ends[2]: True, ends[3]: True, ends[-1]: False}


def test_a_bar_that_was_learned_from_is_not_filled(altered: Path, log: PredictionLog) -> None:
    """A signal for it would be hindsight, and the reason says so."""
    champion = load_champion(altered, MODEL)
    known = instant(champion.card.label_known)
    (run,) = backfill_signals(settings_of("test"), altered, log, first=known, last=known, now=clock.now())
    assert (run.status, run.signal) == ("skipped", None)
    assert "hindsight" in run.reason
    assert log.signals(10) == []
