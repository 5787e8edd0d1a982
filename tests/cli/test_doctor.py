"""Diagnosis: every part has a line, what is off says how to switch it on, and what is wrong is exit 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from market_master import optional
from market_master.cli.app import app
from tests.support import ROOT
from tests.support.servers import NO_PREFECT, in_process

PARTS = ["python", "home", "config", "bars", "champion", "prediction log", "prefect", "ccxt", "redis"]


def diagnose(home: Path, code: int, *words: str, **environ: str) -> dict[str, Any]:
    """Part -> its state and detail."""
    variables = {"MM_HOME": str(home), "PREFECT_API_URL": NO_PREFECT, **environ}
    result = CliRunner().invoke(app, ["doctor", "--json", *words], env=variables)
    assert result.exit_code == code, result.output
    checks = json.loads(result.stdout)
    assert [check["part"] for check in checks] == PARTS
    return {check["part"]: (check["state"], check["detail"]) for check in checks}


def test_an_empty_home(home: Path) -> None:
    """Nothing is wrong with it, and each line says what to do."""
    parts = diagnose(home, 0)
    assert {part for part, (state, _) in parts.items() if state == "off"} == {
        "bars", "champion", "prediction log", "prefect",
    }  # fmt: skip
    for part, command in {"bars": "mm run", "champion": "make run", "prefect": "make ui"}.items():
        assert command in parts[part][1]


def test_a_trained_home(trained_home: Path) -> None:
    """The champion and the bars are named."""
    parts = diagnose(trained_home, 0, "--config", str(ROOT / "configs" / "test.yaml"))
    assert parts["champion"][1].startswith("version 1 of market-master")
    assert "symbols of simulated" in parts["bars"][1]


def test_what_is_wrong(tmp_path: Path) -> None:
    """A config with a slip, and a home that is none."""
    config = tmp_path / "c.yaml"
    config.write_text("name: c\nintervall: 1h\nprovider: {kind: simulated}\n")
    assert diagnose(tmp_path, 1, "--config", str(config))["config"][0] == "wrong"
    assert "no folder" in diagnose(tmp_path / "gone", 1)["home"][1]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No optional library is installed."""

    def version(library: str) -> str:
        raise optional.PackageNotFoundError(library)

    monkeypatch.setattr(optional, "version", version)


@pytest.mark.usefixtures("bare")
def test_missing_libraries_are_named(trained_home: Path) -> None:
    """By the command and by the server, with the remedy; everything else works."""
    parts = diagnose(trained_home, 0)
    for library in ("ccxt", "redis"):
        assert parts[library] == ("off", parts[library][1])
        assert f"pip install {library}" in parts[library][1]
    with in_process(trained_home) as client:
        answer = client.get("/status").json()
        assert (answer["status"], answer["version"], answer["reason"]) == ("ready", "1", "")
        assert {part["library"]: part["version"] for part in answer["optional"]} == dict.fromkeys(("ccxt", "redis"))
        assert client.get("/predict/S001").status_code == 200


@pytest.mark.usefixtures("bare")
def test_a_server_that_needs_one_is_refused(trained_home: Path) -> None:
    """Before it serves, with the sentence."""
    from market_master.domain import ConfigError

    with (
        pytest.raises(ConfigError, match=r"redis is not installed; .* pip install redis"),
        in_process(trained_home, MM_REDIS_URL="redis://127.0.0.1:1"),
    ):
        pass


def test_status_without_a_champion(tmp_path: Path) -> None:
    """200, with the reason."""
    with in_process(tmp_path) as client:
        answer = client.get("/status")
        assert answer.status_code == 200
        assert answer.json()["status"] == "not ready"
        assert "make run" in answer.json()["reason"]
