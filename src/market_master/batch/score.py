"""Batch: the champion's answers to files of bars, the index's series and what came of both, written as one set of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from market_master.batch.summary import BatchResult, numbers, summarise
from market_master.domain.actions import CLASSES
from market_master.domain.bars import Bars
from market_master.domain.clock import instant
from market_master.domain.errors import TooFewBars
from market_master.files import atomic_folder, require_empty_folder
from market_master.index.series import index_series
from market_master.labels import labeler_from_state
from market_master.market_data.providers import FetchResult, Query
from market_master.market_data.quality import read_files
from market_master.prediction.history import predict_history
from market_master.prediction.loaded_model import LoadedModel
from market_master.progress import report_progress
from market_master.registry.run_lock import run_lock
from market_master.registry.tracking import Run

Columns = dict[str, Any]


def batch(
    champion: LoadedModel, path: Path, weights: Path | None, out: Path, *, now: int, log_to: Path | None = None
) -> dict[str, Any]:
    """Answer every bar of a file or folder, write tables by symbol, the index's series and a summary, and return that.

    No answer sees a later bar. `weights` is the index's table (None = equal), `out` a folder that is not there yet or
    empty, `log_to` the home in whose MLflow store the files become a run's artefacts (None = not logged). All files are
    written, or none. Raises ConfigError (`out` holds something), NotOhlcv, IntervalMismatch, MixedGrid, NoBars, DataError,
    TooFewBars, NotWritten, RegistryAway.
    """
    out = require_empty_folder(out)
    fetched = read_bars(champion, path, now)
    came = run(champion, Bars.of(fetched.timetable, fetched.series), weights)
    summary = summarise(champion, came, fetched, path, weights)
    with atomic_folder(out) as part:
        _write(part, came)
        summary["out"] = str(out)
        if log_to is None:
            summary["run_id"] = None
            _write_summary(part, summary)
        else:
            named = {
                "bars": path.absolute(),
                "weights": weights,
                "model": champion.ref.name,
                "version": champion.ref.version,
            }
            mlflow_run = Run.start(log_to, f"batch-{out.name}", named)
            with run_lock(mlflow_run):
                summary["run_id"] = mlflow_run.id
                _write_summary(part, summary)
                mlflow_run.tag(kind="batch")
                mlflow_run.metrics(numbers(summary))
                mlflow_run.files(part, "batch")
    return summary


def run(champion: LoadedModel, bars: Bars, weights: Path | None) -> BatchResult:
    """What the champion says of all bars, the index's series under a table of weights, and what came of both.

    Raises TooFewBars when no symbol has the bars that one answer needs.
    """
    said = predict_history(champion, bars)
    if not len(said.rows):
        raise TooFewBars(
            f"None of the {len(bars.symbols)} symbols has the {champion.required_bars} bars that an answer needs; the longest has "
            f"{int(bars.age.max()) + 1}.",
            given=int(bars.age.max()) + 1,
            needed=champion.required_bars,
        )
    universe = champion.settings.universe.model_copy(update={"weights": weights})
    report_progress("index")
    series = index_series(
        said, universe, champion.settings.policy, spread=champion.card.wss_expected_sd, needed=champion.required_bars
    )
    report_progress("index", 1, 1)
    return BatchResult(
        said, series, labeler_from_state(champion.card.label).transform(bars), instant(champion.card.label_known)
    )


def read_bars(champion: LoadedModel, path: Path, now: int) -> FetchResult:
    """Files of bars, on the champion's calendar and interval; read as its own were, if it learned from files."""
    report_progress("read")
    provider, times = champion.settings.provider, champion.card.times
    options = provider.model_dump(include={"stamp", "timezone"}) if provider.kind == "files" else {}
    fetched = read_files(path, Query((), times.calendar, times.interval, now), **options)
    report_progress("read", 1, 1)
    return fetched


def _write(folder: Path, came: BatchResult) -> None:
    """A table for each symbol that was answered, and the index's."""
    bars, symbol_of = came.said.bars, came.said.bars.code[came.said.rows]
    (folder / "symbols").mkdir()
    there = np.unique(symbol_of).tolist()
    for done, code in enumerate(there):
        report_progress("write", done, len(there) + 1)
        part = slice(*np.searchsorted(symbol_of, (code, code + 1)))
        _save(folder / "symbols" / quote(bars.symbols[code], safe=""), _symbol_columns(came, part))
    _save(folder / "index", _index_columns(came))
    report_progress("write", 1, 1)


def _symbol_columns(came: BatchResult, part: slice) -> Columns:
    said, bars, labels = came.said, came.said.bars, came.labels
    rows, probabilities = said.rows[part], said.probabilities[part]
    known = labels.known[rows]
    return {
        **_times(bars, rows),
        "action": _words(CLASSES, said.action[part]),
        **{name: probabilities[:, place] for place, name in enumerate(CLASSES)},
        "confidence": said.confidence[part],
        "expected_score": said.expected_score[part],
        "acted": said.action[part] == said.rule_action[part],
        "in_sample": bars.bar_end[rows] <= came.learned_until,
        "outcome": _words(CLASSES, np.where(known, labels.action[rows], -1)),
        "outcome_return": labels.forward_return[rows],
        "outcome_z": labels.z[rows],
    }


def _index_columns(came: BatchResult) -> Columns:
    index, bars = came.index, came.said.bars
    rows = np.argsort(bars.bar_end, kind="stable")
    rows = rows[np.searchsorted(bars.bar_end[rows], index.bar_end)]
    return {
        **_times(bars, rows),
        "signal": pa.array(index.signal, pa.string()),
        "wss": index.wss,
        "wss_expected": index.wss_expected,
        "wss_z": index.wss_z,
        "coverage": index.coverage,
        "index_share": index.index_share,
        "weights_as_of": pa.array(index.weights_as_of, pa.string()),
        "filter_coverage": index.filter_coverage,
        "missing": pa.array(
            [", ".join(symbol for symbol, _, _ in lost) or None for lost in index.missing], pa.string()
        ),
        "reason": pa.array(index.reason, pa.string()),
        "in_sample": index.bar_end <= came.learned_until,
        "outcome_z": came.basket_z,
    }


def _times(bars: Bars, rows: NDArray[np.integer]) -> Columns:
    names = {"bar_end": "bar_end", "next_start": "predicts_start", "next_end": "predicts_end"}
    return {
        name: pa.array(getattr(bars, column)[rows] * 1000, pa.timestamp("ms", "UTC")) for column, name in names.items()
    }


def _words(words: tuple[str, ...], which: NDArray[np.integer]) -> Any:
    """Each row's word; null for -1."""
    return pa.DictionaryArray.from_arrays(pa.array(which, mask=which < 0), list(words)).cast(pa.string())


def _save(file: Path, columns: Columns) -> None:
    """The columns as Parquet and CSV; what is not known is null in the one, empty in the other."""
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    pa.parquet.write_table(table, file.with_name(file.name + ".parquet"))
    pa.csv.write_csv(_as_text(table), file.with_name(file.name + ".csv"))


def _as_text(table: pa.Table) -> pa.Table:
    """The table with its instants as ISO 8601: Arrow's own writer looks each of them up in the time zones, and is slow."""
    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            plain = table.column(place).cast(pa.timestamp("ms")).cast(pa.timestamp("s")).cast(pa.string())
            text = pa.compute.binary_join_element_wise(pa.compute.replace_substring(plain, " ", "T"), "Z", "")
            table = table.set_column(place, field.name, text)
    return table


def _write_summary(folder: Path, summary: dict[str, Any]) -> None:
    (folder / "summary.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")
