"""The index signal with its explanation, as the server gives it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from market_master.domain import clock
from market_master.domain.records import as_json
from market_master.index.attribution import explained_signal
from market_master.index.inputs import read_inputs
from market_master.registry.champion import load_champion
from tests.support.servers import MODEL, in_process


@pytest.fixture(scope="module")
def client(trained_home: Path) -> Iterator[TestClient]:
    """A server over the trained home."""
    with in_process(trained_home) as running:
        yield running


def test_the_served_explanation_is_the_computed_one(client: TestClient, trained_home: Path) -> None:
    """From memory as from the store: signal, interval and every move."""
    champion = load_champion(trained_home, MODEL)
    stored = champion.store(trained_home)
    computed = explained_signal(champion, stored, read_inputs(champion, stored, now=clock.now()))
    assert client.get("/signal/index?explain=true").json() == json.loads(json.dumps(as_json(computed)))


def test_the_explanation_is_given_where_it_is_asked_for(client: TestClient) -> None:
    """The rest of the answer is the same; without asking it is null."""
    plain, explained = client.get("/signal/index").json(), client.get("/signal/index", params={"explain": True}).json()
    assert plain["explanation"] is None
    assert sum(move["move"] for move in explained["explanation"]["moves"]) == pytest.approx(
        explained["wss"] - explained["explanation"]["wss_before"], abs=1e-12
    )
    assert {**explained, "explanation": None} == plain
    assert client.get("/signal/index?explain=perhaps").status_code == 422


def test_each_of_the_two_answers_has_its_own_tag(client: TestClient) -> None:
    """Asked again with its tag it is 304; with the other's it is told again."""
    tags = {path: client.get(path).headers["etag"] for path in ("/signal/index", "/signal/index?explain=true")}
    assert len(set(tags.values())) == 2
    for path, tag in tags.items():
        assert client.get(path).headers["etag"] == tag
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
        other_tag = next(candidate for candidate in tags.values() if candidate != tag)
        assert client.get(path, headers={"If-None-Match": other_tag}).status_code == 200
