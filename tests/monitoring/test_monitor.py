"""A look at the champion: quiet on what it was made with, and each cause found when it is planted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from market_master.domain import clock
from market_master.domain.bars import Bars
from market_master.lifecycle import promote
from market_master.lifecycle.auto_rollback import GUARD
from market_master.market_data.store.recent import RECENT_FILE
from market_master.monitoring.alerts import Addresses
from market_master.monitoring.causes import ALARM_TYPES
from market_master.monitoring.daily_check import run_daily_check
from market_master.monitoring.monitor import monitor
from market_master.monitoring.reading import NOT_ENOUGH_HISTORY, OK
from market_master.prediction.predict import predict_stored
from market_master.prediction.recorder import prediction_row
from market_master.prediction_log import PredictionLog
from market_master.registry.champion import load_champion
from market_master.registry.journal import journal_of
from market_master.registry.tracking import client
from market_master.registry.versions import Versions
from market_master.signals.scheduled import backfill_signals, signal_bar
from market_master.signals.settlement import settle_outcomes
from tests.support.servers import in_process
from tests.support.simulated_world import MODEL, World, world
from tests.support.trained_home import settings_of


def _states(home: Path, log: PredictionLog) -> dict[str, str]:
    """The state of each cause; the loudest where it has several readings."""
    report = monitor(MODEL, home, log, now=clock.now(), evidently=False)
    return {
        cause: max(r.state for r in report.readings if r.cause == cause) for cause in {r.cause for r in report.readings}
    }


def _log_signals(home: Path, log: PredictionLog, bars: int) -> list[int]:
    champion = load_champion(home, MODEL)
    ends: list[int] = champion.store(home).bars((champion.card.symbols[0],), last=bars).bar_end.tolist()
    backfill_signals(settings_of("test"), home, log, first=ends[0], last=ends[-1], now=clock.now())
    return ends


def test_before_anything_was_logged_there_is_too_little_to_say(altered: Path, log: PredictionLog) -> None:
    """That is told, and is not ok; the look is kept as JSON, with the version's run, and as a page."""
    states = _states(altered, log)
    for cause in ("outage", "coverage", "parity", "performance", "direction", "constant"):
        assert states[cause] == NOT_ENOUGH_HISTORY, cause
    assert (states["bars"], states["universe"]) == (OK, OK)
    assert set(ALARM_TYPES) | {"level"} >= set(states)
    (file,) = (altered / "data" / "monitoring" / MODEL).glob("*.json")
    document = json.loads(file.read_bytes())
    assert document["version"] == "1"
    pages = {file.name for file in (altered / "data" / "reports").glob("*.html")}
    assert {f"{file.stem}-monitoring.html", "index.html"} <= pages
    page = (altered / "data" / "reports" / f"{file.stem}-monitoring.html").read_text(encoding="utf-8")
    assert "the largest moves since, by symbol" in page
    run = client(altered).get_run(Versions(altered, MODEL).load("1").run_id)
    assert run.data.metrics["alarm_parity"] == 0.0
    with in_process(altered) as server:
        assert server.get("/drift").json()["latest"] == document
        assert f"{file.stem}-monitoring.html" in server.get("/reports/index.html").text


def test_signals_that_are_whole_are_ok(altered: Path, log: PredictionLog) -> None:
    """Every bar signalled, answers the same when they are made again, coverage whole."""
    _log_signals(altered, log, 8)
    states = _states(altered, log)
    assert [states[cause] for cause in ("outage", "coverage", "parity")] == [OK, OK, OK]


def test_bars_without_a_signal_page(altered: Path, log: PredictionLog) -> None:
    """The two newest bars have none: an outage; and weight without an action."""
    ends = _log_signals(altered, log, 8)
    with log.transaction() as connection:
        connection.execute(text("DELETE FROM signals WHERE bar_end >= :end"), {"end": ends[-2]})
    states = _states(altered, log)
    assert (states["outage"], states["coverage"]) == ("moved", "moved")


def test_answers_that_are_not_the_versions_own_page(altered: Path, log: PredictionLog) -> None:
    """One probability of the newest bar is off by a thousandth."""
    ends = _log_signals(altered, log, 3)
    with log.transaction() as connection:
        statement = "UPDATE predictions SET buy = buy + 0.001 WHERE bar_end = :end AND symbol = 'S003'"
        assert connection.execute(text(statement), {"end": ends[-1]}).rowcount == 1
    report = monitor(MODEL, altered, log, now=clock.now(), evidently=False)
    assert "parity" in report.alarms
    assert [alert.severity for alert in report.alerts if alert.cause == "parity"] == ["page"]


def test_a_bar_that_came_late_is_no_broken_parity(altered: Path, log: PredictionLog) -> None:
    """With other bars than it was made from an answer can't be made again; that is told, and nobody goes back for it."""
    champion = load_champion(altered, MODEL)
    store = champion.store(altered)
    late_file = store.folder / "S004.parquet"
    frame = pd.read_parquet(late_file)
    frame.iloc[:-1].to_parquet(late_file, index=False)
    (store.folder / RECENT_FILE).unlink(missing_ok=True)
    newest = store.bars(("S001",), last=1).bar_end[0]
    _index_signal(altered, log, int(newest))
    frame.to_parquet(late_file, index=False)
    (store.folder / RECENT_FILE).unlink(missing_ok=True)
    states = _states(altered, log)
    assert states["parity"] == NOT_ENOUGH_HISTORY


def _index_signal(home: Path, log: PredictionLog, bar_end: int) -> None:
    """The signal of a bar as the store holds it now, logged; nothing is fetched."""
    champion = load_champion(home, MODEL)
    assert signal_bar(champion, home, log, bar_end, now=bar_end, source="scheduled").status == "signalled"


def test_a_model_that_says_the_same_of_everything_pages(altered: Path, log: PredictionLog) -> None:
    """Were it a model without direction, it would be right to."""
    ends = _log_signals(altered, log, 3)
    flat = {"strong_sell": 0.1, "sell": 0.2, "hold": 0.4, "buy": 0.2, "strong_buy": 0.1}
    sets = ", ".join(f"{name} = {value}" for name, value in flat.items())
    with log.transaction() as connection:
        connection.execute(text(f"UPDATE predictions SET {sets} WHERE bar_end >= :end"), {"end": ends[0]})
    knows = load_champion(altered, MODEL).calibration.shrinkage > 0
    assert _states(altered, log)["constant"] == ("moved" if knows else NOT_ENOUGH_HISTORY)


class MemoryStore:
    """The bars of a market in memory, as a store would give them."""

    source = "memory"

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    def symbols(self) -> tuple[str, ...]:
        """All of them."""
        return self._bars.symbols

    def bars(self, symbols: tuple[str, ...] = (), *, last: int | None = None, until: int | None = None) -> Bars:
        """Those that had closed."""
        del symbols
        bars = self._bars if until is None else self._bars.until(until)
        return bars if last is None else bars.tail(last)


def _log_predictions(here: World, day: int) -> None:
    """The champion's predictions of a day's bars, logged."""
    champion = load_champion(here.home, MODEL)
    store = MemoryStore(champion.store(here.home).bars(until=here.close(day)))
    rows: list[dict[str, object]] = []

    def observe(predictions: list, inputs: np.ndarray) -> None:
        columns = {"source": "scheduled", "made_at": 0.0, "latency_ms": 0.0}
        rows.extend(prediction_row(p, row, **columns) for p, row in zip(predictions, inputs, strict=True))

    for end in here.day(day).tolist():
        predict_stored(champion, store, list(champion.card.symbols), now=end, asof=end, on_predictions=observe)
    here.log.write(rows)


@pytest.mark.nightly
def test_a_flip_of_the_edge_is_found_within_sixty_sessions_and_rolled_back(home: Path) -> None:
    """At edge 0.15 the market turns round the day after training: performance and direction page, and the guard goes back.

    Before the flip nothing of the kind is said.
    """
    with world(
        home, NAME="flip", PROVIDER__SESSIONS="480", PROVIDER__SYMBOLS="30", PROVIDER__MODE="regime_flip",
        PROVIDER__EDGE="0.15", PROVIDER__SEED="8", CANDIDATES="[logistic]", FOLDS__SPLITS="5",
    ) as here:  # fmt: skip
        first_day = 240
        assert here.train(here.close(first_day - 1)).outcome == "promoted"
        version = Versions(home, MODEL).production() or ""
        journal_of(home).write("promoted", by="gate", reason="the same again", to_version=version)
        again = _copy_of(home, version)
        promote.promote_by_hand(again, "anna", "to have one to go back from", MODEL, home)
        here.fetch(here.close(first_day + 60))
        first_alarm: dict[str, int] = {}
        for day in range(first_day, first_day + 60):
            _log_predictions(here, day)
            if (day - first_day) % 5 != 4:
                continue
            settle_outcomes(here.log, MODEL, home, now=here.close(day) + 1)
            check = run_daily_check(MODEL, home, here.log, Addresses(), now=here.close(day) + 1, evidently=False)
            for cause in ("performance", "direction"):
                if cause in check.report.alarms:
                    first_alarm.setdefault(cause, day - first_day + 1)
            if check.moves:
                break
        assert set(first_alarm) == {"performance", "direction"}, first_alarm
        assert max(first_alarm.values()) <= 60
        entry = journal_of(home).entries()[-1]
        assert (entry.event, entry.by, entry.to_version) == ("rolled_back", GUARD, version)


def _copy_of(home: Path, version: str) -> str:
    from tests.support.servers import another_version

    copied = another_version(home, home / "copy")
    assert copied != version
    journal_of(home).write("promoted", by="gate", reason="as good", to_version=copied)
    return copied
