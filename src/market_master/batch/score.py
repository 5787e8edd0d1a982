"""Batch run: predictions, index series and outcomes of files of bars, as one set of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from market_master.batch.result import BatchResult
from market_master.batch.summary import summarise_batch, summary_metrics
from market_master.batch.tables import write_tables
from market_master.config.settings import FundamentalTables
from market_master.domain import Bars, TooFewBars, instant
from market_master.files import atomic_folder, require_empty_folder
from market_master.index.series import index_series
from market_master.labels import labeler_from_state
from market_master.market_data.fundamentals import read_fundamentals
from market_master.market_data.providers import FetchResult, Query
from market_master.market_data.quality import read_files
from market_master.prediction.history import predict_history
from market_master.prediction.loaded_model import LoadedModel
from market_master.progress import report_progress
from market_master.registry.run_lock import run_lock
from market_master.registry.tracking import Run


def run_batch(
    model: LoadedModel, path: Path, weights: Path | None, out: Path, *, now: int, log_to: Path | None = None
) -> dict[str, Any]:
    """Predict every bar of a file or folder, write tables by symbol, the index's series and a summary, and return that.

    No prediction sees a later bar. `weights` is the index's table (None = equal), `out` a folder that is not there yet or
    empty, `log_to` the home in whose MLflow store the files become a run's artefacts (None = not logged). All files are
    written, or none. Raises ConfigError (`out` holds something), NotOhlcv, IntervalMismatch, MixedGrid, NoBars, DataError,
    TooFewBars, NotWritten, RegistryAway.
    """
    out = require_empty_folder(out)
    fetched = read_bars(model, path, now)
    result = score_bars(model, bars_of(model, fetched), weights)
    summary = summarise_batch(model, result, fetched, path, weights)
    with atomic_folder(out) as part:
        write_tables(part, result)
        summary["out"] = str(out)
        if log_to is None:
            summary["run_id"] = None
            _write_summary(part, summary)
        else:
            settings = {
                "bars": path.absolute(),
                "weights": weights,
                "model": model.ref.name,
                "version": model.ref.version,
            }
            mlflow_run = Run.start(log_to, f"batch-{out.name}", settings)
            with run_lock(mlflow_run):
                summary["run_id"] = mlflow_run.id
                _write_summary(part, summary)
                mlflow_run.tag(kind="batch")
                mlflow_run.metrics(summary_metrics(summary))
                mlflow_run.files(part, "batch")
    return summary


def score_bars(model: LoadedModel, bars: Bars, weights: Path | None) -> BatchResult:
    """Predictions for all bars, the index's series under a table of weights (None = equal), and the outcomes.

    Raises TooFewBars when no symbol has the bars that one prediction needs.
    """
    predictions = predict_history(model, bars)
    if not len(predictions.rows):
        longest = int(bars.age.max()) + 1
        raise TooFewBars(
            f"None of the {len(bars.symbols)} symbols has the {model.required_bars} bars that an answer needs; the longest has "
            f"{longest}.",
            given=longest,
            needed=model.required_bars,
        )
    report_progress("index")
    index = index_series(
        predictions,
        model.settings.universe.model_copy(update={"weights": weights}),
        model.settings.policy,
        spread=model.card.wss_expected_sd,
        required_bars=model.required_bars,
    )
    report_progress("index", 1, 1)
    labels = labeler_from_state(model.card.label).transform(bars)
    return BatchResult(predictions, index, labels, instant(model.card.label_known))


def read_bars(model: LoadedModel, path: Path, now: int) -> FetchResult:
    """Files of bars, on the model's calendar and interval; read as its own were, if it was fitted on files."""
    report_progress("read")
    provider, times = model.settings.provider, model.card.times
    options = provider.model_dump(include={"stamp", "timezone"}) if provider.kind == "files" else {}
    fetched = read_files(path, Query((), times.calendar, times.interval, now), **options)
    report_progress("read", 1, 1)
    return fetched


def bars_of(model: LoadedModel, fetched: FetchResult) -> Bars:
    """What was read, with the fundamentals that the model's config names, if it looks at them."""
    tables = model.settings.fundamentals if model.bars_graph.needs_fundamentals else FundamentalTables()
    return Bars.of(fetched.timetable, fetched.series, read_fundamentals(tables))


def _write_summary(folder: Path, summary: dict[str, Any]) -> None:
    (folder / "summary.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")
