"""Points at which a process is killed in the midst of its work, and the work: docs/operations.md tells of each in a table."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

from market_master.domain import clock
from market_master.lifecycle import promote
from market_master.plugins import load_family
from market_master.prediction_log import PredictionLog, Writer
from market_master.signals.scheduled import run_scheduled_signal
from market_master.signals.settlement import settle_outcomes
from tests.support.forks import fork_context
from tests.support.logged_rows import row
from tests.support.quick_training import QUICK, train_quickly
from tests.support.servers import MODEL
from tests.support.trained_home import settings_of

for _family in ("models", "features", "labels", "gate.rules", "market_data.providers"):
    load_family(_family)
ROWS = 20
SECONDS = 300


@dataclass(frozen=True)
class Point:
    """A moment of an operation: the call that the process does not survive."""

    operation: str
    at: str
    target: str
    """module:attribute"""
    when: str
    """before, half-way (of what it appends to a file), or after the call"""
    word: str = ""
    """stands in one of the call's arguments"""
    nth: int = 1

    @property
    def name(self) -> str:
        """As the table calls it."""
        return f"{self.operation}: {self.at}"


def training(home: Path) -> None:
    """One run of the smallest pipeline, in this process alone."""
    train_quickly(home, settings_of("test", MM_RUNNER__WORKERS="1", **QUICK))


def signalling(home: Path) -> None:
    """The scheduled signal of the newest bar."""
    run_scheduled_signal(settings_of("test"), home, log_of(home), now=clock.now())


def promoting(home: Path) -> None:
    """Version 2 by hand."""
    promote.promote_by_hand("2", "anna", "better on the hold-out", MODEL, home)


def rolling_back(home: Path) -> None:
    """From version 2 to version 1."""
    promote.roll_back("1", "anna", "errors since noon", MODEL, home)


def mending(home: Path) -> None:
    """A move that was cut off."""
    promote.complete_interrupted_move(MODEL, home)


def settling(home: Path) -> None:
    """The outcomes of what was predicted."""
    settle_outcomes(log_of(home), MODEL, home, now=clock.now())


def spilling(home: Path) -> None:
    """Predictions while the log is away: its database lies where a file stands in the way of a folder."""
    (home / "data" / "file").touch()
    _write(PredictionLog(f"sqlite:///{home / 'data' / 'file' / 'predictions.db'}"), home)


def draining(home: Path) -> None:
    """What was spilled, into the log that is back."""
    Writer(log_of(home), home / "data" / "spill").close()


def _write(log: PredictionLog, home: Path) -> None:
    written = Writer(log, home / "data" / "spill")
    for number in range(ROWS):
        written.put("prediction", row(bar_end=3600 * number))
    written.close()


def log_of(home: Path) -> PredictionLog:
    """The home's own prediction log."""
    return PredictionLog(f"sqlite:///{home / 'data' / 'predictions.db'}")


OPERATIONS: dict[str, Callable[[Path], None]] = {
    "training": training,
    "signal": signalling,
    "promote": promoting,
    "rollback": rolling_back,
    "mend": mending,
    "settle": settling,
    "spill": spilling,
    "drain": draining,
}


def killed(point: Point, home: Path) -> None:
    """Carry out the point's operation in a process of its own, which is killed there."""
    process = fork_context().Process(target=_carry_out, args=(point, home))
    process.start()
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"{point.name}: not reached within {SECONDS} s")
    assert process.exitcode == -signal.SIGKILL, f"{point.operation} never came to '{point.at}': {process.exitcode}"


def _carry_out(point: Point, home: Path) -> None:
    os.environ["MM_HOME"] = str(home)
    with _armed(point):
        OPERATIONS[point.operation](home)


@contextmanager
def _armed(point: Point) -> Iterator[None]:
    module, _, path = point.target.partition(":")
    *owners, name = path.split(".")
    owner = reduce(getattr, owners, import_module(module))
    original, left = getattr(owner, name), point.nth

    @wraps(original)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= point.word in " ".join(str(value) for value in args)
        if left == 0 and point.when == "before":
            _die()
        if left == 0 and point.when == "half-way":
            file, content = args
            file.parent.mkdir(exist_ok=True)
            with file.open("ab") as stream:
                stream.write(content[: len(content) // 2])
            _die()
        answer = original(*args, **kwargs)
        if left == 0:
            _die()
        return answer

    setattr(owner, name, deadly)
    yield


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
