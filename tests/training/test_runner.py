"""The same bits in the same order, wherever the jobs run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster
from numpy.typing import NDArray

from market_master.domain import clock
from market_master.domain.errors import RunnerError
from market_master.market_data import ingest
from market_master.plugins import load_family
from market_master.training.compare import compare
from market_master.training.experiment import build_experiment
from market_master.training.runner import Runner
from market_master.training.walk_forward import Recipe, fit_predict
from tests.support.nightly import nightly_after
from tests.support.trained_home import settings_of

long, on_dask = pytest.mark.long, pytest.mark.xdist_group("dask")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A real Dask cluster of two workers with one thread each."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=0) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(params=["one", "two", pytest.param("dask", marks=[long, on_dask])])
def runner(request: pytest.FixtureRequest) -> Runner:
    """One local process, two, and the cluster."""
    if request.param == "dask":
        return Runner("dask", address=request.getfixturevalue("address"))
    return Runner("local", workers=1 if request.param == "one" else 2)


def _scaled(table: NDArray, factor: float, row: int) -> NDArray:
    return table[row] * factor


def test_results_come_in_the_order_of_the_jobs(runner: Runner) -> None:
    """Twenty jobs over a shared table give twenty answers, each in its job's place."""
    table = np.arange(200_000.0).reshape(20, -1)
    answers = list(runner.map(_scaled, ((2.0, row) for row in range(20)), shared=(table,)))
    assert np.array_equal(np.stack(answers), 2 * table)


def _refuse(row: int) -> int:
    if row == 3:
        raise ValueError("row 3 can't be done")
    return row


def test_a_job_s_error_is_the_caller_s(runner: Runner) -> None:
    """What a job raises is raised where its answer was wanted."""
    with pytest.raises(ValueError, match="row 3 can't be done"):
        list(runner.map(_refuse, ((row,) for row in range(6))))


def test_no_jobs_no_answers(runner: Runner) -> None:
    """Nothing to do is no error."""
    assert list(runner.map(_refuse, ())) == []


@long
@on_dask
@pytest.mark.parametrize(
    "name", nightly_after(2, [n for n, p in load_family("models").items() if p.metadata["kind"] == "model"])
)
def test_a_fit_is_bit_identical_wherever_it_runs(name: str, address: str) -> None:
    """Each candidate gives the same probabilities, bit for bit, in this process, in another, and on the cluster."""
    random = np.random.default_rng(1)
    inputs = np.column_stack([random.standard_normal((1500, 6)), random.integers(0, 4, 1500)]).astype(np.float32)
    action = random.choice(5, 1000, p=[0.1, 0.2, 0.4, 0.2, 0.1]).astype(np.int8)
    recipe = Recipe(load_family("models")[name])
    rows = np.arange(1500)
    job = (recipe.new(4), rows[:1000], action, None, rows[1000:], None)
    here, _ = fit_predict(inputs, *job)
    for runner in (Runner("local", workers=2), Runner("dask", address=address)):
        (there, _), *_ = runner.map(fit_predict, [job], shared=(inputs,))
        assert np.array_equal(here, there)


@long
@on_dask
def test_a_comparison_on_a_cluster_is_the_local_one(address: str, home: Path) -> None:
    """Leaderboard, winner and fitted probabilities are the same with one worker, with two, and on Dask."""
    found = []
    for environ in (
        {"MM_RUNNER__WORKERS": "1"},
        {"MM_RUNNER__WORKERS": "2"},
        {"MM_RUNNER__KIND": "dask", "MM_RUNNER__ADDRESS": address},
    ):
        settings = settings_of("test", **environ)
        market = ingest.fetch(settings, home, clock.now())
        found.append(compare(build_experiment(market, settings)))
    first = found[0]
    for other in found[1:]:
        assert other.winner == first.winner
        assert other.importance == first.importance
        for name, oof in first.out_of_fold.items():
            assert np.array_equal(oof.probabilities, other.out_of_fold[name].probabilities), name
        sample = first.inputs[first.train_rows]
        assert np.array_equal(first.estimator.predict_proba(sample), other.estimator.predict_proba(sample))


def test_a_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where nobody answers is refused with the address and what to start."""
    monkeypatch.setattr("market_master.training.runner.SCHEDULER_TIMEOUT", "1s")
    with pytest.raises(RunnerError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:1 .*dask scheduler"):
        list(Runner("dask", address="tcp://127.0.0.1:1").map(_refuse, [(1,)]))


def test_a_cluster_without_workers_is_refused() -> None:
    """A scheduler alone would wait for ever."""
    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        pytest.raises(RunnerError, match="has no worker"),
    ):
        list(Runner("dask", address=cluster.scheduler_address).map(_refuse, [(1,)]))
