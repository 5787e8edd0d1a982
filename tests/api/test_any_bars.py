"""Whatever bars are posted: an answer that does not contradict itself, or a refusal that says what is wrong; never a 500."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.schemas import MAX_BARS
from tests.support.servers import in_process, newest_bars

FIELDS = ("open", "high", "low", "close", "volume")
ODD = (
    float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, 0.0, -0.0, -1.0, 10**400, True, None, "", "1.0",
    "NaN", [], {}, [[1.0]], {"a": {"b": {}}},
)  # fmt: skip
STAMPS = (
    "", "yesterday", "2025-06-17", "2025-06-17T16:30:00", "2025-06-17T16:30:00Z", "2025-06-17T18:30:00+02:00",
    "2025-06-17T16:30:00.5Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2999-01-01T00:00:00Z", 1750177800, None,
)  # fmt: skip
NAMES = (
    "S001",
    "NOBODY",
    "\u00dcn\u00ef\u4e2d\u6587\U0001f600",
    "../../etc/passwd",
    "\u202e",
    " ",
    "",
    "x" * 41,
    "\ud800",
    None,
    7,
)
Change = Callable[[dict[str, Any], int, Any], None]


@pytest.fixture(scope="module")
def running(trained_home: Path) -> Iterator[tuple[TestClient, dict[str, Any]]]:
    """A server, and sixty bars that it answers."""
    with in_process(trained_home) as client:
        yield client, newest_bars(trained_home)


def _field(name: str) -> Change:
    def change(body: dict[str, Any], at: int, value: Any) -> None:
        body["bars"][at][name] = value

    return change


def _missing(name: str) -> Change:
    def change(body: dict[str, Any], at: int, _: Any) -> None:
        del body["bars"][at][name]

    return change


def _swapped(body: dict[str, Any], at: int, _: Any) -> None:
    bar = body["bars"][at]
    bar["high"], bar["low"] = bar["low"], bar["high"]


def _earlier(body: dict[str, Any], at: int, _: Any) -> None:
    body["bars"].insert(0, body["bars"].pop(at))


def _twice(body: dict[str, Any], at: int, _: Any) -> None:
    body["bars"].insert(at, copy.deepcopy(body["bars"][at]))


def _fewer(body: dict[str, Any], at: int, _: Any) -> None:
    del body["bars"][at:]


def _hole(body: dict[str, Any], at: int, _: Any) -> None:
    del body["bars"][at]


def _column(body: dict[str, Any], at: int, _: Any) -> None:
    rows = body["bars"]
    body["bars"] = {name: [row.get(name) for row in rows] for name in ("timestamp", *FIELDS)}
    body["bars"][FIELDS[at % 5]] = body["bars"][FIELDS[at % 5]][: at + 1]


def _replaced(name: str) -> Change:
    def change(body: dict[str, Any], _: int, value: Any) -> None:
        body[name] = value

    return change


CHANGES = st.one_of(
    st.tuples(
        st.sampled_from([_field(name) for name in FIELDS]), st.integers(0, 59), st.sampled_from(ODD) | st.floats()
    ),
    st.tuples(st.just(_field("timestamp")), st.integers(0, 59), st.sampled_from(STAMPS)),
    st.tuples(st.sampled_from([_missing(name) for name in ("timestamp", *FIELDS)]), st.integers(0, 59), st.none()),
    st.tuples(st.sampled_from([_swapped, _earlier, _twice, _fewer, _hole, _column]), st.integers(0, 59), st.none()),
    st.tuples(st.just(_replaced("symbol")), st.just(0), st.sampled_from(NAMES)),
    st.tuples(st.just(_replaced("interval")), st.just(0), st.sampled_from(["1m", "1d", "2h", "", None, 3600])),
    st.tuples(st.just(_replaced("stamp")), st.just(0), st.sampled_from(["end", "middle", None])),
    st.tuples(
        st.just(_replaced("bars")), st.just(0), st.sampled_from([[], {}, None, [None], [[]], "bars", {"open": []}])
    ),
    st.tuples(st.just(_replaced("extra")), st.just(0), st.sampled_from(ODD)),
)


def _post(client: TestClient, body: dict[str, Any]) -> Any:
    """As written, NaN and all; a lone surrogate goes as its escape."""
    return client.post("/predict", content=json.dumps(body).encode(), headers={"content-type": "application/json"})


@pytest.mark.long
def test_any_change_is_answered_or_refused_with_a_reason(running) -> None:
    """200 with probabilities that sum to 1 and an action that is theirs, or 422 with a sentence; both come about."""
    client, valid_body = running
    statuses: set[int] = set()

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(changes=st.lists(CHANGES, min_size=1, max_size=3))
    def check_changed(changes) -> None:
        body = copy.deepcopy(valid_body)
        for change, at, value in changes:
            try:
                change(body, at, value)
            except (IndexError, KeyError, TypeError, AttributeError):
                continue  # an earlier change took away what this one would have altered
        response = _post(client, body)
        statuses.add(response.status_code)
        document = response.json()
        assert response.status_code in (200, 422), response.text
        if response.status_code == 422:
            assert document["detail"].endswith(".")
            assert document["title"] in {"BadBars", "TooFewBars", "Malformed", "IntervalMismatch"}
            return
        probabilities = document["probabilities"]
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-9)
        assert all(0 <= share <= 1 for share in probabilities.values())
        assert document["confidence"] == max(probabilities.values())

    check_changed()
    assert statuses == {200, 422}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 10**400, "1.0", None, [1.0]])
def test_what_is_no_number_of_a_bar_is_never_answered(running, name, value) -> None:
    """However the rest of the bars looks."""
    client, valid_body = running
    body = copy.deepcopy(valid_body)
    body["bars"][30][name] = value
    response = _post(client, body)
    assert response.status_code == 422
    assert all(row.get("bar", 30) == 30 for row in response.json()["rows"])


def test_absurd_prices_are_answered_within_bounds(running) -> None:
    """A price of 1e308 that keeps the bar contract is the sender's to know; nothing overflows."""
    client, valid_body = running
    for price in (1e308, 5e-324):
        body = copy.deepcopy(valid_body)
        body["bars"][-1] |= dict.fromkeys(("open", "high", "low", "close"), price)
        response = _post(client, body)
        assert response.status_code == 200, response.text
        assert sum(response.json()["probabilities"].values()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("count", "status"), [(0, 422), (1, 422), (59, 422), (60, 200), (MAX_BARS + 1, 422), (100_000, 413)]
)
def test_the_number_of_bars_has_bounds(running, count, status) -> None:
    """Too few say how many are needed; too many are refused by their number, or by the size of the body."""
    client, valid_body = running
    rows = (valid_body["bars"] * (count // 60 + 1))[len(valid_body["bars"]) * (count // 60 + 1) - count :]
    response = _post(client, {**valid_body, "symbol": "NOT_STORED", "bars": rows})
    assert response.status_code == status, response.text
