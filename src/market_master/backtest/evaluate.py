"""Evaluate: a version's backtest from its answers to a tear sheet, for the pipeline and for whoever asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from market_master.artifact.out_of_sample import OutOfSample
from market_master.backtest.page import write
from market_master.backtest.run import (
    Backtest,
    OutOfSampleHistory,
    backtest,
    predict_out_of_sample,
    stored_out_of_sample,
)
from market_master.backtest.tearsheet import MeasuredBacktest, tearsheet
from market_master.batch.score import read_bars
from market_master.domain.bars import Bars
from market_master.domain.records import as_json
from market_master.files import atomic_folder, require_empty_folder
from market_master.prediction.loaded_model import LoadedModel, load_model
from market_master.progress import report_progress
from market_master.registry.journal import journal_of, new_looks
from market_master.registry.tracking import Run
from market_master.registry.versions import Versions
from market_master.reports import write_index


def evaluate(
    model: str, version: str | None, home: Path, out: Path, *, bars: Path | None = None, now: int
) -> dict[str, Any]:
    """Backtest a version (the champion, unless named) and write its tear sheet and tables into a folder that is not there yet.

    On the store's bars it trades the answers that were kept when it was made, and its answers to bars since; on `bars`, a file
    or folder, its answers to those it had not learned from. Raises UnknownVersion, NoChampion, InSample, ConfigError (`out`
    holds something), and what reading bars raises.
    """
    out = require_empty_folder(out)
    versions = Versions(home, model)
    report_progress("answers")
    champion = load_model(versions.load(version) if version else versions.champion())
    if bars is None:
        evidence = _kept(champion, champion.store(home).bars())
    else:
        fetched = read_bars(champion, bars, now)
        evidence = predict_out_of_sample(champion, Bars.of(fetched.timetable, fetched.series))
    report_progress("answers", 1, 1)
    tested, told = _measured(champion, evidence, home)
    with atomic_folder(out) as part:
        written = write(champion, tested, told, part)
        answer = as_json(told.sheet) | {"files": {kind: str(out / Path(file).name) for kind, file in written.items()}}
        (part / "summary.json").write_text(json.dumps(answer, indent=2), encoding="utf-8")
    return answer


def report_backtest(run: Run, bars: Bars, version: str, model: str, home: Path) -> Path:
    """The tear sheet of a version that was just judged: data/reports/<run>-backtest.html, and kept with the run."""
    champion = load_model(Versions(home, model).load(version))
    tested, told = _measured(champion, _kept(champion, bars), home)
    folder = home / "data" / "runs" / run.id / "backtest"
    folder.mkdir(parents=True, exist_ok=True)
    page = home / "data" / "reports" / f"{run.id}-backtest.html"
    written = write(champion, tested, told, folder, page=page)
    for kind, file in written.items():
        run.file(Path(file), "reports" if kind == "tearsheet" else "backtest")
    numbers = {name: told.sheet.index_book.values[name] for name in ("sharpe", "cagr", "max_drawdown", "mean")}
    run.metrics({f"backtest_{name}": value for name, value in numbers.items()})
    write_index(page.parent)
    return page


def _kept(champion: LoadedModel, bars: Bars) -> OutOfSampleHistory:
    return stored_out_of_sample(champion, OutOfSample.read(champion.artifact.folder), bars)


def _measured(champion: LoadedModel, evidence: OutOfSampleHistory, home: Path) -> tuple[Backtest, MeasuredBacktest]:
    report_progress("backtest")
    tested = backtest(champion, evidence)
    told = tearsheet(champion, tested, looks=_earlier_looks(champion, home))
    report_progress("backtest", 1, 1)
    return tested, told


def _earlier_looks(champion: LoadedModel, home: Path) -> int:
    """How often recipes were shown the hold-out of this source before this version was."""
    return sum(
        look.details["source"] == champion.card.source and int(look.to_version or 0) < int(champion.artifact.version)
        for look in new_looks(journal_of(home))
    )
