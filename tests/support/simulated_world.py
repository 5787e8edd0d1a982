"""A home that lives through time: a simulated market, and a clock that the test holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from market_master import config
from market_master.config import Settings
from market_master.domain.calendar import Timetable
from market_master.market_data.ingest import fetch
from market_master.market_data.providers.simulated import last_sessions
from market_master.pipeline import Outcome
from market_master.prediction_log import PredictionLog
from market_master.signals.scheduled import SignalRun, backfill_signals, run_scheduled_signal
from tests.support.quick_training import train_quickly
from tests.support.trained_home import settings_of

MODEL = "market-master"
MINUTE = 60


@dataclass(frozen=True, eq=False)
class World:
    """Bars come in as the clock goes on; nothing reads the clock on the wall."""

    home: Path
    settings: Settings
    log: PredictionLog
    ends: np.ndarray
    """of all bars the market will ever have"""
    session: np.ndarray

    def day(self, number: int) -> np.ndarray:
        """The ends of a session's bars, sessions counted from the market's first."""
        return self.ends[self.session == np.unique(self.session)[number]]

    def close(self, number: int) -> int:
        """The end of a session's last bar."""
        return int(self.day(number)[-1])

    def train(self, now: int) -> Outcome:
        """The pipeline at an instant."""
        return train_quickly(self.home, self.settings, now=now)

    def fetch(self, now: int) -> None:
        """The bars that have closed by an instant, into the store."""
        fetch(self.settings, self.home, now)

    def signal(self, bar_end: int, now: int | None = None) -> SignalRun:
        """The scheduled run for a bar, three minutes after its close unless it is late."""
        moment = bar_end + 3 * MINUTE if now is None else now
        return run_scheduled_signal(self.settings, self.home, self.log, now=moment, asof=bar_end)

    def fill(self, first: int, last: int, now: int) -> list[SignalRun]:
        """The bars that were missed."""
        return backfill_signals(self.settings, self.home, self.log, first=first, last=last, now=now)


@contextmanager
def world(home: Path, **environ: str) -> Iterator[World]:
    """A market of its own, in a home where nothing has run yet."""
    settings = _settings(**environ)
    provider: Any = settings.provider
    schedule = last_sessions(Timetable(settings.calendar, settings.interval), provider.sessions)
    log = PredictionLog(config.predictions_url({"MM_HOME": str(home)}))
    try:
        yield World(home, settings, log, schedule.end, schedule.session)
    finally:
        log.close()


def _settings(**environ: str) -> Settings:
    return settings_of("test", **{f"MM_{name}": value for name, value in environ.items()})
