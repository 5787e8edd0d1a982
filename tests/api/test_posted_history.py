"""A client may post one bar at a time: the rest comes from the store, or the refusal says what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from market_master.domain import OHLCV, Bars, iso
from market_master.registry.champion import load_champion
from tests.support.servers import MODEL, in_process, newest_bars, own_copy


@pytest.fixture(scope="module")
def home(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_copy(trained_home, tmp_path_factory.mktemp("posted"))


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[TestClient]:
    with in_process(home) as running:
        yield running


def posted(home: Path, count: int) -> dict[str, Any]:
    """The newest stored bars of S001."""
    return newest_bars(home, "S001", count)


def following(home: Path, skipped: int = 0) -> dict[str, Any]:
    """A request with one bar that the calendar has after the newest stored one."""
    request = posted(home, 1)
    bars: Bars = load_champion(home, MODEL).store(home).bars(("S001",), last=1)
    schedule = bars.timetable.between(bars.newest, bars.newest)
    at = int(schedule.by_end(bars.bar_end)[0]) + 1 + skipped
    request["bars"][0]["timestamp"] = iso(int(schedule.start[at]))
    return request


@pytest.mark.parametrize("count", [1, 7, 59])
def test_few_bars_get_the_answer_of_many(client: TestClient, home: Path, count: int) -> None:
    """The same probabilities to the bit, and how many bars came from where; by record and by column."""
    whole = client.post("/predict", json=posted(home, 60)).json()
    request = posted(home, count)
    by_column = {**request, "bars": {name: [bar[name] for bar in request["bars"]] for name in request["bars"][0]}}
    for body in (request, by_column):
        few = client.post("/predict", json=body).json()
        assert few["probabilities"] == whole["probabilities"]
        assert few["provenance"]["history"] == {"posted": count, "stored": 60 - count}
    assert whole["provenance"]["history"] == {"posted": 60, "stored": 0}
    assert client.get("/predict/S001").json()["provenance"]["history"] == {"posted": 0, "stored": 60}


def test_a_new_bar_is_answered_before_it_is_stored(client: TestClient, home: Path) -> None:
    """It is the calendar's next after the store's newest."""
    answer = client.post("/predict", json=following(home))
    assert answer.status_code == 200, answer.text
    assert answer.json()["provenance"]["history"] == {"posted": 1, "stored": 59}


def test_a_bar_too_far_ahead_names_those_between(client: TestClient, home: Path) -> None:
    """422 with the calendar's missing bars."""
    problem = client.post("/predict", json=following(home, skipped=2)).json()
    assert (problem["status"], problem["title"], problem["bars_missing"]) == (422, "HistoryGap", 2)
    assert len(problem["missing"]) == 2


def test_a_bar_that_the_store_has_otherwise_is_refused_with_both_values(client: TestClient, home: Path) -> None:
    """A close that was adjusted since."""
    request = posted(home, 3)
    stored = request["bars"][1]["volume"]
    request["bars"][1]["volume"] = stored + 1000
    problem = client.post("/predict", json=request).json()
    assert (problem["status"], problem["title"]) == (422, "HistoryDisagrees")
    (row,) = problem["rows"]
    assert (row["field"], row["posted"], row["stored"]) == ("volume", stored + 1000, stored)


def test_too_few_of_both_is_refused_with_the_numbers(client: TestClient, home: Path) -> None:
    """A symbol that the store does not know, or one that has no older bars there than a few."""
    problem = client.post("/predict", json={**posted(home, 5), "symbol": "NEW"}).json()
    assert (problem["status"], problem["title"]) == (422, "TooFewBars")
    assert (problem["given"], problem["needed"]) == (5, 60)
    bars = load_champion(home, MODEL).store(home).bars(("S001",), last=20)
    load_champion(home, MODEL).store(home).append(bars.timetable, {"YOUNG": bars.series("S001")})
    problem = client.post("/predict", json={**posted(home, 5), "symbol": "YOUNG"}).json()
    assert (problem["given"], problem["stored"], problem["needed"]) == (5, 15, 60)
    assert "post the 40 before those too" in problem["detail"]


def test_in_a_batch_each_item_is_completed_by_itself(client: TestClient, home: Path) -> None:
    """One bar, sixty bars, and one that can't be."""
    items = [posted(home, 1), posted(home, 60), {**posted(home, 1), "symbol": "NEW"}]
    first, second, third = client.post("/predict/batch", json={"items": items}).json()
    assert first["probabilities"] == second["probabilities"]
    assert third["title"] == "TooFewBars"


def test_an_answer_made_with_the_store_is_not_given_for_another_store(client: TestClient, home: Path) -> None:
    """The cache knows the state of the store: after a new bar the same single bar is looked at anew."""
    request = following(home)
    before = client.post("/predict", json=request).json()
    bars = load_champion(home, MODEL).store(home).bars(("S001",), last=1)
    ends = bars.timetable.between(bars.newest, bars.newest).end
    columns = {name: np.array([request["bars"][0][name]], dtype=float) for name in OHLCV}
    columns |= {"bar_end": ends[ends > bars.newest][:1], "volume": np.array([7.0])}
    load_champion(home, MODEL).store(home).append(bars.timetable, {"S001": columns})
    after = client.post("/predict", json=request).json()
    assert before["action"]
    assert after["title"] == "HistoryDisagrees"
