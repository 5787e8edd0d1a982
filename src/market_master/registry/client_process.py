"""The registry, asked in a process of its own: MLflow's 200 MB and its pauses stay out of the server."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from importlib import import_module
from pathlib import Path
from typing import Any

from market_master.domain.errors import RegistryAway
from market_master.registry import tracking_uri


class RegistryClient:
    """Asks the versions of one registered model; started with the first question, and anew if it was killed."""

    def __init__(self, home: Path, model: str) -> None:
        self._home, self._model = home, model
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def ask(self, question: str, *words: str, timeout: float = 60.0) -> Any:
        """What the method of `Versions` of that name answers. Raises what it raises, RegistryAway when none comes in time."""
        return self._wait(_answer, (self._home, self._model, question, words), timeout)

    def _wait(self, work: Callable[..., Any], given: tuple[Any, ...], timeout: float) -> Any:
        try:
            return self._running().submit(work, *given).result(timeout)
        except TooLate:
            self.close()
            raise RegistryAway(f"The registry gave no answer within {timeout:g} s.") from None
        except BrokenExecutor as error:
            self.close()
            raise RegistryAway(f"The process that asks the registry ended: {error}.") from error

    def call(self, function: str, *words: str | None, timeout: float = 60.0) -> Any:
        """What `package.module:function(*words, model, home)` returns there: a step that moves aliases."""
        return self._wait(_called, (self._home, self._model, function, words), timeout)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool:
            running = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in running:
                process.kill()

    def _running(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                fresh = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(
                    1, mp_context=fresh, initializer=_begin, initargs=(tracking_uri.GIVEN_STORE,)
                )
            return self._pool


def _answer(home: Path, model: str, question: str, words: tuple[str, ...]) -> Any:
    from market_master.registry.versions import Versions

    _require(home)
    return getattr(Versions(home, model), question)(*words)


def _called(home: Path, model: str, function: str, words: tuple[str | None, ...]) -> Any:
    _require(home)
    module, _, name = function.partition(":")
    return getattr(import_module(module), name)(*words, model, home)


def _require(home: Path) -> None:
    file = home / "mlruns" / "mlflow.db"
    if tracking_uri.GIVEN_STORE is None and not file.exists():
        raise RegistryAway(f"There is no registry at {file}; `make run` makes one.")


def _begin(given_store: str | None) -> None:
    """The registry is the one this program was given; a killed server leaves no process behind."""
    tracking_uri.GIVEN_STORE = given_store
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
