"""Paths of earlier systems: every one that is documented answers in its shape, with our numbers and nothing invented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from api.routes.ancestors import router
from tests.support import ROOT
from tests.support.servers import in_process

DOCUMENTED = re.findall(
    r"`(GET|POST|DELETE) (/\S+?)`", (ROOT / "docs" / "ancestors.md").read_text().split("| path |")[1]
)
REFUSED = {
    ("GET", "/crypto/details/BTCUSDT"): (404, "UnknownSymbol"),
    ("GET", "/api/ml/price-prediction/S001"): (503, "NoForecast"),
    ("POST", "/api/v1/ml/predict/price"): (503, "NoForecast"),
    ("POST", "/api/ml/retraining"): (503, "OrchestratorAway"),
    ("POST", "/api/v1/ml/train"): (503, "OrchestratorAway"),
}
"""where no forecast, no crypto and no Prefect server is"""
OWN = {"/metrics", "/train", "/symbols/{symbol}", "/insights/{symbol}", "/insights/{symbol}/signals"}
"""the API's own paths, which the table compares with"""
ADMIN = {"X-API-Key": "ruler"}


@pytest.fixture(scope="module")
def client(trained_home: Path) -> Iterator[TestClient]:
    """A server over the trained home, without Prefect."""
    with in_process(trained_home, MM_ADMIN_KEYS="ruler") as running:
        yield running


@pytest.fixture(scope="module")
def prediction(client: TestClient) -> dict[str, Any]:
    """Our own prediction for S001."""
    answer: dict[str, Any] = client.get("/predict/S001").json()
    return answer


def of_test_market(path: str) -> str:
    """The documentation speaks of the demo's index."""
    return path.replace("universe=SIM30&", "")


@pytest.mark.parametrize(("method", "path"), [one for one in DOCUMENTED if one[1] not in OWN])
def test_what_is_documented_is_answered(client: TestClient, method: str, path: str) -> None:
    """With 200 or 202, or the refusal that is due here."""
    body = {"ticker": "S001", "timeframe": "1h"} if "/predict/" in path and method == "POST" else {}
    answer = client.request(method, of_test_market(path), json=body if method == "POST" else None, headers=ADMIN)
    if (method, path) in REFUSED:
        assert (answer.status_code, answer.json()["title"]) == REFUSED[method, path]
    else:
        assert answer.status_code == 200, answer.text


def test_every_alias_is_documented() -> None:
    """No path of the router is missing in the table."""
    documented = [(method, path.split("?")[0]) for method, path in DOCUMENTED]
    routes = list(iter_route_contexts(router.routes))
    assert len(routes) > 25
    for route in routes:
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", route.path))
        assert any(method in route.methods and pattern.fullmatch(path) for method, path in documented), route.path


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_the_oldest_shape(client: TestClient, prediction: dict[str, Any], prefix: str) -> None:
    """Prediction, features and model, under both prefixes."""
    answer = client.get(f"{prefix}/predict?symbol=S001").json()
    assert list(answer) == ["symbol", "prediction", "confidence", "model_version", "features", "timestamp"]
    assert (answer["prediction"], answer["timestamp"]) == (prediction["action"], prediction["as_of"])
    assert client.get(f"{prefix}/predict_ticker/S001").json() == answer
    rows = client.get(f"{prefix}/features?symbol=S001&lookback=2").json()["features"]
    assert len(rows) == 2
    assert rows[-1].pop("timestamp") == answer["timestamp"]
    assert rows[-1] == pytest.approx(answer["features"], abs=1e-12)
    for version in ("1", "production", "latest"):
        assert client.get(f"{prefix}/model/{version}").json()["model_version"] == answer["model_version"]


def test_component_and_index(client: TestClient, prediction: dict[str, Any]) -> None:
    """Both shapes, made of what our own routes say; our own answer where no parameter asks for theirs."""
    answer = client.get("/predict/component?symbol=S001").json()
    assert answer == {
        "symbol": "S001",
        "action": prediction["action"],
        "confidence": prediction["confidence"],
        "probabilities": prediction["probabilities"],
        "timestamp_next": prediction["predicts_for"]["start"],
    }
    own = client.get("/signal/index").json()
    theirs = client.get("/signal/index", params={"universe": own["index"]}).json()
    assert list(theirs) == ["wss", "signal", "timestamp_next", "per_symbol"]
    assert (theirs["wss"], theirs["signal"]) == (own["wss"], own["signal"])
    assert set(theirs["per_symbol"]) == {one["symbol"] for one in own["constituents"]}
    assert "explanation" in client.get("/signal/index?explain=true").json()
    assert client.get("/signal/index?universe=OTHER").status_code == 404


def test_the_last_shape_invents_nothing(client: TestClient, prediction: dict[str, Any]) -> None:
    """The champion alone has a confidence; prices are null; one part is the whole's."""
    whole = client.get("/api/ml/insights/S001?timeframe=1h").json()
    assert list(whole) == [
        "symbol", "patterns", "price_predictions", "signals", "confidence", "timestamp", "current_price", "model_status",
    ]  # fmt: skip
    assert whole["price_predictions"] is None
    assert whole["confidence"] == prediction["confidence"]
    assert [one["confidence"] for one in whole["signals"]] == [prediction["confidence"]] + [None] * (
        len(whole["signals"]) - 1
    )
    assert client.get("/api/ml/patterns/S001").json()["patterns"] == whole["patterns"]
    assert client.get("/api/ml/signals/S001").json()["signals"] == whole["signals"]
    both = client.post("/api/v1/ml/predict/comprehensive", json={"symbol": "S001"}).json()
    assert {name: both[name] for name in whole} == whole
    assert both["price"] is None


@pytest.mark.parametrize(
    "path",
    [
        "/predict?symbol=NONE",
        "/predict_ticker/NONE",
        "/ticker_info/NONE",
        "/features?symbol=NONE",
        "/predict/component?symbol=NONE",
    ]
    + [f"/api/ml/{part}/NONE" for part in ("insights", "patterns", "signals", "price-prediction")],
)
def test_an_unknown_symbol_is_404(client: TestClient, path: str) -> None:
    """Where some of them said 200."""
    refused = client.get(path)
    assert (refused.status_code, refused.json()["title"]) == (404, "UnknownSymbol")


@pytest.mark.parametrize("path", ["/api/ml/insights/S001?timeframe=5m", "/predict/component?symbol=S001&interval=1d"])
def test_another_interval_is_422(client: TestClient, path: str) -> None:
    """No bars of another interval are passed off as these."""
    refused = client.get(path)
    assert (refused.status_code, refused.json()["title"]) == (422, "IntervalMismatch")


@pytest.mark.parametrize("path", ["/api/ml/retraining", "/api/v1/ml/train", "/api/v1/ml/cache/S001"])
def test_what_changes_something_is_for_admins(client: TestClient, path: str) -> None:
    """Under any of its names."""
    assert client.request("DELETE" if "cache" in path else "POST", path, json={}).status_code == 401


def test_without_a_champion_they_say_so(tmp_path: Path) -> None:
    """503 with the command, in one form; no random answer."""
    with in_process(tmp_path) as bare:
        for path in ("/predict?symbol=S001", "/api/v1/predict?symbol=S001", "/api/ml/insights/S001", "/crypto/ranking"):
            refused = bare.get(path)
            assert (refused.status_code, refused.json()["title"]) == (503, "NoChampion"), path
        assert bare.get("/api/ml/status").json()["model_status"] == "not ready"
