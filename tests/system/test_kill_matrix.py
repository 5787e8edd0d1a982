"""The kill matrix: SIGKILL at each point of docs/operations.md leaves no half state, and the next run goes to its end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from market_master.artifact.bundle import PREVIOUS
from market_master.domain import clock
from market_master.lifecycle import promote
from market_master.lifecycle.recovery import INTERRUPTED
from market_master.market_data import store
from market_master.market_data.store.recent import RECENT_FILE
from market_master.prediction.loaded_model import verify_model
from market_master.registry.champion import load_champion
from market_master.registry.journal import journal_of
from market_master.registry.tracking import client, open_runs
from market_master.registry.versions import Versions
from market_master.signals.scheduled import backfill_signals
from tests.support import ROOT
from tests.support.kill_points import CHAINS, POINTS
from tests.support.kill_points_runner import OPERATIONS, ROWS, Point, killed, log_of
from tests.support.quick_training import copy_empty_registry, warm_up
from tests.support.servers import MODEL, another_version, own_copy
from tests.support.trained_home import settings_of

pytestmark = pytest.mark.long


@pytest.fixture
def ready(request: pytest.FixtureRequest, trained_home: Path, home: Path) -> Path:
    """A home in which the operation can be begun."""
    operation = request.param
    if operation == "training":
        copy_empty_registry(home)
        return home
    own_copy(trained_home, home)
    if operation in ("signal", "settle"):
        _predict(home)
    if operation == "signal":
        _forget(home, bars=2)
    if operation in ("promote", "rollback"):
        second = another_version(home, home / "second")
        journal_of(home).write("promoted", by="gate", reason="better", to_version=second)
    if operation == "rollback":
        promote.promote_by_hand("2", "anna", "better on the hold-out", MODEL, home)
    if operation == "drain":
        _spill(home)
    return home


def _marks(chain: tuple[Point, ...]) -> list[pytest.MarkDecorator]:
    """The night's: all trainings but the first chain's; CI kills the moves of a promotion in those made by hand."""
    return [pytest.mark.nightly] if chain[0].operation == "training" and chain is not CHAINS[0] else []


@pytest.mark.parametrize(
    ("ready", "chain"),
    [
        pytest.param(chain[0].operation, chain, id=f"{chain[0].operation}-{n}", marks=_marks(chain))
        for n, chain in enumerate(CHAINS)
    ],
    indirect=["ready"],
)
def test_nothing_is_left_half_done(ready: Path, trained_home: Path, chain: tuple[Point, ...]) -> None:
    """After each kill all that can be read is whole, and what is served is served; a last run goes to its end."""
    if chain[0].operation == "training" and chain[0] != POINTS[0]:
        warm_up(ready, trained_home)
    for point in chain:
        killed(point, ready)
        _require_whole(ready)
    FINISHED[chain[0].operation](ready)
    _require_whole(ready)
    assert promote.complete_interrupted_move(MODEL, ready) is None
    moves = [entry for entry in journal_of(ready).entries() if entry.event in promote.MOVES]
    assert moves[-1].to_version == Versions(ready, MODEL).production()


def test_every_point_is_told_in_the_manual() -> None:
    """The table of docs/operations.md and the points have the same names in the same order."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").splitlines()
    told = [line.split(" | ")[0].removeprefix("| ") for line in page if line.startswith("|")]
    assert [name for name in told if name.split(": ")[0] in OPERATIONS] == [point.name for point in POINTS]


def _require_whole(home: Path) -> None:
    """The journal's chain holds, the champion can be served, bars and newest bars agree, nothing is logged twice."""
    journal_of(home).entries()
    if Versions(home, MODEL).production():
        verify_model(load_champion(home, MODEL).artifact)
    for held in store.stores(home / "data"):
        if not held.symbols():
            continue
        bars, newest = held.bars(), held.recent().bars()
        assert newest.symbols == bars.symbols
        for (_, part), (_, last) in zip(bars, newest, strict=True):
            assert (np.diff(bars.bar_end[part]) > 0).all()
            assert np.array_equal(bars.bar_end[part][-(last.stop - last.start) :], newest.bar_end[last])
    if (home / "data" / "predictions.db").exists():
        log = log_of(home)
        keys = [tuple(one[key] for key in ("model", "version", "symbol", "bar_end")) for one in log.recent(1000)]
        assert len(keys) == len(set(keys))
        log.close()


def _trained(home: Path) -> None:
    """The run ends as one that was never killed: promoted on one look, what was killed is marked."""
    OPERATIONS["training"](home)
    versions, entries = Versions(home, MODEL), journal_of(home).entries()
    rows = versions.all()
    assert versions.production() == rows[0]["version"]
    assert rows[0]["outcome"] == "provisional"
    decided = {entry.to_version for entry in entries if entry.event == "provisional"}
    assert {row["version"]: row["outcome"] for row in rows} == {
        row["version"]: "provisional" if row["version"] in decided else INTERRUPTED for row in rows
    }
    assert [entry.details["lane"] for entry in entries if entry.event == "looked"].count("new_recipe") == 1
    assert open_runs(home) == []
    ended = {row["run_id"]: client(home).get_run(row["run_id"]).info.status for row in rows}
    assert list(ended.values()) == ["FINISHED"] + ["KILLED"] * (len(rows) - 1)
    (bars,) = store.stores(home / "data")
    assert len(bars.symbols()) == 10
    runs = [file.parent for file in (home / "data" / "runs").glob("*/summary.json")]
    assert [json.loads((run / "summary.json").read_text())["version"] for run in runs] == [versions.production()]


def _signalled(home: Path) -> None:
    """One signal of the newest bar, one prediction of each constituent, every earlier prediction settled once."""
    OPERATIONS["signal"](home)
    newest = load_champion(home, MODEL).store(home).recent().newest()
    log = log_of(home)
    (signal,) = [one for one in log.signals(10) if one["bar_end"] == newest]
    rows = [one for one in log.recent(1000) if one["bar_end"] == newest]
    assert sorted(one["symbol"] for one in rows) == sorted(
        part["symbol"] for part in json.loads(signal["record"])["constituents"]
    )
    earlier = [one for one in log.recent(1000) if one["bar_end"] < newest]
    assert len(earlier) == 20
    assert all(one["settled_at"] for one in earlier)
    log.close()


def _promoted(home: Path) -> None:
    _moved(home, "promote", "2", "promoted")


def _rolled_back(home: Path) -> None:
    _moved(home, "rollback", "1", promote.ROLLED_BACK)


def _moved(home: Path, operation: str, wanted: str, event: str) -> None:
    """The move is finished by whoever comes next, or can be begun again."""
    promote.complete_interrupted_move(MODEL, home)
    versions = Versions(home, MODEL)
    if versions.production() != wanted:
        OPERATIONS[operation](home)
    assert {versions.production(), versions.version_at_alias(PREVIOUS)} == {"1", "2"}
    assert versions.production() == wanted
    done = [entry for entry in journal_of(home).entries() if entry.event == event and entry.from_version]
    assert [(entry.from_version, entry.to_version) for entry in done] == [("1", "2") if wanted == "2" else ("2", "1")]


def _settled(home: Path) -> None:
    """Every prediction whose bar has closed has its outcome."""
    OPERATIONS["settle"](home)
    log = log_of(home)
    assert len(log.recent(1000)) == 20
    assert all(one["settled_at"] for one in log.recent(1000))
    log.close()


def _spilled(home: Path) -> None:
    """Whole lines that a process left are logged, each once, and the file is gone."""
    folder = home / "data" / "spill"
    (left,) = folder.glob("[0-9]*.jsonl")
    lines = left.read_text(encoding="utf-8").count("\n") - 1
    assert 0 < lines <= ROWS
    _drained(home, lines)


def _drained(home: Path, lines: int = ROWS) -> None:
    OPERATIONS["drain"](home)
    log = log_of(home)
    assert log.count() == lines
    log.close()
    assert list((home / "data" / "spill").glob("*.jsonl")) == []


FINISHED = {
    "training": _trained, "signal": _signalled, "promote": _promoted, "rollback": _rolled_back,
    "settle": _settled, "spill": _spilled, "drain": _drained,
}  # fmt: skip


def _predict(home: Path) -> None:
    """Predictions of two bars whose next one has closed, not settled yet."""
    champion = load_champion(home, MODEL)
    ends = champion.store(home).bars((champion.card.symbols[0],), last=6).bar_end.tolist()
    log = log_of(home)
    backfill_signals(settings_of("test"), home, log, first=ends[0], last=ends[1], now=clock.now())
    with log.transaction() as connection:
        connection.execute(text("UPDATE predictions SET outcome = NULL, settled_at = NULL"))
    log.close()


def _forget(home: Path, *, bars: int) -> None:
    """A store that lacks each symbol's last bars."""
    (held,) = store.stores(home / "data")
    for file in held.folder.glob("*.parquet"):
        pd.read_parquet(file).iloc[:-bars].to_parquet(file, index=False)
    (held.folder / RECENT_FILE).unlink()


def _spill(home: Path) -> None:
    """What a dead process left on disk."""
    point = next(point for point in POINTS if point.operation == "spill" and point.when == "after")
    killed(point, home)
