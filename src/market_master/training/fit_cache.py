"""Cache of fit results, keyed by the hash of all that they depend on."""

from __future__ import annotations

import io
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import joblib
import numpy as np

from market_master.files import write_atomic

MAX_BYTES = 1_000_000_000
"""bytes that are kept, those used last"""
Result = tuple[Any, ...]
"""arrays and floats"""


@dataclass(frozen=True)
class FitCache:
    """A folder of results. Nothing in it is ever unpickled; a file that can't be read is made again."""

    folder: Path
    code: str
    """what makes the results, their inputs apart: a hash of the source and the libraries' versions"""
    counts: Counter[str] = field(default_factory=Counter)
    """how many results were `made` and how many `reused`"""

    def map(
        self,
        run: Callable[[Callable[..., Result], Iterable[tuple[Any, ...]]], Iterator[Result]],
        function: Callable[..., Result],
        jobs: Iterable[tuple[Any, ...]],
        *,
        shared: str,
    ) -> Iterator[Result]:
        """What `run(function, jobs)` yields, without the jobs whose results lie here; each new one is kept as it comes.

        `shared` is the hash of what all jobs see beside their own values.
        """
        waiting: deque[tuple[Path, Result | None]] = deque()

        def missing() -> Iterator[tuple[Any, ...]]:
            for job in jobs:
                key = joblib.hash((self.code, function.__module__, function.__qualname__, shared, job), "sha1")
                file = self.folder / function.__name__.lstrip("_") / f"{key}.npz"
                waiting.append((file, _read(file)))
                if waiting[-1][1] is None:
                    yield job

        for result in run(function, missing()):
            yield from self._reused(waiting)
            _write(waiting.popleft()[0], result)
            self.counts["made"] += 1
            yield result
        yield from self._reused(waiting)

    def _reused(self, waiting: deque[tuple[Path, Result | None]]) -> Iterator[Result]:
        """Those before the next one that has to be made."""
        while waiting and (result := waiting[0][1]) is not None:
            waiting.popleft()[0].touch()
            self.counts["reused"] += 1
            yield result


def evict(folder: Path, max_bytes: int = MAX_BYTES) -> None:
    """Let go of the results in a folder that were used longest ago, until the rest is small enough."""
    files = sorted(((file.stat(), file) for file in folder.rglob("*.npz")), key=lambda item: -item[0].st_mtime_ns)
    for (_, file), size in zip(files, np.cumsum([stat.st_size for stat, _ in files]), strict=True):
        if size > max_bytes:
            file.unlink(missing_ok=True)


def hash_of(values: Any) -> str:
    """One hash of arrays and plain values."""
    return str(joblib.hash(values, "sha1"))


def _write(file: Path, result: Result) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, *result)
    write_atomic(file, buffer.getvalue())


def _read(file: Path) -> Result | None:
    """None where nothing is kept, or nothing whole."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = [stored[f"arr_{number}"] for number in range(len(stored.files))]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    return tuple(array if array.ndim else array.item() for array in arrays)
