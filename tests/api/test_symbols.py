"""Symbols and their bars over the API: searched, paged, described, and the bars that the store holds."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from market_master.config.settings import Universe
from market_master.domain.bars import OHLCV
from market_master.domain.clock import iso
from market_master.market_data.store.recent import BARS_PER_SYMBOL
from market_master.registry.champion import load_champion
from tests.support.servers import MODEL, in_process


@pytest.fixture(scope="module")
def client(trained_home: Path) -> Iterator[TestClient]:
    """A server over the trained home."""
    with in_process(trained_home) as running:
        yield running


def test_pages_together_are_all_symbols(client: TestClient, trained_home: Path) -> None:
    """Three a page, in order of name, each once; the last page has no cursor."""
    stored = load_champion(trained_home, MODEL).store(trained_home).symbols()
    names, cursor = [], ""
    while cursor is not None:
        page = client.get("/symbols", params={"limit": 3, "cursor": cursor}).json()
        assert page["total"] == len(stored)
        names += [row["symbol"] for row in page["symbols"]]
        cursor = page["cursor"]
    assert names == sorted(stored)


def test_symbols_are_found_by_a_part_and_by_class(client: TestClient) -> None:
    """In any case; the simulated market has sessions, so no symbol of it is crypto."""
    assert [row["symbol"] for row in client.get("/symbols?q=s001").json()["symbols"]] == ["S001"]
    assert client.get("/symbols?q=nothing").json() == {"symbols": [], "total": 0, "cursor": None}
    assert client.get("/symbols?class=crypto").json()["total"] == 0
    assert client.get("/symbols?class=equity").json()["total"] > 0
    assert client.get("/symbols?class=bond").status_code == 422


def test_symbols_are_found_by_the_names_of_the_weights_file(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest name of each; a symbol that has none is found by itself."""
    table = tmp_path / "weights.csv"
    table.write_text(
        "symbol,weight,as_of,name\nOLD,1,2024-01-02,Olden Works\nS002,1,2024-01-02,Old Name\nS002,1,2024-06-03,Acme & Sons\n"
    )
    market = client.app.state.model_server.market()  # type: ignore[attr-defined]
    assert client.get("/symbols/S001").json()["name"] is None
    monkeypatch.setattr(market, "universe", Universe(index="I", weights=table, renamed={"OLD": "S003"}))
    names = {row["symbol"]: row["name"] for row in client.get("/symbols").json()["symbols"]}
    assert (names["S001"], names["S002"], names["S003"]) == (None, "Acme & Sons", "Olden Works")
    assert [row["symbol"] for row in client.get("/symbols?q=acme").json()["symbols"]] == ["S002"]
    assert [row["symbol"] for row in client.get("/symbols?q=s0").json()["symbols"]] == [
        name for name in sorted(names) if "S0" in name
    ]
    assert client.get("/symbols/S002").json()["name"] == "Acme & Sons"


def test_a_symbol_is_described_by_its_bars(client: TestClient, trained_home: Path) -> None:
    """Span, quality and weight are those of the stored bars and of the index signal."""
    held = load_champion(trained_home, MODEL).store(trained_home).bars(("S001",), last=BARS_PER_SYMBOL)
    row = client.get("/symbols/S001").json()
    assert (row["bars"], row["first"], row["last"]) == (len(held), iso(held.bar_start[0]), iso(held.newest))
    ends = held.timetable.between(int(held.bar_end[0]), held.newest).end
    expected = np.setdiff1d(ends[(ends >= held.bar_end[0]) & (ends <= held.newest)], held.bar_end)
    assert row["quality"] == {
        "missing": len(expected),
        "silent": int((held.volume == 0).sum()),
        "flat": int((held.high == held.low).sum()),
    }
    constituents = {one["symbol"]: one["weight"] for one in client.get("/signal/index").json()["constituents"]}
    assert row["weight"]["weight"] == pytest.approx(constituents["S001"], abs=1e-6)


def test_bars_are_the_stored_ones(client: TestClient, trained_home: Path) -> None:
    """To the bit, by column; cut by time and by number."""
    held = load_champion(trained_home, MODEL).store(trained_home).bars(("S002",), last=BARS_PER_SYMBOL)
    served = client.get("/bars/S002").json()["bars"]
    assert served["timestamp"] == [iso(start) for start in held.bar_start.tolist()]
    for name in OHLCV:
        assert served[name] == getattr(held, name).tolist()
    first, last = served["timestamp"][-20], served["timestamp"][-11]
    cut = client.get("/bars/S002", params={"from": first, "to": last}).json()["bars"]
    assert cut["timestamp"] == served["timestamp"][-20:-10]
    assert client.get("/bars/S002?limit=5").json()["bars"]["close"] == served["close"][-5:]
    assert client.get("/bars/S002?to=1999-01-01T00:00:00Z").json()["bars"]["close"] == []


def test_served_bars_may_be_posted(client: TestClient) -> None:
    """What /bars gives, /predict takes: the same prediction as from the store."""
    body = client.get("/bars/S001?limit=60").json()
    posted, stored = client.post("/predict", json=body).json(), client.get("/predict/S001").json()
    assert posted["probabilities"] == pytest.approx(stored["probabilities"], abs=1e-9)


def test_bars_are_compressed_and_tagged(client: TestClient) -> None:
    """A client that has them already gets 304; one that takes gzip gets fewer bytes of the same JSON."""
    whole = client.get("/bars/S001", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in whole.headers
    with client.stream("GET", "/bars/S001", headers={"Accept-Encoding": "gzip"}) as response:
        packed = b"".join(response.iter_raw())
    assert json.loads(gzip.decompress(packed)) == whole.json()
    assert len(packed) < len(whole.content) / 2
    again = client.get("/bars/S001", headers={"If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/symbols/NONE", "/bars/NONE"])
def test_an_unknown_symbol_is_404(client: TestClient, path: str) -> None:
    """As everywhere."""
    refused = client.get(path)
    assert (refused.status_code, refused.json()["title"]) == (404, "UnknownSymbol")


@pytest.mark.parametrize("query", ["from=yesterday", "limit=0", f"limit={BARS_PER_SYMBOL + 1}"])
def test_a_malformed_span_is_422(client: TestClient, query: str) -> None:
    """With the field."""
    refused = client.get(f"/bars/S001?{query}")
    assert (refused.status_code, refused.json()["title"]) == (422, "Malformed")
