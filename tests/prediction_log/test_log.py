"""The prediction log: in once by key, outcomes once, nothing lost while the database is away, in SQLite and in PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from market_master.domain import clock
from market_master.domain.errors import ConfigError, LogAway
from market_master.prediction.predict import predict_stored
from market_master.prediction.recorder import prediction_row
from market_master.prediction_log import PredictionLog, Writer, writer
from market_master.prediction_log.tables import metadata
from market_master.registry.champion import load_champion
from market_master.registry.versions import Versions
from market_master.signals.settlement import settle_outcomes
from tests.support.logged_rows import row
from tests.support.postgres import running_postgres
from tests.support.servers import MODEL, free_port, own_copy, wait_for

URLS = pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])


@pytest.fixture
def url(kind: str, tmp_path: Path) -> Iterator[str]:
    """A database of that kind, empty."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'deep' / 'predictions.db'}"
    else:
        with running_postgres() as server:
            yield server.url


@URLS
def test_what_a_client_posted_gives_way_to_the_store(url: str) -> None:
    """Whoever comes first: the answer from stored bars is the one that counts, unless the other has its outcome already."""
    log = PredictionLog(url)
    for first, second in (("posted", "stored"), ("scheduled", "posted")):
        log.write([row(first, source=first, hold=0.3)])
        log.write([row(first, source=second, hold=0.9)])
    log.write([row("settled", source="posted", hold=0.3)])
    key = {**row("settled"), "outcome": "buy", "outcome_return": 0.1, "outcome_z": 1.0, "settled_at": 9.0}
    log.settle([key])
    log.write([row("settled", source="stored", hold=0.9)])
    stored = {r["symbol"]: (r["source"], r["hold"]) for r in log.recent(10)}
    assert stored == {"posted": ("stored", 0.9), "scheduled": ("scheduled", 0.3), "settled": ("posted", 0.3)}
    log.close()


@URLS
def test_a_prediction_goes_in_once_and_so_does_its_outcome(url: str) -> None:
    """The first of a key stays, what is settled is settled, and only what has closed can be."""
    log = PredictionLog(url)
    log.write([row(), row("S002"), row(bar_end=7200)])
    log.write([row(hold=0.9), row("S003")])
    assert log.count() == 4
    assert {r["hold"] for r in log.recent(10)} == {0.3}
    assert [r["symbol"] for r in log.recent(2)] == ["S001", "S001"]
    assert len(log.recent(10, "S002")) == 1
    due = log.unsettled(MODEL, before=7200)
    assert [(r["symbol"], r["bar_end"]) for r in due] == [("S001", 3600), ("S002", 3600), ("S003", 3600)]
    outcomes = [{**r, "outcome": "buy", "outcome_return": 0.01, "settled_at": 9.0} for r in due]
    assert log.settle(outcomes) == 3
    assert log.settle([{**outcomes[0], "outcome": "sell"}]) == 0
    assert log.unsettled(MODEL, before=7200) == []
    again = PredictionLog(url)
    assert {r["outcome"] for r in again.recent(10)} == {"buy", None}
    log.close()
    again.close()


@URLS
def test_the_migrations_make_the_tables_that_the_code_speaks_of(url: str) -> None:
    """Whoever alters a table and forgets the migration, or the other way round, is told the difference."""
    log = PredictionLog(url)
    log.count()
    log.close()
    engine = create_engine(url)
    with engine.connect() as connection:
        options = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()


def test_two_processes_may_open_an_empty_log_at_once(tmp_path: Path) -> None:
    """One of them makes the tables, the other finds them."""
    url = f"sqlite:///{tmp_path / 'predictions.db'}"
    code = f"from market_master.prediction_log import PredictionLog; print(PredictionLog({url!r}).count())"
    command = [sys.executable, "-c", code]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src"}) for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == [b"0\n", b"0\n"]


@pytest.mark.parametrize("url", ["nonsense", "sqlite", ""])
def test_a_url_that_is_none_is_a_config_error(url: str) -> None:
    """Named, with the form it should have."""
    with pytest.raises(ConfigError, match="sqlite:///"):
        PredictionLog(url)


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    """The refusal says where, and keeps the secret."""
    with pytest.raises(LogAway, match=r"127\.0\.0\.1") as refused:
        PredictionLog(f"postgresql+psycopg://mm:hidden@127.0.0.1:{free_port()}/mm").count()
    assert "hidden" not in str(refused.value)


def test_putting_does_not_wait(tmp_path: Path) -> None:
    """A thousand rows are taken in no time, and stand in the log soon after."""
    log = PredictionLog(f"sqlite:///{tmp_path / 'predictions.db'}")
    written = Writer(log, tmp_path / "spill")
    begun = time.perf_counter()
    for number in range(1000):
        written.put("prediction", row(bar_end=3600 * number))
    assert time.perf_counter() - begun < 0.5
    written.close()
    assert PredictionLog(f"sqlite:///{tmp_path / 'predictions.db'}").count() == 1000
    assert written.lost == 0


@pytest.mark.long
def test_nothing_is_lost_while_the_database_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL is stopped and started again: what came meanwhile lies on disk, then in the log, once."""
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.2)
    with running_postgres() as server:
        log, folder = PredictionLog(server.url), tmp_path / "spill"
        written = Writer(log, folder)
        written.put("prediction", row(bar_end=0))
        wait_for(lambda: log.count() == 1)
        server.stop()
        for number in range(50):
            written.put("prediction", row(bar_end=3600 * number))
        wait_for(lambda: any(folder.glob("*.jsonl")))
        written.put("prediction", row(bar_end=3600 * 50))
        server.start()
        wait_for(lambda: not any(folder.glob("*.jsonl")))
        wait_for(lambda: log.count() == 51)
        written.close()
        assert written.lost == 0


def test_what_a_dead_process_left_is_written_first(tmp_path: Path) -> None:
    """Its spilled rows are taken over, but for a line the crash cut off; a living process keeps its own."""
    log = PredictionLog(f"sqlite:///{tmp_path / 'predictions.db'}")
    folder = tmp_path / "spill"
    ended = subprocess.Popen(["true"])
    ended.wait()
    folder.mkdir()
    lines = "".join(f"{writer.spill_line('prediction', row(bar_end=3600 * n))}\n" for n in range(3))
    (folder / f"{ended.pid}.jsonl").write_text(lines + lines[:40])
    (folder / f"{os.getppid()}.jsonl").write_text(lines.replace("S001", "S009"))
    Writer(log, folder).close()
    log = PredictionLog(f"sqlite:///{tmp_path / 'predictions.db'}")
    assert {r["symbol"] for r in log.recent(10)} == {"S001"}
    assert log.count() == 3
    assert [file.stem for file in folder.glob("*.jsonl")] == [str(os.getppid())]


def _set_aside(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(text) for text in (folder / writer.REFUSED_FILE).read_text(encoding="utf-8").splitlines() if text
    ]


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("sqlite", {"symbol": "\ud800"}),
        ("sqlite", {"bar_end": 2**70}),
        ("sqlite", {"action": None}),
        pytest.param("postgresql", {"symbol": "A\0B"}, marks=pytest.mark.long),
        pytest.param("postgresql", {"symbol": "S" * 41}, marks=pytest.mark.long),
    ],
)
def test_a_row_the_database_will_never_take_holds_up_no_other(url: str, tmp_path: Path, bad: dict[str, Any]) -> None:
    """It is set aside with the reason and counted; those before and after it go in."""
    log, folder = PredictionLog(url), tmp_path / "spill"
    written = Writer(log, folder)
    rows = [row(bar_end=3600 * number) | (bad if number == 2 else {}) for number in range(5)]
    for logged in rows:
        written.put("prediction", logged)
    written.close()
    log = PredictionLog(url)
    assert log.count() == 4
    log.close()
    (refused,) = _set_aside(folder)
    assert json.loads(refused["row"])[1] == rows[2]
    assert "refuses a value" in refused["reason"]
    assert written.lost == 1


def test_a_damaged_spill_holds_up_no_other_row(tmp_path: Path) -> None:
    """A line that is no row, of an unknown kind, or cut off by a crash and written past, is set aside; the rest goes in."""
    log, folder = PredictionLog(f"sqlite:///{tmp_path / 'predictions.db'}"), tmp_path / "spill"
    ended = subprocess.Popen(["true"])
    ended.wait()
    folder.mkdir()
    good = [writer.spill_line("prediction", row(bar_end=3600 * n)) for n in range(3)]
    bad = [good[0][:40], "[]", "null", '["guess", {}]', '["signal", 1]', "\ufffd"]
    (folder / f"{ended.pid}.jsonl").write_text("\n".join([good[0], *bad, "", *good[1:], ""]), encoding="utf-8")
    written = Writer(log, folder)
    written.close()
    assert log.count() == 3
    log.close()
    assert [refused["row"] for refused in _set_aside(folder)] == bad
    assert written.lost == len(bad)
    assert [file.name for file in folder.glob("*.jsonl")] == [writer.REFUSED_FILE]


def test_a_full_disk_loses_nothing_that_fits_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither log nor spill can be written for a while; when the log can again, all of it is there."""
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.1)
    log = PredictionLog(f"sqlite:///{tmp_path / 'predictions.db'}")
    log.count()
    away = {"now": True}
    plain = log.write
    monkeypatch.setattr(log, "write", lambda rows: _full() if away["now"] and rows else plain(rows))
    (tmp_path / "spill").write_text("a file where the folder should be")
    written = Writer(log, tmp_path / "spill")
    for number in range(20):
        written.put("prediction", row(bar_end=3600 * number))
    time.sleep(0.5)
    assert log.count() == 0
    away["now"] = False
    wait_for(lambda: log.count() == 20)
    written.close()
    assert written.lost == 0


def _full() -> None:
    raise LogAway("The prediction log can't be used: database or disk is full.")


def test_outcomes_are_those_of_the_label(trained_home: Path, home: Path) -> None:
    """A prediction made bars ago is settled with the label of its row; the newest waits; what is settled stays."""
    own_copy(trained_home, home)
    champion = load_champion(home, MODEL)
    bar_store, symbols = champion.store(home), sorted(champion.card.symbols)[:3]
    bars = bar_store.bars((symbols[0],), last=5)
    log = PredictionLog(f"sqlite:///{home / 'data' / 'predictions.db'}")
    for end in bars.bar_end.tolist():
        rows: list[dict[str, Any]] = []
        predict_stored(
            champion, bar_store, symbols, now=end, asof=end,
            on_predictions=lambda predictions, inputs, rows=rows: rows.extend(
                prediction_row(p, x, source="stored", made_at=1.0, latency_ms=1.0) for p, x in zip(predictions, inputs, strict=True)
            ),
        )  # fmt: skip
        log.write(rows)
    assert log.count() == 15
    counts = settle_outcomes(log, MODEL, home, now=clock.now())
    assert counts == {"settled": 12, "without_outcome": counts["without_outcome"], "waiting": 3}
    assert settle_outcomes(log, MODEL, home, now=clock.now())["settled"] == 0
    assert Versions(home, MODEL).production() == "1"
    for logged in log.recent(15):
        if logged["outcome_return"] is None:
            continue
        after = bar_store.bars((logged["symbol"],))
        at = after.bar_end.tolist().index(logged["bar_end"])
        assert logged["outcome_return"] == pytest.approx(float(np.log(after.close[at + 1] / after.open[at + 1])))
