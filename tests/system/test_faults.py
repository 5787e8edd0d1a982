"""A locked registry, a database that is away, a full disk: a clear refusal, nothing half done, and done once it is mended."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from market_master.cli.common import exit_code
from market_master.domain import clock
from market_master.domain.errors import LogAway, NotWritten, RegistryAway
from market_master.lifecycle import promote
from market_master.market_data import store
from market_master.market_data.store import Store
from market_master.market_data.store.recent import BARS_PER_SYMBOL
from market_master.prediction_log import PredictionLog, Writer, writer
from market_master.registry.journal import journal_of
from market_master.registry.tracking import Run, client
from market_master.registry.versions import Versions
from market_master.signals import scheduled as announcing
from market_master.signals.scheduled import run_scheduled_signal
from tests.support.logged_rows import row
from tests.support.postgres import running_postgres
from tests.support.servers import MODEL, another_version, own_copy, wait_for
from tests.support.trained_home import settings_of

pytestmark = pytest.mark.long


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Another connection writes to the registry and does not come to an end."""
    other = sqlite3.connect(home / "mlruns" / "mlflow.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.close()


@pytest.fixture
def copied(trained_home: Path, home: Path) -> Path:
    """A copy of the trained home, with a second version that may be promoted."""
    own_copy(trained_home, home)
    second = another_version(home, home / "second")
    journal_of(home).write("promoted", by="gate", reason="better", to_version=second)
    return home


def test_a_locked_registry_is_refused_and_nothing_is_changed(copied: Path) -> None:
    """Promotion and run say that the registry can't answer, exit code 4; afterwards they work."""
    before = journal_of(copied).entries()
    with _locked(copied):
        for work in (
            lambda: promote.promote_by_hand("2", "anna", "better", MODEL, copied),
            lambda: Run.start(copied, "test", {}),
        ):
            with pytest.raises(RegistryAway, match="locked") as refused:
                work()
            assert exit_code(refused.value) == 4
    assert journal_of(copied).entries() == before
    assert Versions(copied, MODEL).production() == "1"
    assert promote.promote_by_hand("2", "anna", "better", MODEL, copied).to_version == "2"
    assert Versions(copied, MODEL).production() == "2"


def test_a_registry_that_is_locked_in_the_midst_of_a_move_is_mended(copied: Path, monkeypatch: Any) -> None:
    """The intention is written, the alias can't be moved: the next promotion undoes the first and does it anew."""
    plain = Versions.set_outcome

    def locking(self: Versions, version: str, outcome: str) -> None:
        with _locked(copied):
            plain(self, version, outcome)

    with monkeypatch.context() as patch:
        patch.setattr(Versions, "set_outcome", locking)
        with pytest.raises(RegistryAway, match="locked"):
            promote.promote_by_hand("2", "anna", "better", MODEL, copied)
    assert Versions(copied, MODEL).production() == "1"
    assert promote.promote_by_hand("2", "anna", "better", MODEL, copied).to_version == "2"
    events = [entry.event for entry in journal_of(copied).entries()]
    assert events[-4:] == ["intended", "recovered", "intended", "promoted"]


def test_a_run_that_was_made_active_goes_on(home: Path) -> None:
    """Logging a dataset does not end the run: one that is killed later is not called finished."""
    run = Run.start(home, "test", {})
    run.dataset(pd.DataFrame({"close": [1.0, 2.0]}), "bars", "dev")
    assert client(home).get_run(run.id).info.status == "RUNNING"
    assert len(client(home).get_run(run.id).inputs.dataset_inputs) == 1
    run.finish()
    assert client(home).get_run(run.id).info.status == "FINISHED"


def test_a_signal_waits_for_its_log_and_is_made_once(copied: Path, monkeypatch: Any) -> None:
    """PostgreSQL away before, or stopped just before writing: afterwards one signal of the bar, by whoever made it first."""
    settings, now = settings_of("test"), clock.now()
    with running_postgres() as server:
        log = PredictionLog(server.url)
        assert log.count() == 0
        server.stop()
        with pytest.raises(LogAway) as refused:
            run_scheduled_signal(settings, copied, log, now=now)
        assert exit_code(refused.value) == 4
        server.start()
        plain = announcing.read_inputs

        def stopping(*given: Any, **options: Any) -> Any:
            server.stop()
            return plain(*given, **options)

        with monkeypatch.context() as patch:
            patch.setattr(announcing, "read_inputs", stopping)
            told = run_scheduled_signal(settings, copied, log, now=now)
        assert told.status == "signalled"
        assert len(list((copied / "data" / "spill").glob("[0-9]*.jsonl"))) == 1
        server.start()
        promote.promote_by_hand("2", "anna", "better", MODEL, copied)
        assert run_scheduled_signal(settings, copied, log, now=now).status == "skipped"
        assert [one["version"] for one in log.signals(10)] == ["1"]
        assert told.signal
        assert log.count() == len(told.signal.constituents)
        assert list((copied / "data" / "spill").glob("*.jsonl")) == []
        log.close()


@dataclass(frozen=True)
class Disk:
    """A small disk of its own."""

    folder: Path

    def fill(self) -> None:
        """To the last byte."""
        with (self.folder / "filler").open("wb", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(b"0" * 4096)

    def make_room(self) -> None:
        """Whatever filled it is gone."""
        (self.folder / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Two megabytes of memory, mounted as a file system."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk: the full-disk cases were not run")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_bars_that_do_not_fit_leave_the_store_whole(disk: Disk, trained_home: Path) -> None:
    """Some symbols may have their bars, none has half of them; with room the same append adds the rest."""
    (full,) = store.stores(trained_home / "data")
    bars, timetable = full.bars(), full.timetable()
    series = {
        symbol: {name: getattr(bars, name)[part] for name in ("bar_end", "open", "high", "low", "close", "volume")}
        for symbol, part in bars
    }
    held = Store(disk.folder / "data", full.source, full.interval)
    first = {symbol: {name: column[:500] for name, column in columns.items()} for symbol, columns in series.items()}
    held.append(timetable, first)
    disk.fill()
    with pytest.raises(NotWritten, match="space"):
        held.append(timetable, series)
    left = held.bars()
    assert all(len(left.bar_end[part]) in (500, len(series[symbol]["bar_end"])) for symbol, part in left)
    disk.make_room()
    assert not list(disk.folder.rglob("*.part"))
    held.append(timetable, series)
    assert np.array_equal(held.bars().bar_end, bars.bar_end)
    assert np.array_equal(held.recent().bars().close, held.bars(last=BARS_PER_SYMBOL).close)


def test_a_journal_on_a_full_disk_keeps_whole_lines(disk: Disk) -> None:
    """Entries go in until one does not fit; that one is refused, and goes in once there is room."""
    book = journal_of(disk.folder)
    book.write("registered", by="me", reason="first", to_version="1")
    disk.fill()

    def go_on() -> None:
        for _ in range(100):
            book.write("approved", by="me", reason="r" * 300, to_version="1")

    with pytest.raises(NotWritten, match="space"):
        go_on()
    written = len(book.entries())
    assert 1 <= written < 101
    assert book.file.read_bytes().endswith(b"\n")
    disk.make_room()
    book.write("approved", by="me", reason="r" * 300, to_version="1")
    assert len(book.entries()) == written + 1


def test_predictions_on_a_full_disk_wait_and_go_in_once(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the log nor the spill has room: rows wait in memory, and are in the log when there is some."""
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.1)
    log = PredictionLog(f"sqlite:///{disk.folder / 'predictions.db'}")
    log.count()
    disk.fill()
    refused = threading.Event()
    write = PredictionLog.write

    def watched(self: PredictionLog, rows: Any) -> Any:
        try:
            return write(self, rows)
        except LogAway:
            refused.set()
            raise

    monkeypatch.setattr(PredictionLog, "write", watched)
    written = Writer(log, disk.folder / "spill")
    for number in range(1000):
        written.put("prediction", row(bar_end=3600 * number))
    wait_for(refused.is_set)
    assert log.count() < 1000
    disk.make_room()
    wait_for(lambda: log.count() == 1000)
    written.close()
    assert written.lost == 0
    assert list((disk.folder / "spill").glob("*.jsonl")) == []
