"""Where the many fits run: one `map`, in order, with the same results whatever the number of workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def run_all(function: Callable[..., T], jobs: Iterable[tuple[Any, ...]], *, workers: int) -> Iterator[T]:
    """function(*job) for each job, in local processes; results come in the jobs' order, each as soon as it may.

    Large arrays are shared through memory maps. Each process runs one thread of each numerical library.
    """
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
        yield from Parallel(return_as="generator")(delayed(function)(*job) for job in jobs)
