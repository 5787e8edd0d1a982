"""Insights over the API and from the shell: what the room computes, with a link to the disclaimer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from market_master.domain.clock import now
from market_master.domain.records import as_json
from market_master.insights import MarketView, insights_of, newest_view
from market_master.insights.ranking import RANKED_BY, ranking
from market_master.insights.regime import regime
from market_master.insights.risk import position_sizes, risk
from market_master.registry.champion import load_champion
from tests.support.command_line import mm
from tests.support.servers import MODEL, in_process

SYMBOL_ROUTES = ["/insights/{}", "/insights/{}/risk", "/insights/{}/patterns", "/insights/{}/signals"]


@pytest.fixture(scope="module")
def client(trained_home: Path) -> Iterator[TestClient]:
    """A server over the trained home."""
    with in_process(trained_home) as running:
        yield running


@pytest.fixture(scope="module")
def view(trained_home: Path) -> MarketView:
    """The trained home's market."""
    return newest_view(load_champion(trained_home, MODEL), trained_home, now())


def plain(record: Any) -> Any:
    """A record as its JSON reads."""
    return json.loads(json.dumps(record if isinstance(record, dict) else as_json(record)))


def test_the_served_insights_are_the_rooms(client: TestClient, view: MarketView) -> None:
    """All of them, of the newest stored bar, with the reasons of those that can't be had."""
    records, reasons = insights_of(view, "S001")
    served = client.get("/insights/S001").json()
    assert served["reasons"] == reasons
    for name, record in records.items():
        assert served[name] == (record and plain(record)), name


def test_each_part_has_its_route(client: TestClient, view: MarketView) -> None:
    """Risk with the position for a budget, patterns, signals, and the market's regime."""
    whole = client.get("/insights/S001").json()
    served = client.get("/insights/S001/risk?equity=50000&budget=0.02").json()
    assert served["risk"] == whole["risk"]
    assert served["position"] == pytest.approx(as_json(position_sizes(risk(view, "S001"), 50_000.0, 0.02)))
    for name in ("patterns", "signals"):
        assert client.get(f"/insights/S001/{name}").json() == {"symbol": "S001", name: whole[name]}
    assert client.get("/regime").json() == whole["regime"] == plain(regime(view))


def test_no_source_speaks_without_its_record(client: TestClient) -> None:
    """Champion, candidates, baselines and all rules are there, each with a measure, a finding, and a reason."""
    signals = client.get("/insights/S001/signals").json()["signals"]
    assert {one["kind"] for one in signals} >= {"champion", "candidate", "baseline", "rule"}
    assert sum(one["kind"] == "rule" for one in signals) == 8
    assert signals[0]["says"] == client.get("/predict/S001").json()["action"]
    for one in signals:
        assert one["reason"]
        assert one["record"]["finding"] in ("evidence", "no evidence", "too few")
        assert one["says"] in (None, "buy", "sell", "hold", "strong_buy", "strong_sell")


@pytest.mark.parametrize("by", RANKED_BY)
def test_the_ranking_is_in_order(client: TestClient, view: MarketView, by: str) -> None:
    """The highest first, the unknown last, as the room ranks; limited, and the same from the shell."""
    served = client.get(f"/ranking?by={by}").json()
    assert served == plain(ranking(view, by))
    values = [row[by] for row in served["rows"]]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=True)
    assert values[len(known) :] == [None] * (len(values) - len(known))
    assert [row["rank"] for row in served["rows"]] == list(range(1, len(values) + 1))
    few = client.get(f"/ranking?by={by}&limit=2").json()
    assert (few["rows"], few["total"]) == (served["rows"][:2], len(values))


def test_the_ranking_is_tagged_and_knows_classes(client: TestClient) -> None:
    """A client that has it gets 304; the simulated market has no crypto."""
    first = client.get("/ranking")
    again = client.get("/ranking", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/ranking?class=equity").json() == first.json()
    assert client.get("/ranking?class=crypto").json()["rows"] == []
    assert client.get("/ranking?by=luck").status_code == 422


def test_posted_bars_have_the_insights_of_stored_ones(client: TestClient) -> None:
    """The last bars of the store, posted, come to the same; older ones to what was known then, without predictions of others."""
    body = client.get("/bars/S001?limit=60").json()
    assert client.post("/insights", json=body).json() == client.get("/insights/S001").json()
    body["bars"] = {name: column[:-10] for name, column in body["bars"].items()}
    earlier = client.post("/insights", json=body).json()
    assert earlier["as_of"] < client.get("/insights/S001").json()["as_of"]
    assert earlier["risk"]["price"] == body["bars"]["close"][-1] == earlier["price"]
    ranks = {part["name"]: part["rank"] for part in earlier["composite"]["parts"]}
    assert ranks["model"] == 50.0, "the only symbol with a prediction at that time"


@pytest.mark.parametrize("body", ["{}", '{"symbol":"S001","interval":"5m","bars":[]}', "none"])
def test_a_body_that_is_none_is_422(client: TestClient, body: str) -> None:
    """As for predictions."""
    assert client.post("/insights", content=body).status_code == 422


def test_the_shell_gives_the_same(client: TestClient, trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mm insights`, `mm ranking` and `mm regime`, as documents and as tables."""
    monkeypatch.setenv("MM_HOME", str(trained_home))
    whole = client.get("/insights/S001").json()
    for command, route in (
        (("insights", "S001"), {name: whole[name] for name in whole if name not in ("symbol", "as_of", "price")}),
        (("ranking", "--by", "risk"), client.get("/ranking?by=risk&limit=20").json()),
        (("regime",), client.get("/regime").json()),
    ):
        code, document, _ = mm(*command, "--json")
        assert code == 0
        assert json.loads(document) == route
        code, table, _ = mm(*command)
        assert code == 0
        assert len(table) > 100
    assert mm("ranking", "--by", "luck")[0] == 2


@pytest.mark.parametrize("path", [*(route.format("S001") for route in SYMBOL_ROUTES), "/ranking", "/regime"])
def test_insights_link_the_disclaimer(client: TestClient, path: str) -> None:
    """In the Link header, which leads to a text."""
    target = client.get(path).headers["link"].split(">")[0].lstrip("<")
    assert "no advice" in client.get(target).json()["disclaimer"]


@pytest.mark.parametrize("path", [route.format("NONE") for route in SYMBOL_ROUTES])
def test_an_unknown_symbol_is_404(client: TestClient, path: str) -> None:
    """As everywhere."""
    refused = client.get(path)
    assert (refused.status_code, refused.json()["title"]) == (404, "UnknownSymbol")


@pytest.mark.parametrize("query", ["equity=0", "equity=-1", "budget=0", "budget=1.5", "budget=half"])
def test_an_impossible_budget_is_422(client: TestClient, query: str) -> None:
    """With the field."""
    refused = client.get(f"/insights/S001/risk?{query}")
    assert (refused.status_code, refused.json()["title"]) == (422, "Malformed")


def test_bars_without_a_champion_are_shown(trained_home: Path, tmp_path: Path) -> None:
    """Symbols, bars, regime, risk and ranking need no model; what needs one says so in one form, with the command."""
    shutil.copytree(trained_home / "data" / "bars", tmp_path / "data" / "bars")
    with in_process(tmp_path) as bare:
        for path in ("/symbols", "/symbols/S001", "/bars/S001", "/regime", "/ranking", "/insights/S001/risk"):
            assert bare.get(path).status_code == 200, path
        partial = bare.get("/insights/S001").json()
        assert {name for name in ("regime", "composite", "risk") if partial[name]} == {"regime", "composite", "risk"}
        assert set(partial["reasons"]) == {"fundamentals", "patterns", "signals"}
        for path in ("/predict/S001", "/signal/index", "/features/S001"):
            refused = bare.get(path)
            assert (refused.status_code, refused.json()["title"]) == (503, "NoChampion")
            assert "make run" in refused.json()["detail"]
