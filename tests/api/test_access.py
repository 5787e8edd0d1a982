"""Who may ask what, how often, and what no answer gives away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api import keys
from market_master.domain.errors import ConfigError
from tests.support.servers import in_process

READ, ADMIN = {"X-API-Key": "reader"}, {"X-API-Key": "ruler"}


@pytest.fixture(scope="module")
def strange(trained_home: Path) -> Iterator[TestClient]:
    """A server that strangers can reach, with a key of each scope from the environment."""
    with in_process(trained_home, MM_HOST="0.0.0.0", MM_READ_KEYS="reader", MM_ADMIN_KEYS="ruler") as running:
        yield running


def test_a_stranger_learns_only_that_the_server_lives(strange) -> None:
    """Off loopback every route but /health and /ready needs a key, the documents too."""
    assert strange.get("/health").status_code == strange.get("/ready").status_code == 200
    for path in (
        "/predict/S001",
        "/signal/index",
        "/models",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/v1/models",
        "/nowhere",
    ):
        response = strange.get(path)
        assert (response.status_code, response.json()["title"]) == (401, "KeyMissing"), path


def test_a_key_opens_what_its_scope_says(strange) -> None:
    """Read reads, admin does both; a wrong key is a wrong key everywhere; a bearer token is a key."""
    assert strange.get("/predict/S001", headers=READ).status_code == 200
    assert strange.get("/predict/S001", headers={"Authorization": "Bearer reader"}).status_code == 200
    assert strange.get("/predict/S001", headers=ADMIN).status_code == 200
    assert strange.get("/predict/S001", headers={"X-API-Key": "guess"}).json()["title"] == "KeyUnknown"
    assert strange.get("/health", headers={"X-API-Key": "guess"}).status_code == 401
    assert strange.post("/models/reload").json()["title"] == "KeyMissing"
    assert strange.post("/models/reload", headers=READ).json()["title"] == "ScopeTooSmall"
    assert strange.post("/models/reload", headers=READ).status_code == 403
    assert strange.post("/models/reload", headers=ADMIN).json()["version"] == "1"
    assert strange.delete("/cache/S001", headers=READ).status_code == 403
    assert strange.delete("/cache/S001", headers=ADMIN).status_code == 200


def test_without_an_admin_key_nobody_is_one(trained_home) -> None:
    """On loopback reading is open; what moves models is not, and the answer says how to change that."""
    with in_process(trained_home) as running:
        response = running.post("/models/reload")
        assert (response.status_code, response.json()["title"]) == (403, "NoAdminKey")
        assert "mm keys create" in response.json()["detail"]


def test_keys_in_a_file_count_at_once_and_expire(trained_home, tmp_path) -> None:
    """A key made while the server runs opens it; only its hash is in the file; one that has expired opens nothing."""
    file, now = tmp_path / "keys.json", datetime.now(UTC)
    with in_process(trained_home, MM_HOST="0.0.0.0", MM_KEYS_FILE=str(file)) as running:
        valid = keys.create(file, "desk", "read", 1, now)
        expired = keys.create(file, "old", "read", 1, now - timedelta(days=2))
        assert running.get("/predict/S001", headers={"X-API-Key": valid}).status_code == 200
        assert running.get("/predict/S001", headers={"X-API-Key": expired}).status_code == 401
    text = file.read_text(encoding="utf-8")
    assert valid not in text
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigError, match="named 'desk' already"):
        keys.create(file, "desk", "read", None, now)
    with pytest.raises(ConfigError, match="read or admin"):
        keys.create(file, "other", "root", None, now)


def test_a_client_that_asks_too_often_is_told_when_to_come_back(trained_home) -> None:
    """429 with Retry-After; the window ends, another key is another client."""
    with in_process(trained_home, MM_RATE_LIMIT="3/hour", MM_READ_KEYS="other") as running:
        assert [running.get("/health").status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = running.get("/health")
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert refused.json()["retry_after"] == int(refused.headers["retry-after"])
        assert running.get("/health", headers={"X-API-Key": "other"}).status_code == 200


def test_browsers_of_other_origins_are_let_in_by_name_only(trained_home) -> None:
    """CORS is closed unless an origin is listed."""
    origin = {"Origin": "https://desk.example"}
    with in_process(trained_home) as running:
        assert "access-control-allow-origin" not in running.get("/health", headers=origin).headers
    with in_process(trained_home, MM_CORS_ORIGINS="https://desk.example") as running:
        assert running.get("/health", headers=origin).headers["access-control-allow-origin"] == "https://desk.example"
        other_response = running.get("/health", headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in other_response.headers


def test_answers_carry_the_version_and_tell_browsers_nothing_to_guess(strange) -> None:
    """Security headers on answers and refusals alike."""
    for response in (strange.get("/health"), strange.get("/models")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-model-version"] == "1"
        assert "default-src 'self'" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    "name",
    ["..%2F..%2Fmlruns%2Fmlflow.db", "%2e%2e%2fjournal.jsonl", "..\\journal.jsonl", "%00", "a%0d%0ab", "/etc/passwd"],
)
def test_a_report_is_one_of_those_listed_or_none(strange, name) -> None:
    """No name leads out of the folder of reports, and no answer tells a path of this machine."""
    response = strange.get(f"/reports/{name}", headers=READ)
    assert response.status_code == 404
    assert str(Path.home()) not in response.text
    assert "SQLite" not in response.text


def test_a_report_that_is_listed_is_shown(strange) -> None:
    """The pages of the trained run are there."""
    listed = strange.get("/reports", headers=READ).json()
    assert {row["name"].rpartition("-")[2] for row in listed} == {
        "gate.html",
        "drift.html",
        "backtest.html",
        "index.html",
    }
    page = strange.get(f"/reports/{listed[0]['name']}", headers=READ)
    assert page.headers["content-type"].startswith("text/html")
