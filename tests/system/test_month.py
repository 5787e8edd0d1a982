"""A month of life by a clock the test holds: outages, a late worker, a bad feed, a promotion through the shadow, a rollback."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market_master.artifact.bundle import PREVIOUS, SHADOW
from market_master.domain.clock import iso
from market_master.domain.errors import FetchCoverage
from market_master.lifecycle.auto_rollback import GUARD
from market_master.market_data.providers.simulated import Simulated
from market_master.monitoring.alerts import Addresses
from market_master.monitoring.causes import MonitoringReport
from market_master.monitoring.daily_check import run_daily_check
from market_master.registry.journal import journal_of
from market_master.registry.versions import Versions
from market_master.signals.replay import replay_signal
from market_master.signals.settlement import settle_outcomes
from tests.support.simulated_world import MODEL, World, world

FIRST = 130
"""the month's first session"""
DAYS = 22
OUTAGE, LATE, BAD_FEED, RETRAINED, DARK, BROKEN, SHOWN = 3, 5, 7, 8, 10, 16, 20
"""the days on which two bars are missed; one run is late; half of the symbols are missing; a new version is trained; a whole
day is missed; logged answers are altered; Evidently's pages are asked for"""


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_a_month(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven events in a month: every bar has exactly one signal or one reason, and each signal can be made again."""
    with world(
        home, PROVIDER__SESSIONS=str(FIRST + DAYS), PROVIDER__SYMBOLS="12", PROVIDER__SEED="8", PROVIDER__EDGE="0.4",
        CANDIDATES="[logistic]", FOLDS__HOLDOUT_MIN_SESSIONS="25", SHADOW__SESSIONS="2",
    ) as here:  # fmt: skip
        assert here.train(here.close(FIRST - 1)).outcome == "promoted"
        versions, reasons, seen = Versions(home, MODEL), {}, {}
        for day in range(DAYS):
            with monkeypatch.context() as patch:
                if day == BAD_FEED:
                    patch.setattr(Simulated, "fetch", _half(Simulated.fetch))
                reasons |= _day(here, day)
            close = here.close(FIRST + day)
            if day in (OUTAGE, DARK + 1):
                missed = OUTAGE if day == OUTAGE else DARK
                here.fill(int(here.day(FIRST + missed)[0]), close, close + 600)
            if day == RETRAINED:
                assert here.train(close).outcome == "promoted"
                assert (versions.production(), versions.version_at_alias(SHADOW)) == ("1", "2")
            if day == BROKEN:
                _break_parity(here, close)
            check = run_daily_check(MODEL, home, here.log, Addresses(), now=close + 900, evidently=day == SHOWN)
            seen[day] = check.report
            expected = "2" if RETRAINED + 2 < day < BROKEN else "1"
            assert versions.production() == expected, (day, seen[day].alarms)
        _every_bar_is_told(here, reasons)
        _the_journal_tells_it(home)
        _what_was_monitored(here, seen)
        for end in _signalled(here):
            assert replay_signal(MODEL, None, home, here.log, asof=end).identical, iso(end)
        assert versions.version_at_alias(PREVIOUS) == "2"


def _day(here: World, day: int) -> dict[int, str]:
    """A day of scheduled runs; the reasons of bars that got no signal."""
    told: dict[int, str] = {}
    for number, end in enumerate(here.day(FIRST + day).tolist()):
        if day == DARK or (day == OUTAGE and number in (2, 3)):
            continue
        late = here.day(FIRST + day)[number + 1] + 60 if day == LATE and number == 2 else None
        try:
            answer = here.signal(end, late)
        except FetchCoverage as error:
            told[end] = str(error)
            continue
        if answer.status == "skipped":
            told[end] = answer.reason
        assert answer.bar_end == iso(end)
    return told


def _half(fetch: Callable[..., Any]) -> Callable[..., Any]:
    """A feed that has lost half of its symbols."""

    def bad(provider: Simulated, query: Any) -> Any:
        whole = fetch(provider, query)
        return dataclasses.replace(whole, series=dict(list(whole.series.items())[:6]))

    return bad


def _break_parity(here: World, bar_end: int) -> None:
    """A server with other features had answered the day's last bar before the scheduled run did."""
    from sqlalchemy import text

    with here.log.transaction() as connection:
        statement = "UPDATE predictions SET buy = sell, sell = buy WHERE version = '2' AND bar_end = :end"
        assert connection.execute(text(statement), {"end": bar_end}).rowcount == 12


def _signalled(here: World) -> list[int]:
    rows = here.log.signals_since(MODEL, "SIM30", here.close(FIRST - 1) + 1)
    counted = Counter(int(row["bar_end"]) for row in rows)
    assert set(counted.values()) == {1}
    return sorted(counted)


def _every_bar_is_told(here: World, reasons: dict[int, str]) -> None:
    """Seven bars a day: a signal or a reason each, never both; predictions once a symbol; outcomes of all but the last bar."""
    bars = np.concatenate([here.day(FIRST + day) for day in range(DAYS)]).tolist()
    signalled = _signalled(here)
    assert len(bars) == DAYS * 7
    assert sorted([*signalled, *reasons]) == bars
    assert [bars.index(end) // 7 for end in reasons] == [LATE, *[BAD_FEED] * 7]
    assert "late" in reasons[bars[LATE * 7 + 2]]
    assert "50.0%" in reasons[bars[BAD_FEED * 7]]
    settle_outcomes(here.log, MODEL, here.home, now=here.close(FIRST + DAYS - 1))
    rows = here.log.recent(5000)
    assert len({(row["version"], row["symbol"], row["bar_end"]) for row in rows}) == len(rows)
    assert {row["bar_end"] for row in rows if row["settled_at"] is None} == {bars[-1]}
    sources = Counter(row["source"] for row in here.log.signals(1000))
    assert sources["backfilled"] == 2 + 7


def _the_journal_tells_it(home: Path) -> None:
    told = [(e.event, e.to_version, e.by) for e in journal_of(home).entries() if e.event not in ("looked", "intended")]
    assert told == [
        ("registered", "1", "pipeline"), ("promoted", "1", "gate"), ("registered", "2", "pipeline"), ("shadowed", "2", "gate"),
        ("approved", "2", "shadow"), ("promoted", "2", "shadow"), ("rolled_back", "1", GUARD),
    ]  # fmt: skip
    assert "2 of 2 sessions" in next(e.reason for e in journal_of(home).entries() if e.event == "approved")


def _what_was_monitored(here: World, seen: dict[int, MonitoringReport]) -> None:
    """The broken parity pages on its day; bars without a signal are seen while they are among the newest five sessions."""
    moved = {cause: {day for day, found in seen.items() if cause in found.alarms} for cause in ("parity", "coverage")}
    assert moved["parity"] == {BROKEN}
    assert {LATE, BAD_FEED + 1} <= moved["coverage"] <= set(range(LATE, BAD_FEED + 7))
    pages = sorted(file.name for file in (here.home / "data" / "reports").glob("*evidently*"))
    assert len(pages) == 2
    looked = list((here.home / "data" / "reports").glob("*monitoring.html"))
    assert len(looked) == DAYS - 2  # the dark day's and the bad feed's bars were not there to look at
