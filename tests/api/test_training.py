"""Trainings by the API where there is no Prefect to run them; tests/flows/test_deployments.py asks a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.support.servers import free_port, in_process

READ, ADMIN = {"X-API-Key": "reader"}, {"X-API-Key": "ruler"}
RUN = "7d4f0f5e-0b5e-4f2e-9a43-0f3c0a1b2c3d"


@pytest.fixture
def alone(trained_home: Path) -> Iterator[TestClient]:
    """A server whose Prefect is away."""
    away = f"http://127.0.0.1:{free_port()}/api"
    with in_process(trained_home, PREFECT_API_URL=away, MM_READ_KEYS="reader", MM_ADMIN_KEYS="ruler") as running:
        yield running


def test_without_prefect_nothing_is_started_and_the_answer_says_what_to_do(alone: TestClient) -> None:
    """503 with the address and the remedy; predicting goes on."""
    for response in (alone.post("/train", json={}, headers=ADMIN), alone.get(f"/train/{RUN}", headers=ADMIN)):
        assert (response.status_code, response.json()["title"]) == (503, "OrchestratorAway")
        assert "make deploy" in response.json()["detail"]
    assert alone.get("/signal/index").status_code == 200


def test_training_is_for_admins_and_takes_what_its_schema_says(alone: TestClient) -> None:
    """No key, a reader's key, an unknown field, an id that is none."""
    assert alone.post("/train", json={}).status_code == 401
    assert alone.post("/train", json={}, headers=READ).status_code == 403
    assert alone.get(f"/train/{RUN}", headers=READ).status_code == 403
    for wish in ({"recipe": "demo"}, {"config": ""}, {"dev": "yes"}, []):
        assert alone.post("/train", json=wish, headers=ADMIN).json()["title"] == "Malformed"
    assert alone.get("/train/7", headers=ADMIN).status_code == 422
