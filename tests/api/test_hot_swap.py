"""Another champion takes over without a restart; a bad one does not; a registry that is away disturbs nobody."""

from __future__ import annotations

import json
import pickle
import threading
from itertools import cycle, islice

import httpx
import pytest

from market_master.lifecycle.promote import promote_by_hand
from market_master.registry.journal import journal_of
from market_master.registry.versions import Versions
from tests.support.nightly import nightly_after
from tests.support.servers import MODEL, another_version, in_process, newest_bars, on_a_port, wait_for

ADMIN = {"X-API-Key": "ruler"}


def test_the_alias_is_followed(altered, tmp_path) -> None:
    """The next look at the registry serves the version it points at, and the note stays empty."""
    with in_process(altered, MM_ADMIN_KEYS="ruler") as running:
        assert running.get("/ready").json()["model"]["version"] == "1"
        second = another_version(altered, tmp_path / "second")
        Versions(altered, MODEL).set_alias("production", second)
        assert running.post("/models/reload", headers=ADMIN).json() == {
            "version": second,
            "done": f"Version {second} is served now.",
        }
        ready = running.get("/ready")
        assert (ready.json()["model"]["version"], ready.json()["note"]) == (second, "")
        assert running.get("/predict/S001").headers["x-model-version"] == second


def test_an_admin_goes_back_to_the_champion_before(altered, tmp_path) -> None:
    """The earlier one answers at once; the journal has the entry; who can't say why, or has nothing to go back to, is refused."""
    wish = {"by": "anna", "reason": "serving errors since noon"}
    with in_process(altered, MM_ADMIN_KEYS="ruler") as running:
        assert running.post("/models/rollback", json=wish).status_code == 401
        nothing = running.post("/models/rollback", json=wish, headers=ADMIN)
        assert (nothing.status_code, nothing.json()["title"]) == (409, "NotPromotable")
        second = another_version(altered, tmp_path / "second")
        journal_of(altered).write("promoted", by="gate", reason="better", to_version=second)
        promote_by_hand(second, "anna", "better on the hold-out", MODEL, altered)
        running.post("/models/reload", headers=ADMIN)
        assert running.get("/health").headers["x-model-version"] == second
        assert running.post("/models/rollback", json={"by": "anna"}, headers=ADMIN).status_code == 422
        entry = running.post("/models/rollback", json=wish, headers=ADMIN).json()
        assert (entry["event"], entry["from_version"], entry["to_version"]) == ("rolled_back", second, "1")
        assert running.get("/predict/S001").headers["x-model-version"] == "1"
    assert journal_of(altered).entries()[-1].id == entry["id"]


def test_the_registry_is_the_one_the_server_was_started_with(trained_home, monkeypatch) -> None:
    """MLflow leaves the store it last used in the environment; the process that asks the registry does not follow it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////nowhere/mlflow.db")
    with in_process(trained_home, start_method="spawn") as running:
        assert running.get("/ready").json()["model"]["version"] == "1"


def _swapped_graph(folder):
    graph = bytearray((folder / "model.onnx").read_bytes())
    graph[-20] ^= 1
    (folder / "model.onnx").write_bytes(bytes(graph))


def _edited_card(folder):
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["fingerprints"][card["features"][0]] = "0" * 64
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")


def _pickle(folder):
    class Trap:
        def __reduce__(self):
            return (exec, (f"open({str(folder / 'sprung')!r}, 'w')",))

    (folder / "model.onnx").write_bytes(pickle.dumps(Trap()))


def _other_answers(folder):
    example = json.loads((folder / "example.json").read_text(encoding="utf-8"))
    example["probabilities"][0] = [0.2] * 5
    (folder / "example.json").write_text(json.dumps(example), encoding="utf-8")


def _no_graph(folder):
    (folder / "model.onnx").unlink()


def _no_bars_graph(folder):
    (folder / "bars.onnx").unlink()


def _swapped_bars_graph(folder):
    graph = bytearray((folder / "bars.onnx").read_bytes())
    graph[-20] ^= 1
    (folder / "bars.onnx").write_bytes(bytes(graph))


def _longer_reach(folder):
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.json").write_text(json.dumps({**card, "required_bars": 500}), encoding="utf-8")


def _other_served_answers(folder):
    example = json.loads((folder / "example.json").read_text(encoding="utf-8"))
    example["served"][0] = [0.2] * 5
    (folder / "example.json").write_text(json.dumps(example), encoding="utf-8")


def _half_a_card(folder):
    (folder / "card.json").write_text('{"candidate": "logistic"', encoding="utf-8")


@pytest.mark.parametrize(
    "poison",
    [
        _swapped_graph,
        _edited_card,
        _pickle,
        _other_answers,
        _no_graph,
        _half_a_card,
        _no_bars_graph,
        _swapped_bars_graph,
        _longer_reach,
        _other_served_answers,
    ],
)
def test_a_bad_version_is_refused_and_the_old_one_goes_on(altered, tmp_path, poison) -> None:
    """The note in /ready and the metrics say so; nothing of it was run."""
    with in_process(altered, MM_ADMIN_KEYS="ruler") as running:
        bad = another_version(altered, tmp_path / "bad")
        poison(tmp_path / "bad")
        Versions(altered, MODEL).set_alias("production", bad)
        assert running.post("/models/reload", headers=ADMIN).json()["version"] == "1"
        ready = running.get("/ready").json()
        assert ready["model"]["version"] == "1"
        assert ready["note"]
        assert running.get("/predict/S001").status_code == 200
        assert 'mm_champion_swaps_total{result="refused"}' in running.get("/metrics").text
    assert not (tmp_path / "bad" / "sprung").exists()


def test_a_registry_that_is_away_disturbs_nobody(altered) -> None:
    """A running server goes on; one that starts takes the last verified champion from its copy, and says so."""
    database = altered / "mlruns" / "mlflow.db"
    with in_process(altered, MM_ADMIN_KEYS="ruler") as running:
        before = running.get("/predict/S001").json()["probabilities"]
        database.rename(database.with_suffix(".away"))
        assert "registry" in running.post("/models/reload", headers=ADMIN).json()["done"]
        assert running.get("/predict/S001").json()["probabilities"] == before
        assert running.get("/models").json()["title"] == "RegistryAway"
    with in_process(altered) as running:
        ready = running.get("/ready")
        assert ready.status_code == 200
        assert "local copy" in ready.json()["note"]
        assert running.get("/predict/S001").json()["probabilities"] == before
    (copy,) = (altered / "data" / "serving").glob("*/1/card.json")
    copy.write_text(copy.read_text(encoding="utf-8").replace("logistic", "logistiC"), encoding="utf-8")
    with in_process(altered) as running:
        refused = running.get("/ready")
        assert refused.status_code == 503
        assert "altered: card.json" in refused.json()["detail"]


@pytest.mark.long
@pytest.mark.parametrize("swaps", nightly_after(1, [3, 300]))
def test_no_request_fails_while_champions_change(altered, tmp_path, swaps: int) -> None:
    """A real server under load from four clients: the alias goes to and fro, every answer is whole and names its version."""
    body, versions = newest_bars(altered), Versions(altered, MODEL)
    second = another_version(altered, tmp_path / "second")
    with on_a_port(altered, MM_POLL_SECONDS="0.2") as port:
        responses: list[tuple[int, str, str]] = []
        stop = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                number = 0
                while not stop.is_set():
                    number += 1
                    body["bars"][-1]["volume"] = 1e6 + number
                    response = client.post("/predict", json=body)
                    responses.append(
                        (response.status_code, response.headers["x-model-version"], response.json()["model"]["version"])
                    )

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for number in islice(cycle((second, "1")), swaps):
                versions.set_alias("production", number)
                wait_for(lambda number=number: responses and responses[-1][1] == number)
        finally:
            stop.set()
            for client in clients:
                client.join()
    assert {status for status, *_ in responses} == {200}
    assert all(header == in_body for _, header, in_body in responses)
    assert {version for _, version, _ in responses} == {"1", second}
