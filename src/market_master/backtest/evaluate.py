"""Backtest evaluation of a version, from out-of-sample predictions to a tear sheet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from market_master.artifact.out_of_sample import OutOfSample
from market_master.backtest.history import OutOfSampleHistory, predict_out_of_sample, stored_out_of_sample
from market_master.backtest.page import write_tearsheet
from market_master.backtest.run import Backtest, run_backtest
from market_master.backtest.tearsheet import MeasuredBacktest, tearsheet
from market_master.batch.score import bars_of, read_bars
from market_master.domain import Bars, as_json
from market_master.files import atomic_folder, require_empty_folder
from market_master.prediction.loaded_model import LoadedModel, load_model
from market_master.progress import report_progress
from market_master.registry.journal import journal_of, new_looks
from market_master.registry.tracking import Run
from market_master.registry.versions import Versions
from market_master.reports import write_index


def evaluate_backtest(
    model: str, version: str | None, home: Path, out: Path, *, bars: Path | None = None, now: int
) -> dict[str, Any]:
    """Backtest a version (the champion, unless named) and write its tear sheet and tables into a folder that is not there yet.

    On the store's bars it trades the predictions stored with it when it was made, and its predictions for bars since; on
    `bars`, a file or folder, its predictions for those it was not fitted on. Raises UnknownVersion, NoChampion, InSample,
    ConfigError (`out` holds something), and what reading bars raises.
    """
    out = require_empty_folder(out)
    versions = Versions(home, model)
    report_progress("answers")
    loaded = load_model(versions.load(version) if version else versions.champion())
    if bars is None:
        history = _stored_history(loaded, loaded.store(home).bars())
    else:
        fetched = read_bars(loaded, bars, now)
        history = predict_out_of_sample(loaded, bars_of(loaded, fetched))
    report_progress("answers", 1, 1)
    tested, measured = _measure(loaded, history, home)
    with atomic_folder(out) as part:
        files = write_tearsheet(loaded, tested, measured, part)
        summary = as_json(measured.sheet) | {
            "files": {kind: str(out / Path(file).name) for kind, file in files.items()}
        }
        (part / "summary.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")
    return summary


def report_backtest(run: Run, bars: Bars, version: str, model: str, home: Path) -> Path:
    """The tear sheet of a version that was just judged: data/reports/<run>-backtest.html, and kept with the run."""
    loaded = load_model(Versions(home, model).load(version))
    tested, measured = _measure(loaded, _stored_history(loaded, bars), home)
    folder = home / "data" / "runs" / run.id / "backtest"
    folder.mkdir(parents=True, exist_ok=True)
    page = home / "data" / "reports" / f"{run.id}-backtest.html"
    for kind, file in write_tearsheet(loaded, tested, measured, folder, page=page).items():
        run.file(Path(file), "reports" if kind == "tearsheet" else "backtest")
    numbers = {name: measured.sheet.index_book.values[name] for name in ("sharpe", "cagr", "max_drawdown", "mean")}
    run.metrics({f"backtest_{name}": value for name, value in numbers.items()})
    write_index(page.parent)
    return page


def _stored_history(model: LoadedModel, bars: Bars) -> OutOfSampleHistory:
    return stored_out_of_sample(model, OutOfSample.read(model.artifact.folder), bars)


def _measure(model: LoadedModel, history: OutOfSampleHistory, home: Path) -> tuple[Backtest, MeasuredBacktest]:
    report_progress("backtest")
    tested = run_backtest(model, history)
    measured = tearsheet(model, tested, looks=_earlier_looks(model, home))
    report_progress("backtest", 1, 1)
    return tested, measured


def _earlier_looks(model: LoadedModel, home: Path) -> int:
    """How often recipes were shown the hold-out of this source before this version was."""
    return sum(
        look.details["source"] == model.card.source and int(look.to_version or 0) < int(model.artifact.version)
        for look in new_looks(journal_of(home))
    )
