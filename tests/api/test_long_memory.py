"""A version of long memory is served: its features reach further back than a year of days, or a month of hours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from market_master.domain.clock import iso
from market_master.registry.champion import load_champion
from tests.support.servers import MODEL, in_process, newest_bars, own_copy

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("market")]
REACH = 481
"""bars of a symbol that the longest feature needs, with the newest one"""


@pytest.fixture(scope="module")
def home(market_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_copy(market_home, tmp_path_factory.mktemp("long"))


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[TestClient]:
    with in_process(home) as running:
        yield running


@pytest.fixture(scope="module")
def next_start(home: Path) -> str:
    """Start of the calendar's bar after the store's newest one."""
    champion = load_champion(home, MODEL)
    end = champion.store(home).recent().newest()
    starts = champion.card.times.between(end, end).start
    return iso(int(starts[starts >= end][0]))


def history(home: Path, symbol: str, count: int, next_start: str | None = None) -> dict[str, Any]:
    """A symbol's newest stored bars; the newest of them moved to the calendar's next, if that is given."""
    request = newest_bars(home, symbol, count)
    if next_start:
        request["bars"][-1]["timestamp"] = next_start
    return request


def others(home: Path, count: int, next_start: str | None = None) -> dict[str, Any]:
    """The market beside S002, as a request's context."""
    members = load_champion(home, MODEL).card.members
    return {symbol: history(home, symbol, count, next_start)["bars"] for symbol in members if symbol != "S002"}


def test_the_index_has_its_signal_and_its_explanation(client: TestClient, home: Path) -> None:
    """All constituents are answered for, at the newest bar and at the one before."""
    assert load_champion(home, MODEL).required_bars == REACH
    signal = client.get("/signal/index").json()
    assert (len(signal["constituents"]), signal["missing"]) == (10, [])
    assert signal["coverage"] == pytest.approx(1.0)
    explained = client.get("/signal/index?explain=true").json()
    assert explained["explanation"]["reason"] == ""
    assert len(explained["explanation"]["moves"]) == 10


def test_sixty_rows_of_features_have_all_their_values(client: TestClient) -> None:
    """The first of them looks back as far as the newest: 540 bars are at hand."""
    rows = client.get("/features/S002?lookback=60").json()["rows"]
    assert len(rows) == 60
    assert [row["bar_end"] for row in rows if None in row["values"].values()] == []


def test_one_new_bar_is_enough(client: TestClient, home: Path, next_start: str) -> None:
    """The rest of the symbol's, and of the market's, comes from the store."""
    request = {**history(home, "S002", 1, next_start), "context": others(home, 1, next_start)}
    prediction = client.post("/predict", json=request).json()
    assert prediction["provenance"]["history"] == {"posted": 1, "stored": REACH - 1}
    whole = {**history(home, "S002", REACH), "context": others(home, REACH)}
    for symbol, bars in {"S002": whole["bars"], **whole["context"]}.items():
        bars[:] = [*bars[1:], {**bars[-1], "timestamp": next_start}]
        assert len(bars) == REACH, symbol
    alone = client.post("/predict", json=whole).json()
    assert alone["provenance"]["history"] == {"posted": REACH, "stored": 0}
    assert prediction["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-9)


def test_posted_bars_alone_get_the_stored_answer(client: TestClient, home: Path) -> None:
    """Of the symbol only, with the market of the store; and of the whole market, as if nothing were stored."""
    stored = client.get("/predict/S002").json()
    request = history(home, "S002", REACH)
    for context in ({}, others(home, REACH)):
        prediction = client.post("/predict", json={**request, "context": context}).json()
        assert prediction["provenance"]["history"] == {"posted": REACH, "stored": 0}
        assert prediction["probabilities"] == pytest.approx(stored["probabilities"], abs=1e-9)


def test_one_bar_less_is_refused_with_the_numbers(client: TestClient, home: Path) -> None:
    """Of a symbol that the store does not know."""
    problem = client.post("/predict", json={**history(home, "S002", REACH - 1), "symbol": "NEW"}).json()
    assert (problem["title"], problem["given"], problem["needed"]) == ("TooFewBars", REACH - 1, REACH)


@pytest.mark.parametrize(("known", "missing"), [(0, 9), (6, 3)])
def test_a_market_that_is_missing_is_named(
    client: TestClient, home: Path, next_start: str, known: int, missing: int
) -> None:
    """In the words of before: at the bar that is asked about, too few others are stored or in `context`."""
    context = others(home, 1, next_start)
    names = sorted(context)
    request = {**history(home, "S002", 1, next_start), "context": {name: context[name] for name in names[:known]}}
    problem = client.post("/predict", json=request).json()
    assert (problem["status"], problem["title"], problem["missing"]) == (422, "ContextMissing", names[known:])
    assert problem["detail"] == (
        f"The champion looks at the whole market, and {missing} of 9 other symbols have no bar that ends "
        f"{problem['bar_end']}, neither stored nor in `context`: {', '.join(names[known:])}."
    )
