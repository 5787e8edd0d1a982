"""Retention: what production may come back to always stays; the rest goes for good, and can be asked for twice."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pytest
from mlflow.entities import ViewType

from market_master.artifact.bundle import BARS_GRAPH_FILE, GRAPH_FILE, companion_files
from market_master.domain import clock
from market_master.domain.errors import ConfigError
from market_master.lifecycle import retention as step
from market_master.lifecycle.promote import roll_back
from market_master.lifecycle.retention import KEPT_FILES, Retained
from market_master.registry.journal import journal_of
from market_master.registry.tracking import Run, client
from market_master.registry.versions import Versions
from tests.support.servers import MODEL, another_version, in_process, own_copy

pytestmark = pytest.mark.long


def retain(home: Path, **choice: Any) -> Retained:
    """Asked now."""
    return step.apply_retention(MODEL, home, now=clock.now(), **choice)


@pytest.fixture
def crowded(trained_home: Path, home: Path) -> Path:
    """A home of its own with the champion (1), four rejected versions with runs of their own (2 to 5), and a run without one."""
    own_copy(trained_home, home)
    with sqlite3.connect(home / "mlruns" / "mlflow.db") as known:  # the copy's entries point into the copy
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
        ):
            known.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(trained_home), str(home)))
    for number in range(2, 6):
        _rejected(home, _run(home, f"rejected-{number}"))
    _run(home, "compared")
    return home


def _run(home: Path, name: str) -> Run:
    """A pipeline run with a candidate's, an artefact, a folder and a report."""
    run = Run.start(home, name, {"a": 1})
    run.candidate("logistic", {}, {"rps": 0.1})
    folder = home / "data" / "runs" / run.id
    (folder / "charts").mkdir(parents=True)
    for file in ("summary.json", "decision.json", "leaderboard.json", "charts/roc.png"):
        (folder / file).write_text('{"verdicts": []}', encoding="utf-8")
    (home / "data" / "reports" / f"{run.id}-gate.html").write_text("<html></html>", encoding="utf-8")
    run.file(folder / "leaderboard.json")
    run.finish()
    return run


def _rejected(home: Path, run: Run) -> str:
    """A version of the run, with the champion's graph and card, that the gate turned away."""
    versions = Versions(home, MODEL)
    champion, place = versions.champion(), versions.files("1")
    example = np.asarray(champion.example["inputs"], dtype=np.float32)
    graph = (Path(place.folder) / GRAPH_FILE).read_bytes()
    bars_graph, card = (Path(place.folder) / BARS_GRAPH_FILE).read_bytes(), replace(champion.card, run_id=run.id)
    files = companion_files(bars_graph, card, champion.example, champion.calendar)
    version = versions.register(run, graph, example, files)
    versions.set_outcome(version, "rejected")
    journal_of(home).write("rejected", by="gate", reason="a test", to_version=version)
    return version


def _all_runs(home: Path, view: int = ViewType.ALL) -> set[str]:
    experiment = client(home).get_experiment_by_name("market-master").experiment_id
    return {run.info.run_id for run in client(home).search_runs([experiment], run_view_type=view)}


def _folders(home: Path, run_id: str) -> list[Path]:
    """Where MLflow keeps a run's artefacts and the model it logged."""
    run = client(home).get_run(run_id)
    models = [client(home).get_logged_model(model.model_id) for model in run.outputs.model_outputs]
    assert len(models) == 1
    return [Path(url2pathname(urlsplit(uri).path)) for uri in (run.info.artifact_uri, models[0].artifact_location)]


def test_nothing_is_deleted_unless_told(crowded: Path) -> None:
    """The plan names what would go and why the rest stays, and leaves every file and run as it was."""
    runs, files = _all_runs(crowded), sorted(crowded.rglob("*.json"))
    told = retain(crowded, keep=2)
    newest = [row["version"] for row in Versions(crowded, MODEL).all()]
    assert [one.version for one in told.stays] == [newest[0], newest[1], "1"]
    assert "production" in told.stays[-1].because
    assert (told.applied, list(told.versions)) == (False, newest[2:-1])
    assert len(told.runs) == 2
    assert _all_runs(crowded) == runs
    assert sorted(crowded.rglob("*.json")) == files
    assert told.bytes > 0


def test_what_goes_is_gone_and_what_stays_is_served(crowded: Path) -> None:
    """Version, run, candidates' runs, artefacts, folder and report are gone; the record of the decision and the champion stay."""
    before = _all_runs(crowded)
    folders = {run: _folders(crowded, run) for run in retain(crowded, keep=2).runs}
    assert all(folder.exists() for found in folders.values() for folder in found)
    told = retain(crowded, keep=2, apply=True)
    assert set(told.runs) & _all_runs(crowded) == set()
    assert len(before) - len(_all_runs(crowded)) == 4
    assert {row["version"] for row in Versions(crowded, MODEL).all()} == {one.version for one in told.stays}
    for run in told.runs:
        assert not any(folder.exists() for folder in folders[run])
        assert {file.name for file in (crowded / "data" / "runs" / run).iterdir()} <= set(KEPT_FILES)
        assert not list((crowded / "data" / "reports").glob(f"{run}-*"))
    champion = Versions(crowded, MODEL).champion()
    assert (crowded / "data" / "runs" / champion.run_id / "leaderboard.json").exists()
    with in_process(crowded) as running:
        assert running.get("/signal/index").status_code == 200
        assert running.get("/drift").status_code == 200
    again = retain(crowded, keep=2, apply=True)
    assert (again.versions, again.runs, again.files) == ((), (), ())


def test_every_version_ever_in_production_stays(crowded: Path) -> None:
    """A champion of long ago can be rolled back to after any retention."""
    other = another_version(crowded, crowded / "other")
    journal_of(crowded).write("promoted", by="gate", reason="a test", from_version="1", to_version=other)
    Versions(crowded, MODEL).set_alias("production", other)
    Versions(crowded, MODEL).set_alias("challenger", other)
    another_version(crowded, crowded / "newest", outcome="rejected")
    told = retain(crowded, keep=1, apply=True)
    assert {"1", other} <= {one.version for one in told.stays}
    assert "promoted" in next(one.because for one in told.stays if one.version == "1")
    assert roll_back("1", "anna", "a test", MODEL, crowded).to_version == "1"


def test_runs_without_a_version_stay_while_new(crowded: Path) -> None:
    """Compared-only and failed runs go too, but for the newest; one that is under way is never touched."""
    busy = Run.start(crowded, "busy", {})
    newer = [_run(crowded, f"compared-{n}").id for n in range(2)]
    told = retain(crowded, keep=2, apply=True)
    kept = _all_runs(crowded)
    assert {busy.id, *newer} <= kept
    assert len([run for run in told.runs if run not in kept]) == len(told.runs) == 3


@pytest.mark.parametrize("step_cut", ["files", "runs", "collected"])
def test_cut_off_anywhere_the_next_run_finishes(crowded: Path, monkeypatch: pytest.MonkeyPatch, step_cut: str) -> None:
    """After a crash among the files, among the runs or before the collection the same call leaves nothing behind."""
    expected = set(retain(crowded, keep=2).runs)

    def crash(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step_cut == "files":
            patch.setattr(shutil, "rmtree", crash)
        elif step_cut == "runs":
            patch.setattr(type(client(crowded)), "delete_run", crash)
        else:
            patch.setattr("mlflow.cli.gc.main", crash)
        with pytest.raises(KeyboardInterrupt):
            retain(crowded, keep=2, apply=True)
    retain(crowded, keep=2, apply=True)
    assert expected & _all_runs(crowded) == set()
    assert len(Versions(crowded, MODEL).all()) == 3
    assert _all_runs(crowded, ViewType.DELETED_ONLY) == set()
    assert retain(crowded, keep=2).runs == ()


def test_keeping_nothing_is_refused(crowded: Path) -> None:
    """A registry is not emptied by a slip."""
    with pytest.raises(ConfigError, match="At least 1"):
        retain(crowded, keep=0)
