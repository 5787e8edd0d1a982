"""The training flow on a real Prefect server of its own: the same story, with artifacts, and failures that are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trained import settings_of

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", autouse=True)
def server() -> Any:
    """A Prefect server for this module alone."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


def test_the_flow_tells_the_same_story_with_artifacts(home: Path) -> None:
    """Run as a flow it promotes as the plain steps do, and leaves tables, verdicts, signal and report in the UI."""
    from prefect.client.orchestration import get_client

    from flows.training import training

    outcome = training(settings_of("test", MM_CANDIDATES="[logistic]"))
    assert outcome.version == "1"
    with get_client(sync_client=True) as client:
        keys = {artifact.key for artifact in client.read_artifacts()}
    assert {"data", "leaderboard", "verdicts", "signal", "report"} <= keys
    assert (home / "mlruns" / "mlflow.db").exists()


def test_a_failed_step_fails_the_flow_and_is_named(home: Path) -> None:
    """The error of the step is the error of the flow."""
    from flows.training import training
    from market_master.domain.errors import TooFewBars

    with pytest.raises(TooFewBars, match="15 sessions") as caught:
        training(settings_of("test", MM_PROVIDER__SESSIONS="10"))
    assert "The step 'label' failed." in caught.value.__notes__
    assert not (home / "data" / "journal.jsonl").exists()


@pytest.mark.usefixtures("home")
def test_the_signal_flow_says_what_it_did() -> None:
    """After a training run the bar is signalled once; the next run is skipped with a word, and the artifact says so."""
    from datetime import UTC, datetime

    from prefect.client.orchestration import get_client

    from flows.signal import backfill, signal
    from flows.training import training

    settings = settings_of("test", MM_CANDIDATES="[logistic]")
    training(settings)
    first, second = signal(settings), signal(settings)
    assert (first.status, second.status) == ("signalled", "skipped")
    end = datetime.fromisoformat(str(first.bar_end))
    assert [one.status for one in backfill(settings, end, end)] == ["skipped"]
    assert signal(settings, datetime(2025, 1, 2, 15, 30, tzinfo=UTC)).reason.startswith("The run is late")
    with get_client(sync_client=True) as client:
        found = [artifact.data for artifact in client.read_artifacts() if artifact.key == "signal"]
    assert any("already" in str(text) for text in found)
