"""`make deploy` from nothing on a real Prefect server with a real worker: deploy, run, late, double, crash, cancel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml

from market_master.domain import clock
from market_master.domain.calendar import Timetable
from market_master.domain.clock import DAY
from tests.support import ROOT
from tests.support.servers import free_port, in_process, outside, own_copy, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(900), pytest.mark.xdist_group("deployments")]
ENTRIES = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
LONG_AGO = "2025-01-02T15:33:00Z"
ADMIN = {"X-API-Key": "ruler"}


@dataclass(frozen=True)
class Deployed:
    """A home with everything deployed, and the REST API of its Prefect server."""

    home: Path
    environ: dict[str, str]
    begun: int
    """epoch seconds before anything was deployed"""

    def ask(self, path: str, **body: Any) -> Any:
        """POST when there is a body, else GET; asked again, as Prefect wants it, while its database is busy (503)."""
        address = f"{self.environ['PREFECT_API_URL']}/{path}"
        responses: list[httpx.Response] = []

        def is_free() -> bool:
            responses.append(httpx.post(address, json=body) if body else httpx.get(address))
            return responses[-1].status_code != 503

        wait_for(is_free, seconds=90)
        responses[-1].raise_for_status()
        return responses[-1].json()

    def start(self, deployment: str, parameters: dict[str, Any], at: str | None = None) -> str:
        """A flow run, due now or as if scheduled for an instant."""
        row = self.ask(f"deployments/name/{deployment}")
        due = {"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": at}}} if at else {}
        return str(self.ask(f"deployments/{row['id']}/create_flow_run", parameters=parameters, **due)["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """What the server says of a run."""
        row: dict[str, Any] = self.ask(f"flow_runs/{run_id}")
        return row

    def when(self, run_id: str, *states: str) -> dict[str, Any]:
        """The run, once it is in one of some states."""
        end = time.monotonic() + 240
        while (run := self.run(run_id))["state_type"] not in states:
            assert time.monotonic() < end, run["state"]
            time.sleep(1)
        return run

    def ended(self, run_id: str) -> dict[str, Any]:
        """The run, once it has ended."""
        return self.when(run_id, "COMPLETED", "FAILED", "CANCELLED", "CRASHED")


@contextmanager
def deploying(environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`make deploy`, ended as Ctrl-C ends it."""
    command = [sys.executable, "-u", "-m", "flows.deploy"]
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(90)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def deployed(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deployed from nothing on a free port; nothing is left running afterwards."""
    home, begun = own_copy(trained_home, tmp_path_factory.mktemp("deployed")), clock.now()
    port = free_port()
    environ = outside(
        home,
        MM_CONFIG="test",
        MM_CANDIDATES="[logistic]",
        PREFECT_HOME=str(home / "data" / "prefect"),
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS="5",
    )
    with deploying(environ) as process:
        assert process.stdout is not None
        assert any(line.startswith("Worker") for line in process.stdout), "make deploy ended"
        yield Deployed(home, environ, begun)
    with pytest.raises(httpx.TransportError):
        httpx.get(environ["PREFECT_API_URL"] + "/health")


def _names(deployed: Deployed) -> set[str]:
    return {row["name"] for row in deployed.ask("deployments/filter", limit=100)}


def test_everything_is_there_from_nothing_and_a_second_time(deployed: Deployed) -> None:
    """Pool, every deployment of the file, one worker; deploying again changes nothing and starts no second worker."""
    assert _names(deployed) == {entry["name"] for entry in ENTRIES}
    assert deployed.ask("work_pools/local")["type"] == "process"
    command = [sys.executable, "-m", "flows.deploy"]
    second = subprocess.run(command, cwd=ROOT, env=deployed.environ, capture_output=True, text=True, check=True)
    assert "one works already" in second.stdout
    assert _names(deployed) == {entry["name"] for entry in ENTRIES}
    assert len(deployed.ask("work_pools/local/workers/filter", limit=10)) == 1


def test_signal_runs_are_scheduled_by_the_exchanges_calendar(deployed: Deployed) -> None:
    """What stands on the server is the close of each next bar and three minutes."""
    hourly = {"name": {"any_": ["hourly"]}}
    wait_for(lambda: deployed.ask("flow_runs/filter", deployments=hourly))
    runs = deployed.ask("flow_runs/filter", deployments=hourly, sort="EXPECTED_START_TIME_ASC")
    due = [int(datetime.fromisoformat(run["expected_start_time"]).timestamp()) for run in runs]
    now = clock.now()
    closes = (Timetable("XNYS", "1h").between(deployed.begun - DAY, now + 30 * DAY).end + 180).tolist()
    assert due == [close for close in closes if close >= due[0]][: len(due)]
    first, last = (min(close for close in closes if close > moment) for moment in (deployed.begun, now))
    assert first <= due[0] <= last, "the first is the next after the moment of deployment, which lies between the two"


def test_a_form_offers_the_configs_and_explains_itself(deployed: Deployed) -> None:
    """The training's form is a choice of configs, each field with its sentence; what is not offered is refused."""
    form = deployed.ask("deployments/name/training/weekly")["parameter_openapi_schema"]["properties"]
    assert {"demo", "noise", "test"} <= set(form["config"]["enum"])
    assert all(field["description"] for field in form.values())
    with pytest.raises(httpx.HTTPStatusError):
        deployed.start("training/weekly", {"config": "nothing-like-this"})


def test_a_bar_is_signalled_once_and_a_late_run_says_why(deployed: Deployed) -> None:
    """Runs come one after the other: the first signals, the second is skipped, so is one that was due long ago; each says why."""
    runs = [deployed.start("signal/hourly", {"config": "test"}) for _ in range(2)]
    late = deployed.start("signal/hourly", {"config": "test"}, at=LONG_AGO)
    ended = [deployed.ended(run) for run in runs]
    assert sorted(run["state_name"] for run in ended) == ["Signalled", "Skipped"]
    assert {run["name"] for run in ended} == {"signal-test-2025-06-30T20:00:00Z"}
    skipped = next(run for run in ended if run["state_name"] == "Skipped")
    assert "has its signal already" in skipped["state"]["message"]
    assert {"signal", "test", "skipped"} <= set(skipped["tags"])
    run = deployed.ended(late)
    assert run["state_name"] == "Skipped"
    assert run["state"]["message"].startswith("The run is late: the bar that ends 2025-06-30T20:00:00Z")
    assert run["name"] == "signal-test-2025-01-02T15:30:00Z"


@pytest.mark.nightly
def test_what_monitoring_finds_starts_a_flow(deployed: Deployed) -> None:
    """A look by the worker ends with its word; the event of a version that has served starts the approval, which finds none."""
    monitored = deployed.ended(deployed.start("monitoring/daily", {"config": "test", "evidently": False}))
    assert monitored["state_name"] in ("Quiet", "Moved"), monitored["state"]
    shadow = {"name": {"any_": ["shadow"]}}
    event = {
        "occurred": datetime.now(UTC).isoformat(), "event": "market-master.served", "id": str(uuid4()),
        "resource": {"prefect.resource.id": "market-master.model.market-master"}, "payload": {},
    }  # fmt: skip
    address = deployed.environ["PREFECT_API_URL"] + "/events"
    assert httpx.post(address, json=[event]).status_code == 204
    wait_for(lambda: deployed.ask("flow_runs/filter", deployments=shadow))
    run = deployed.ended(deployed.ask("flow_runs/filter", deployments=shadow)[0]["id"])
    assert (run["state_name"], run["state"]["message"]) == ("Nothing", "No version is in the shadow.")


def test_trainings_come_one_at_a_time_and_crash_cancel_and_end(deployed: Deployed) -> None:
    """A second one is cancelled; a killed one is told from a cancelled one; after both the next runs to its end, by the API."""
    with in_process(deployed.home, MM_ADMIN_KEYS="ruler", PREFECT_API_URL=deployed.environ["PREFECT_API_URL"]) as api:

        def ask(**wish: Any) -> str:
            response = api.post("/train", json={"config": "test", "dev": True, **wish}, headers=ADMIN)
            assert response.status_code == 202, response.text
            return str(response.json()["id"])

        killed = ask()
        process = int(str(deployed.when(killed, "RUNNING")["infrastructure_pid"]).rpartition(":")[2])
        os.kill(process, signal.SIGSTOP)  # it runs as long as the second needs to be turned away
        try:
            assert deployed.ended(ask())["state"]["message"] == "Deployment concurrency limit reached."
        finally:
            os.kill(process, signal.SIGKILL)
        assert deployed.ended(killed)["state_type"] == "CRASHED"

        stopped = ask()
        deployed.when(stopped, "RUNNING")
        deployed.ask(f"flow_runs/{stopped}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})
        assert deployed.ended(stopped)["state_type"] == "CANCELLED"

        last = ask()
        deployed.ended(last)
        training = api.get(f"/train/{last}", headers=ADMIN).json()
        assert training["state"] == "Compared", training
        assert (
            datetime.fromisoformat(training["ended"])
            > datetime.fromisoformat(training["started"])
            > datetime(2025, 1, 1, tzinfo=UTC)
        )
        assert (
            api.post("/train", json={"config": "nothing-like-this"}, headers=ADMIN).json()["title"] == "TrainingRefused"
        )
        assert api.get(f"/train/{killed[:-1]}{'0' if killed[-1] != '0' else '1'}", headers=ADMIN).status_code == 404
    assert not (deployed.home / "data" / "journal.jsonl").read_text(encoding="utf-8").count('"looked"') > 1
