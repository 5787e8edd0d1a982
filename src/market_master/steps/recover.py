"""Recover: what a killed run left is finished or marked before the next one begins; nothing of it is taken for whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from market_master.domain.errors import RegistryAway
from market_master.journal import DECISIONS, journal_of
from market_master.registry import address
from market_master.registry.tracking import FAILED, KILLED, Run, open_runs
from market_master.registry.versions import Versions
from market_master.steps import promote
from market_master.store.kept import sweep

CUT_OFF = "cut_off"
"""the outcome of a version whose run ended before its decision"""
HOUR = 3600


@contextmanager
def going_on(run: Run) -> Iterator[None]:
    """The run lives while the block does, by a lock that dies with its process; then it is finished, or failed."""
    file = _lock_file(run.home, run.id)
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file):
        try:
            yield
        except BaseException:
            with suppress(RegistryAway):  # the next run closes it
                run.finish(FAILED)
            raise
        run.finish()


def recover(model: str, home: Path) -> None:
    """Finish a move that was cut off, close runs that were killed, and mark versions that never came to a decision."""
    promote.mend(model, home)
    versions = Versions(home, model)
    rows = [row for row in versions.all() if row["outcome"] != CUT_OFF and _is_over(home, row["run_id"])]
    decided = {entry.to_version for entry in journal_of(home).entries() if entry.event in DECISIONS}
    for version in [row["version"] for row in rows if row["version"] not in decided]:
        versions.decide(version, CUT_OFF)
    for own, parent in open_runs(home):
        if _is_over(home, parent):
            Run(home, own).finish(KILLED)
    for part in (home / "data").rglob(".*.part"):
        if time.time() - part.stat().st_mtime > HOUR:
            part.unlink(missing_ok=True)
    sweep(home / "data" / "steps")


def _is_over(home: Path, run_id: str) -> bool:
    """Nobody holds the run's lock. Where others share the registry, a run without one here is theirs."""
    file = _lock_file(home, run_id)
    if not file.exists():
        return address.GIVEN_STORE is None
    try:
        with FileLock(file, timeout=0):
            return True
    except Timeout:
        return False


def _lock_file(home: Path, run_id: str) -> Path:
    return home / "data" / "runs" / run_id / ".running"
