"""Run lock: a run of MLflow is open for as long as its process holds a file lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from market_master.domain import RegistryAway
from market_master.registry import tracking_uri
from market_master.registry.tracking import FAILED, Run


@contextmanager
def run_lock(run: Run) -> Iterator[None]:
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


def is_over(home: Path, run_id: str) -> bool:
    """Nobody holds the run's lock. Where others share the registry, a run without one here is theirs."""
    file = _lock_file(home, run_id)
    if not file.exists():
        return tracking_uri.CONFIGURED_STORE is None
    try:
        with FileLock(file, timeout=0):
            return True
    except Timeout:
        return False


def _lock_file(home: Path, run_id: str) -> Path:
    return home / "data" / "runs" / run_id / ".running"
