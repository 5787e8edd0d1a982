"""A server starts with the last verified version, and says so until the registry has answered; a person sees what it does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from market_master.registry.client_process import RegistryClient
from market_master.registry.versions import Versions
from tests.support import ROOT
from tests.support.servers import MODEL, another_version, free_port, in_process, outside, wait_for


@pytest.fixture
def served_before(altered: Path) -> Path:
    """A home in which a server has verified version 1, and so holds its local copy."""
    with in_process(altered) as running:
        assert running.get("/ready").json()["model"]["version"] == "1"
    return altered


@pytest.fixture
def silent_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A registry that does not answer before the event is set."""
    answered, ask = threading.Event(), RegistryClient.production_with_outcome

    def wait_and_ask(client: RegistryClient) -> tuple[str, str] | None:
        assert answered.wait(60)
        return ask(client)

    monkeypatch.setattr(RegistryClient, "production_with_outcome", wait_and_ask)
    yield answered
    answered.set()


def started(home: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("MM_HOME", str(home))
    return TestClient(create_app(), raise_server_exceptions=False)


def test_the_local_copy_answers_before_the_registry_does(
    served_before: Path, silent_registry: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note says what it is; it goes once the registry has named the same version."""
    with started(served_before, monkeypatch) as running:
        ready = running.get("/ready")
        assert (ready.status_code, ready.json()["model"]["version"]) == (200, "1")
        assert "until the registry has confirmed it" in ready.json()["note"]
        assert running.get("/predict/S001").status_code == 200
        silent_registry.set()
        wait_for(lambda: running.get("/ready").json()["note"] == "")


def test_a_champion_that_changed_meanwhile_takes_over(
    served_before: Path, tmp_path: Path, silent_registry: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alias was moved while no server ran."""
    second = another_version(served_before, tmp_path / "second")
    Versions(served_before, MODEL).set_alias("production", second)
    with started(served_before, monkeypatch) as running:
        assert running.get("/ready").json()["model"]["version"] == "1"
        silent_registry.set()
        wait_for(lambda: running.get("/ready").json()["model"]["version"] == second)
        assert running.get("/ready").json()["note"] == ""


def test_a_champion_that_was_taken_down_is_served_no_longer(
    served_before: Path, silent_registry: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry answers that there is none: the copy of an earlier day goes."""
    Versions(served_before, MODEL).delete_alias("production")
    with started(served_before, monkeypatch) as running:
        silent_registry.set()
        wait_for(lambda: running.get("/ready").status_code == 503)
        assert running.get("/ready").json()["title"] == "NoChampion"


@pytest.mark.parametrize(("chosen", "is_json"), [("json", True), ("text", False), (None, True)])
def test_a_start_tells_what_it_does(served_before: Path, chosen: str | None, is_json: bool) -> None:
    """Address and home first, then the version and the seconds; JSON unless a person looks or asks for text."""
    port = free_port()
    variables = outside(served_before, PORT=str(port), **({"LOG": chosen} if chosen else {}))
    command = [os.environ.get("MM_SERVER_PYTHON", sys.executable), "-m", "api"]
    process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(re.sub(r"\x1b\[\d*m", "", line))
            if "seconds" in line:
                break
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()
    assert f"http://127.0.0.1:{port}" in lines[0]
    assert str(served_before) in lines[0]
    if is_json:
        events = [json.loads(line) for line in lines]
        assert [events[0]["event"], events[-1]["event"], events[-1]["version"]] == ["starting", "ready", "1"]
    else:
        assert "starting" in lines[0]
        assert "ready" in lines[-1]
        with pytest.raises(json.JSONDecodeError):
            json.loads(lines[0])


def test_help_tells_the_variables_and_examples() -> None:
    """Exit 0, and nothing is started."""
    done = subprocess.run([sys.executable, "-m", "api", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"--host", "--port", "--workers", "MM_HOME", "LOG", "examples:"} <= set(re.findall(r"[\w:-]+", done.stdout))
