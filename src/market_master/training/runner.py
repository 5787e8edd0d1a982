"""Runner of fits: one ordered `map` over local processes or a Dask cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from market_master.domain import RunnerError

T = TypeVar("T")
QUEUED_JOBS_PER_THREAD = 2
"""jobs that wait for each Dask thread: enough to keep it busy, few enough to fit in memory"""
SCHEDULER_TIMEOUT = "15s"
"""for a Dask scheduler to answer"""


@dataclass(frozen=True)
class Runner:
    """`local` processes, or the threads of a Dask cluster by the address of its scheduler.

    Results are the same bits either way: a fit sees one thread of every numerical library, and no clock.
    """

    kind: str = "local"
    workers: int = 2
    address: str | None = None

    def map(
        self, function: Callable[..., T], jobs: Iterable[tuple[Any, ...]], *, shared: Sequence[Any] = ()
    ) -> Iterator[T]:
        """function(*shared, *job) for each job; results come in the jobs' order, each as soon as it may.

        `shared` is sent once. Raises RunnerError when the cluster can't be reached, and whatever a job raises.
        """
        return self._on_dask(function, jobs, shared) if self.kind == "dask" else self._local(function, jobs, shared)

    def _local(self, function: Callable[..., T], jobs: Iterable[tuple[Any, ...]], shared: Sequence[Any]) -> Iterator[T]:
        """Large arrays are shared through memory maps."""
        from joblib import Parallel, delayed, parallel_config

        with parallel_config(backend="loky", n_jobs=self.workers, inner_max_num_threads=1):
            yield from Parallel(return_as="generator")(delayed(function)(*shared, *job) for job in jobs)

    def _on_dask(
        self, function: Callable[..., T], jobs: Iterable[tuple[Any, ...]], shared: Sequence[Any]
    ) -> Iterator[T]:
        from distributed import Client

        try:
            client = Client(self.address, timeout=SCHEDULER_TIMEOUT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RunnerError(
                f"No Dask scheduler answers at {self.address} within {SCHEDULER_TIMEOUT}: start one with `dask scheduler` and "
                "`dask worker ADDRESS --nthreads 1`, or set runner.kind to local."
            ) from error
        with client:
            threads = sum(client.nthreads().values())
            if not threads:
                raise RunnerError(f"The Dask scheduler at {self.address} has no worker; start one with `dask worker`.")
            scattered = client.scatter(list(shared), broadcast=True) if shared else []
            waiting, todo = deque[Any](), iter(jobs)

            def submit(count: int) -> None:
                for job in islice(todo, count):
                    waiting.append(client.submit(_call, function, len(scattered), *scattered, job, pure=False))

            submit(QUEUED_JOBS_PER_THREAD * threads)
            while waiting:
                yield waiting.popleft().result()
                submit(1)


def _call(function: Callable[..., T], count: int, *arguments: Any) -> T:
    return function(*arguments[:count], *arguments[count])
