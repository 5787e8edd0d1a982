"""Registry client in a subprocess.

MLflow's memory and pauses stay out of the server.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from market_master.artifact.bundle import VersionFiles
from market_master.config.environment import set_defaults
from market_master.domain import JournalEntry, RegistryAway
from market_master.registry import tracking_uri

if TYPE_CHECKING:
    from market_master.registry.versions import Versions

TIMEOUT_SECONDS = 60.0
START_METHOD = "spawn"
"""of the process (multiprocessing); a fork would bring the server's threads and memory along"""
ROLL_BACK = "market_master.lifecycle.promote:roll_back"
"""`roll_back(to, by, reason, model, home) -> JournalEntry`, as text: importing it would bring MLflow into the server"""
T = TypeVar("T")


class RegistryClient:
    """Asks the versions of one registered model; its process starts when told or with a call, and anew if it was killed.

    Every method raises what `Versions` raises, and RegistryAway when nothing comes within TIMEOUT_SECONDS.
    """

    def __init__(self, home: Path, model: str) -> None:
        self._home, self._model = home, model
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def start(self) -> None:
        """Start the process and what it imports, without waiting for it."""
        self._running_pool().submit(_import_registry)

    def production(self) -> str | None:
        """The version behind `production`, None when the alias stands nowhere."""
        return self._run(_production)

    def production_with_outcome(self) -> tuple[str, str] | None:
        """The version behind `production` and the outcome of its decision, None when the alias stands nowhere."""
        return self._run(_production_with_outcome)

    def files(self, version: str) -> VersionFiles:
        """Where a version's files lie. Raises UnknownVersion."""
        return self._run(_files, version)

    def versions(self) -> list[dict[str, Any]]:
        """Every version, newest first: number, created (epoch milliseconds), run, outcome, aliases."""
        return self._run(_versions)

    def roll_back(self, to: str | None, by: str, reason: str) -> JournalEntry:
        """Put an earlier version (`to`, or the one before) back behind `production`; the journal's entry."""
        return self._run(_roll_back, to, by, reason)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool:
            processes = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()

    def _run(self, work: Callable[..., T], *args: str | None) -> T:
        try:
            return self._running_pool().submit(work, self._home, self._model, *args).result(TIMEOUT_SECONDS)
        except FutureTimeout:
            self.close()
            raise RegistryAway(f"The registry gave no answer within {TIMEOUT_SECONDS:g} s.") from None
        except BrokenExecutor as error:
            self.close()
            raise RegistryAway(f"The process that asks the registry ended: {error}.") from error

    def _running_pool(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    1,
                    mp_context=multiprocessing.get_context(START_METHOD),
                    initializer=_start_process,
                    initargs=(tracking_uri.CONFIGURED_STORE,),
                )
            return self._pool


def _import_registry() -> None:
    import market_master.registry.versions  # noqa: F401


def _production(home: Path, model: str) -> str | None:
    return _registry(home, model).production()


def _production_with_outcome(home: Path, model: str) -> tuple[str, str] | None:
    return _registry(home, model).production_with_outcome()


def _files(home: Path, model: str, version: str) -> VersionFiles:
    return _registry(home, model).files(version)


def _versions(home: Path, model: str) -> list[dict[str, Any]]:
    return _registry(home, model).all()


def _roll_back(home: Path, model: str, to: str | None, by: str, reason: str) -> JournalEntry:
    _require_registry(home)
    entry: JournalEntry = pkgutil.resolve_name(ROLL_BACK)(to, by, reason, model, home)
    return entry


def _registry(home: Path, model: str) -> Versions:
    from market_master.registry.versions import Versions

    _require_registry(home)
    return Versions(home, model)


def _require_registry(home: Path) -> None:
    file = home / "mlruns" / "mlflow.db"
    if tracking_uri.CONFIGURED_STORE is None and not file.exists():
        raise RegistryAway(f"There is no registry at {file}; `make run` makes one.")


def _start_process(configured_store: str | None) -> None:
    """The registry is the one that the server was started with; a killed server leaves no process behind."""
    tracking_uri.CONFIGURED_STORE = configured_store
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    set_defaults({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"})
