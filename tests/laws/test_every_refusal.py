"""Everything that was refused is still refused in the same words, but where a ruling changed them.

`recorded/refusals.json` holds the answers of the server before versions were served by a graph from raw bars (commit 8f0468b),
and beside them those that a ruling changed since.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from tests.support import ROOT, bad_bodies
from tests.support.servers import in_process, own_copy

RECORDED = json.loads((ROOT / "tests" / "laws" / "recorded" / "refusals.json").read_text(encoding="utf-8"))
RULED = {name: changed["words"] for name, changed in RECORDED["ruled"].items()}
WORDS: dict[str, dict[str, Any]] = {**RECORDED["before"], **RULED}
OTHER_SERVERS = {
    "off loopback, without a key": ({"MM_HOST": "0.0.0.0", "MM_READ_KEYS": "reader"}, 401, "KeyMissing", (
        "This server is not on loopback and needs a key: send it as X-API-Key."
    )),
    "above its rate": ({"MM_RATE_LIMIT": "1/day"}, 429, "TooMany", (
        r"More than 1 per 1 day came from this client; ask again in \d+ s\."
    )),
}  # fmt: skip


@pytest.fixture(scope="module")
def home(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained home whose store has two more symbols."""
    copy = own_copy(trained_home, tmp_path_factory.mktemp("refusals"))
    bad_bodies.add_symbols(copy)
    return copy


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[TestClient]:
    """A server over it, a minute after the newest bar."""
    minute_after = bad_bodies.newest_end(home) + 60
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("market_master.domain.clock.now", lambda: minute_after)
        with in_process(home, MM_ADMIN_KEYS="ruler", MM_READ_KEYS="reader") as running:
            yield running


def words_of(response: httpx.Response) -> dict[str, Any]:
    """Status and problem document of an answer, but for what differs from request to request; of no refusal the status."""
    if response.is_success:
        return {"status": response.status_code}
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.pop("request_id") == response.headers["x-request-id"]
    assert problem["status"] == response.status_code
    return comparable(problem)


def comparable(problem: dict[str, Any]) -> dict[str, Any]:
    """Without the operating system's own words, and where a byte lies: the last digit of a price is each processor's own."""
    text = re.sub(r"\(byte \d+\)", "(byte)", re.sub(r"\(<[^\"]*>\)", "(why)", json.dumps(problem)))
    words: dict[str, Any] = json.loads(text)
    return words


def test_what_was_refused_is_refused_in_the_same_words(client: TestClient, home: Path) -> None:
    """Status, kind, sentence and numbers of every request of the table."""
    requests = bad_bodies.bad_requests(home)
    assert list(requests) == list(RECORDED["before"])
    answers = {
        name: words_of(client.request(bad.method, bad.path, content=bad.content, headers=dict(bad.headers)))
        for name, bad in requests.items()
    }
    recorded = {name: comparable(words) for name, words in WORDS.items()}
    assert {name: words for name, words in answers.items() if words != recorded[name]} == {}


def test_an_item_of_a_batch_is_refused_as_a_request_of_its_own(client: TestClient, home: Path) -> None:
    """The same documents, each in its place."""
    bodies = {
        name: body
        for name, body in bad_bodies.predict_bodies(home).items()
        if "JSON is malformed" not in WORDS[name].get("detail", "")
    }
    items = client.post("/predict/batch", json={"items": list(bodies.values())}).json()
    for name, item in zip(bodies, items, strict=True):
        item.pop("request_id", None)
        assert (comparable(item) if "detail" in item else {"status": 200}) == comparable(WORDS[name]), name


@pytest.mark.parametrize("server", OTHER_SERVERS)
def test_what_another_server_refuses(home: Path, server: str) -> None:
    """Its second request, whatever the body holds."""
    environ, status, title, sentence = OTHER_SERVERS[server]
    with in_process(home, **environ) as running:
        running.post("/predict", content=b"{}")
        words = words_of(running.post("/predict", content=b"{}"))
    assert (words["status"], words["title"], words["type"]) == (status, title, f"urn:market-master:{title}")
    assert re.fullmatch(sentence, words["detail"])


def test_without_a_champion_every_body_is_refused_alike(home: Path, tmp_path: Path) -> None:
    """503 with the reason and the remedy."""
    with in_process(tmp_path) as running:
        answers = [
            words_of(running.post("/predict", content=bad.content)) for bad in bad_bodies.bad_requests(home).values()
        ]
    (sentence,) = {words["detail"] for words in answers if words["status"] == 503}
    assert {words["title"] for words in answers} == {"NoChampion", "TooLarge"}
    assert sentence == (
        f"There is no registry at {tmp_path}/mlruns/mlflow.db; `make run` makes one. There is no local copy of a champion either."
    )


def test_every_change_of_words_has_a_ruling() -> None:
    """What changed was refused otherwise before, and the reason is one of those that there are."""
    for name, changed in RECORDED["ruled"].items():
        before = RECORDED["before"][name]
        assert before != changed["words"], name
        if changed["ruling"] == "No 500 on any input.":
            assert (before["status"], changed["words"]["status"]) == (500, 422), name
        else:
            assert changed["ruling"] == "Posted bars are completed from the store.", name
            assert before["title"] == "TooFewBars", name
