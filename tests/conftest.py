"""Every test has a home of its own, and no environment but the one it sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from market_master import config
from market_master.prediction_log import PredictionLog
from tests.support import ROOT

SHARED = ROOT.parent / "shared" / "data"

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MM_HOME of this test alone; MM_ variables and MLflow's address of the outside are not seen."""
    for name in [name for name in os.environ if name.startswith("MM_") or name == "MLFLOW_TRACKING_URI"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MM_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def altered(trained_home: Path, home: Path) -> Path:
    """A copy of the trained home, in which nothing was signalled."""
    from tests.support.servers import own_copy  # brings the server, which few tests need

    return own_copy(trained_home, home)


@pytest.fixture
def warm_home(trained_home: Path, home: Path) -> Path:
    """A home in which nothing ever ran, but that finds the trained one's bars, fits and certificates by their hashes."""
    from tests.support.quick_training import warm_up  # brings MLflow, which tests of numbers do not need

    return warm_up(home, trained_home)


@pytest.fixture
def without_evidently() -> Iterator[None]:
    """Evidently's pages are written without Evidently."""
    from tests.support.quick_training import plain_pages

    with plain_pages():
        yield


@pytest.fixture
def log(altered: Path) -> Iterator[PredictionLog]:
    """The altered home's prediction log."""
    found = PredictionLog(config.predictions_url({"MM_HOME": str(altered)}))
    yield found
    found.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real bars beside the project; without it the real-bar tests say that they were not run."""
    if not SHARED.is_dir():
        pytest.skip(f"no real bars at {SHARED.relative_to(ROOT.parent)}: the real-bar cases were not run")
    return SHARED


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order in which no worker waits for another, nor is left alone with a slow one at the end.

    The slow come first, those in groups before those each by itself. Of the fast a file stays with a worker: first one that
    makes the trained home, then those that need none.
    """

    def slow(item: pytest.Item) -> bool:
        return any(item.iter_markers("long")) or any(item.iter_markers("nightly"))

    trained = [item.path for item in items if not slow(item) and "trained_home" in getattr(item, "fixturenames", ())]

    def turn(item: pytest.Item) -> int:
        if slow(item):
            return 0 if any(item.iter_markers("xdist_group")) else 1
        return 2 if item.path in trained[:1] else 4 if item.path in trained else 3

    items.sort(key=turn)
    for item in items:
        if not slow(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))


pytest_plugins = ["tests.support.shared_results", "tests.support.trained_home", "tests.support.cpu_seconds"]
