"""The server answers what the steps answer, refuses what they refuse, and says so in problem JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from market_master.domain import clock
from market_master.domain.clock import iso
from market_master.prediction.predict import predict_stored
from market_master.registry.champion import load_champion
from tests.support.servers import in_process


@pytest.fixture(scope="module")
def client(trained_home: Path) -> Iterator[TestClient]:
    """A server over the trained home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MM_HOME", str(trained_home))
        with TestClient(create_app(), raise_server_exceptions=False) as running:
            yield running


@pytest.fixture(scope="module")
def posted(trained_home: Path) -> dict[str, Any]:
    """The last 60 stored bars of S001 as a client would post them."""
    champion = load_champion(trained_home, "market-master")
    bars = champion.store(trained_home).bars(("S001",), last=60)
    rows = [
        {
            "timestamp": iso(bars.bar_start[n]),
            **{c: float(getattr(bars, c)[n]) for c in ("open", "high", "low", "close", "volume")},
        }
        for n in range(len(bars))
    ]
    return {"symbol": "S001", "interval": "1h", "bars": rows}


def test_it_is_alive_and_ready(client: TestClient) -> None:
    """/health says that the process lives, /ready which version answers."""
    assert client.get("/health").json() == {"status": "alive"}
    ready = client.get("/ready")
    assert ready.status_code == 200
    assert ready.json()["model"]["version"] == "1"


def test_posted_bars_are_answered_as_the_same_stored_bars(client: TestClient, posted: dict[str, Any]) -> None:
    """Training, store and request go through one feature code: the answers agree to 1e-9."""
    by_post, by_store = client.post("/predict", json=posted), client.get("/predict/S001")
    assert by_post.status_code == by_store.status_code == 200
    first, second = by_post.json(), by_store.json()
    for name, value in first["probabilities"].items():
        assert value == pytest.approx(second["probabilities"][name], abs=1e-9)
    assert first["action"] == second["action"]
    assert first["predicts_for"] == second["predicts_for"]
    assert first["as_of"] < first["predicts_for"]["end"]


def test_the_newest_bar_is_the_one_answered_for(client: TestClient, posted: dict[str, Any]) -> None:
    """Changing the newest bar changes the answer (rivals.md 1.3)."""
    changed = json.loads(json.dumps(posted))
    newest = changed["bars"][-1]
    newest["volume"] *= 5
    newest["close"] = newest["low"]
    before, after = client.post("/predict", json=posted).json(), client.post("/predict", json=changed).json()
    assert before["probabilities"] != after["probabilities"]
    assert before["as_of"] == after["as_of"]


def test_an_answer_does_not_contradict_itself(client: TestClient, posted: dict[str, Any]) -> None:
    """Expected score and confidence follow from the probabilities, which are named in the model's own class order."""
    response = client.post("/predict", json=posted).json()
    p = response["probabilities"]
    assert list(p) == ["strong_sell", "sell", "hold", "buy", "strong_buy"]
    assert sum(p.values()) == pytest.approx(1)
    assert response["expected_score"] == pytest.approx(2 * (p["strong_buy"] - p["strong_sell"]) + p["buy"] - p["sell"])
    assert response["confidence"] == max(p.values())


def test_an_unseen_symbol_is_answered_with_a_warning(client: TestClient, posted: dict[str, Any]) -> None:
    """Bars of a symbol the champion never saw are answered, and the answer says so."""
    response = client.post("/predict", json={**posted, "symbol": "NEW"})
    assert response.status_code == 200
    assert "unseen_symbol" in response.json()["warnings"]


def test_the_stamp_may_be_the_bars_end(client: TestClient, posted: dict[str, Any], trained_home: Path) -> None:
    """`stamp: end` reads the same bars from their ends."""
    bars = load_champion(trained_home, "market-master").store(trained_home).bars(("S001",), last=60)
    rows = [{**row, "timestamp": iso(end)} for row, end in zip(posted["bars"], bars.bar_end, strict=True)]
    by_end = client.post("/predict", json={**posted, "bars": rows, "stamp": "end"}).json()
    assert by_end["probabilities"] == client.post("/predict", json=posted).json()["probabilities"]


def _with(posted: dict[str, Any], at: int, **changes: Any) -> dict[str, Any]:
    bars = [dict(row) for row in posted["bars"]]
    bars[at] |= changes
    return {**posted, "bars": bars}


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"close": -1.0}, "close", "above 0"),
        ({"open": 0.0}, "open", "above 0"),
        ({"high": 0.01}, "high", "below open or close"),
        ({"low": 1e9}, "low", "above open or close"),
        ({"volume": -5.0}, "volume", "below 0"),
        ({"timestamp": "2025-06-27T03:17:00Z"}, "timestamp", "1h bar"),
    ],
)
def test_a_broken_bar_is_named(
    client: TestClient, posted: dict[str, Any], changes: dict[str, Any], field: str, rule: str
) -> None:
    """422 says which bar, which field, which rule."""
    response = client.post("/predict", json=_with(posted, 7, **changes))
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["title"] == "BadBars"
    assert any(row["bar"] == 7 and row["field"] == field and rule in row["rule"] for row in problem["rows"])


def test_not_a_number_is_refused(client: TestClient, posted: dict[str, Any]) -> None:
    """NaN and infinity in a body are bars that break the contract, not a crash."""
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        body = json.dumps(_with(posted, 3, close="PUT")).replace('"PUT"', number)
        response = client.post("/predict", content=body, headers={"content-type": "application/json"})
        assert response.status_code == 422, number


def test_too_few_bars_are_refused_with_both_numbers(client: TestClient, posted: dict[str, Any]) -> None:
    """Given and needed stand in the answer, for a symbol that the store does not have."""
    response = client.post("/predict", json={**posted, "symbol": "NOT_STORED", "bars": posted["bars"][-5:]})
    assert response.status_code == 422
    assert response.json()["given"] == 5
    assert response.json()["needed"] <= 60


@pytest.mark.parametrize(
    "change", [{"bars": []}, {"interval": "5m"}, {"interval": "7h"}, {"symbol": ""}, {"colour": 1}]
)
def test_other_bad_bodies_are_refused(client: TestClient, posted: dict[str, Any], change: dict[str, Any]) -> None:
    """An empty list, another interval, an unknown key: 422 with a sentence, never 200, never 500."""
    response = client.post("/predict", json={**posted, **change})
    assert response.status_code == 422
    assert response.json()["detail"]


def test_unordered_and_doubled_bars_are_refused(client: TestClient, posted: dict[str, Any]) -> None:
    """Time must increase strictly."""
    for bars in (posted["bars"][::-1], [*posted["bars"], posted["bars"][-1]]):
        response = client.post("/predict", json={**posted, "bars": bars})
        assert response.status_code == 422
        assert any(row["rule"] == "timestamps must increase" for row in response.json()["rows"])


def test_at_most_twenty_broken_rows_are_listed(client: TestClient, posted: dict[str, Any]) -> None:
    """The list is cut, the count is not."""
    bars = [{**row, "close": -1.0} for row in posted["bars"]]
    problem = client.post("/predict", json={**posted, "bars": bars}).json()
    assert len(problem["rows"]) == 20
    assert problem["broken"] > 20


def test_an_unknown_symbol_of_the_store_is_404(client: TestClient) -> None:
    """The store is asked for what it does not have."""
    response = client.get("/predict/NOPE")
    assert response.status_code == 404
    assert response.json()["title"] == "UnknownSymbol"


def test_a_body_that_is_too_large_is_413(client: TestClient) -> None:
    """Over 8 MiB nothing is parsed, with or without a declared length."""
    big = b"x" * (9 * 1024 * 1024)
    assert client.post("/predict", content=big).status_code == 413

    def parts() -> Iterator[bytes]:
        yield from (big[i : i + 65536] for i in range(0, len(big), 65536))

    assert client.post("/predict", content=parts()).status_code == 413


def test_the_index_signal_adds_up(client: TestClient) -> None:
    """WSS is the sum of contributions, weights sum to 1, and an unchanged answer is 304."""
    response = client.get("/signal/index")
    assert response.status_code == 200
    signal = response.json()
    assert signal["wss"] == pytest.approx(sum(row["contribution"] for row in signal["constituents"]), abs=1e-12)
    assert sum(row["weight"] for row in signal["constituents"]) == pytest.approx(1)
    assert signal["signal"] in ("BUY", "HOLD", "SELL")
    again = client.get("/signal/index", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304


def test_the_index_agrees_with_the_symbols(client: TestClient, trained_home: Path) -> None:
    """Each constituent's action is the one GET /predict gives."""
    champion = load_champion(trained_home, "market-master")
    rows = {row["symbol"]: row for row in client.get("/signal/index").json()["constituents"]}
    for prediction in predict_stored(champion, champion.store(trained_home), sorted(rows), now=clock.now()):
        assert rows[prediction.symbol]["action"] == prediction.action
        assert np.isclose(rows[prediction.symbol]["expected_score"], prediction.expected_score, atol=1e-12)


def test_models_tell_cards_aliases_and_journal(client: TestClient) -> None:
    """Which version is in production, what it is, and how it came there."""
    rows = client.get("/models").json()
    assert "production" in rows[0]["aliases"]
    model = client.get("/models/production").json()
    assert model["card"]["classes"] == ["strong_sell", "sell", "hold", "buy", "strong_buy"]
    assert [entry["event"] for entry in model["journal"]][:2] == ["registered", "looked"]
    assert client.get(f"/models/{model['version']}").json() == model
    assert client.get("/models/99").status_code == 404
    assert client.get("/models/nonsense").status_code == 404


def test_every_route_stands_under_v1(client: TestClient) -> None:
    """/v1 answers as the bare route does."""
    assert client.get("/v1/health").status_code == 200
    assert client.get("/v1/predict/S001").status_code == 200


def test_every_answer_carries_a_request_id(client: TestClient) -> None:
    """The client's own id comes back when it is a plain one; else one is made; problems hold it too."""
    assert client.get("/health", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert len(client.get("/health", headers={"X-Request-ID": "a b\tc"}).headers["x-request-id"]) == 32
    missing = client.get("/nowhere")
    assert missing.status_code == 404
    assert missing.json()["request_id"] == missing.headers["x-request-id"]


def test_the_docs_need_nothing_from_outside(client: TestClient) -> None:
    """/docs and the files it names come from this server."""
    page = client.get("/docs")
    assert page.status_code == 200
    assert "//" not in page.text.replace("<!-- ", "").split("<script src=")[1].split(">")[0]
    assert "https://" not in page.text
    assert client.get("/openapi.json").json()["paths"]


def test_the_documented_parameters_work_when_pasted(trained_home: Path) -> None:
    """Every route is answered with the parameters that /docs shows; only a report's name has to be looked up."""
    with in_process(trained_home, MM_ADMIN_KEYS="ruler") as running:
        for path, methods in running.get("/openapi.json").json()["paths"].items():
            for method, route in methods.items():
                examples = {
                    p["name"]: p["schema"]["examples"][0]
                    for p in route.get("parameters", [])
                    if p["in"] == "path" and p["name"] != "name"
                }
                if "requestBody" in route or "{name}" in path or "/train" in path:  # tests/flows/ asks a real Prefect
                    continue
                response = running.request(method, path.format(**examples), headers={"X-API-Key": "ruler"})
                assert response.status_code == 200, (path, response.text)


def test_every_answer_that_may_come_is_described(client: TestClient) -> None:
    """Each route names the schema of its answer, and problem JSON for every refusal."""
    openapi = client.get("/openapi.json").json()
    assert {"Problem", "PredictRequest"} <= set(openapi["components"]["schemas"])
    for path, methods in openapi["paths"].items():
        for method, route in methods.items():
            for status, described in route["responses"].items():
                schemas = {kind: content.get("schema") for kind, content in described.get("content", {}).items()}
                if status == "304" or (path in ("/metrics", "/reports/{name}") and status == "200"):
                    continue
                kind = "application/json" if status in ("200", "202") else "application/problem+json"
                assert schemas[kind] not in (None, {}), (method, path, status)


def test_the_documented_examples_work_when_pasted(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every body that /docs shows is answered; in the same second the same bars by record and by column alike."""
    second = clock.now()
    monkeypatch.setattr(clock, "now", lambda: second)
    responses: dict[str, list[Any]] = {}
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, route in methods.items():
            for example in (
                route.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples", {}).values()
            ):
                if path in ("/models/rollback", "/train"):  # for admins; asked by test_hot_swap.py and test_training.py
                    continue
                response = client.request(method, path, json=example["value"])
                assert response.status_code == 200, path
                responses.setdefault(path, []).append(response.json())
    by_record, by_column = responses["/predict"]
    assert by_record == by_column
    ((prediction, refused),) = responses["/predict/batch"]
    assert prediction["probabilities"] == by_record["probabilities"]
    assert (refused["title"], refused["given"], refused["needed"]) == ("TooFewBars", 5, 60)


@pytest.mark.usefixtures("home")
def test_a_server_without_a_champion_lives_and_is_not_ready() -> None:
    """No champion: /health 200, /ready and every answer 503 with the reason."""
    with TestClient(create_app()) as running:
        assert running.get("/health").status_code == 200
        for path in ("/ready", "/predict/S001", "/signal/index", "/models/production"):
            response = running.get(path)
            assert response.status_code == 503, path
            assert response.json()["title"] == ("RegistryAway" if path == "/models/production" else "NoChampion")
