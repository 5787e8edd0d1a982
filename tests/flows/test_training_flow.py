"""The training flow on a real Prefect server of its own: the same story, with artifacts, and failures that are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from market_master.registry.versions import Versions
from tests.support.flow_runs import newest_run
from tests.support.servers import MODEL

pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect_server", "without_evidently"),
]


def test_the_flow_tells_the_same_story_with_artifacts(warm_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as a flow it promotes as the plain steps do, and leaves tables, verdicts, signal and links in the UI."""
    from prefect.client.orchestration import get_client

    from flows.training import training

    monkeypatch.setenv("MM_CANDIDATES", "[logistic]")
    outcome = training("test")
    assert outcome.version == "1"
    with get_client(sync_client=True) as client:
        keys = {artifact.key for artifact in client.read_artifacts()}
    run = newest_run("training-test")
    assert {"data", "leaderboard", "verdicts", "signal", "gate", "report", "mlflow"} <= keys
    assert (run.state_name, run.name) == (outcome.outcome.capitalize(), f"training-test-{outcome.data['last']}")
    assert {"test", outcome.outcome} <= set(run.tags)
    assert Versions(warm_home, MODEL).production() == "1"


def test_two_recipes_are_compared_without_a_look(warm_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `against` the candidates of both stand in one table; nothing is registered and the hold-out is not looked at."""
    from prefect.client.orchestration import get_client

    from flows.training import training

    monkeypatch.setenv("MM_CANDIDATES", "[logistic]")
    outcome = training("test", against="noise")
    assert (outcome.outcome, outcome.version) == ("compared", None)
    with get_client(sync_client=True) as client:
        table = next(artifact for artifact in client.read_artifacts() if artifact.key == "recipes")
    assert {row["config"] for row in json.loads(str(table.data))} == {"test", "noise"}
    assert "on different bars" in str(table.description)
    assert not (warm_home / "data" / "journal.jsonl").exists()


def test_a_failed_step_fails_the_flow_and_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the step is the error of the flow."""
    from flows.training import training
    from market_master.domain.errors import TooFewBars

    monkeypatch.setenv("MM_PROVIDER__SESSIONS", "10")
    with pytest.raises(TooFewBars, match="15 sessions") as caught:
        training("test")
    assert "The step 'label' failed." in caught.value.__notes__
    assert not (home / "data" / "journal.jsonl").exists()


@pytest.mark.usefixtures("altered")
def test_the_signal_flow_says_what_it_did() -> None:
    """After a training run the bar is signalled once; the next run is skipped with a word, and the artifact says so."""
    from datetime import UTC, datetime

    from prefect.client.orchestration import get_client

    from flows.signal import backfill, signal

    first, second = signal("test"), signal("test")
    assert (first.status, second.status) == ("signalled", "skipped")
    end = datetime.fromisoformat(str(first.bar_end))
    assert [run.status for run in backfill(end, end, "test")] == ["skipped"]
    assert signal("test", datetime(2025, 1, 2, 15, 30, tzinfo=UTC)).reason.startswith("The run is late")
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts()
    assert any("already" in str(artifact.data) for artifact in artifacts if artifact.key == "signal")
    (moves,) = [json.loads(str(artifact.data)) for artifact in artifacts if artifact.key == "moves"]
    (ranked,) = [artifact for artifact in artifacts if artifact.key == "insights"]
    assert [row["rank"] for row in json.loads(str(ranked.data))] == list(range(1, len(first.signal.constituents) + 1))
    assert "sessions" in str(ranked.description)
    explanation = first.signal.explanation
    assert [row["symbol"] for row in moves] == [move.symbol for move in explanation.moves]
    assert sum(row["move"] for row in moves) == pytest.approx(first.signal.wss - explanation.wss_before, abs=1e-12)
