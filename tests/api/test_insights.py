"""Insights over the API and from the shell: what the room computes, with a link to the disclaimer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from market_master.domain.records import as_json
from market_master.insights.risk import position_sizes, risk
from market_master.market_data.store.recent import BARS_PER_SYMBOL
from market_master.registry.champion import load_champion
from tests.support.command_line import mm
from tests.support.servers import MODEL, in_process


@pytest.fixture(scope="module")
def client(trained_home: Path) -> Iterator[TestClient]:
    """A server over the trained home."""
    with in_process(trained_home) as running:
        yield running


def test_the_served_risk_is_the_rooms(client: TestClient, trained_home: Path) -> None:
    """Of the newest stored bars, with the position for a risk budget; alone, and among all insights."""
    bars = load_champion(trained_home, MODEL).store(trained_home).bars(last=BARS_PER_SYMBOL)
    assessed = risk(bars, "S001")
    served = client.get("/insights/S001/risk?equity=50000&budget=0.02")
    assert served.json()["risk"] == json.loads(json.dumps(as_json(assessed)))
    assert served.json()["position"] == pytest.approx(as_json(position_sizes(assessed, 50_000.0, 0.02)))
    assert client.get("/insights/S001").json() == {"symbol": "S001", "risk": served.json()["risk"]}


def test_the_shell_gives_the_same(client: TestClient, trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mm insights` as a document, and as a table."""
    monkeypatch.setenv("MM_HOME", str(trained_home))
    code, document, _ = mm("insights", "S001", "--json")
    assert code == 0
    assert json.loads(document)["risk"] == client.get("/insights/S001").json()["risk"]
    code, table, _ = mm("insights", "S001")
    assert code == 0
    assert "value at risk 95%" in table


@pytest.mark.parametrize("path", ["/insights/S001", "/insights/S001/risk"])
def test_insights_link_the_disclaimer(client: TestClient, path: str) -> None:
    """In the Link header, which leads to a text."""
    target = client.get(path).headers["link"].split(">")[0].lstrip("<")
    assert "no advice" in client.get(target).json()["disclaimer"]


@pytest.mark.parametrize("path", ["/insights/NONE", "/insights/NONE/risk"])
def test_an_unknown_symbol_is_404(client: TestClient, path: str) -> None:
    """As everywhere."""
    refused = client.get(path)
    assert (refused.status_code, refused.json()["title"]) == (404, "UnknownSymbol")


@pytest.mark.parametrize("query", ["equity=0", "equity=-1", "budget=0", "budget=1.5", "budget=half"])
def test_an_impossible_budget_is_422(client: TestClient, query: str) -> None:
    """With the field."""
    refused = client.get(f"/insights/S001/risk?{query}")
    assert (refused.status_code, refused.json()["title"]) == (422, "Malformed")
