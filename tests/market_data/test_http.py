"""HTTP: bars of any platform, against a real one that is slow, flaky, wrong, paged, rate limited, and lies about types."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from market_master.config import load
from market_master.domain import (
    OHLCV,
    ConfigError,
    FetchCoverage,
    MalformedAnswer,
    NoBars,
    ProviderAway,
    ProviderRefused,
    iso,
)
from market_master.market_data.ingest import update_store
from market_master.market_data.providers import Query
from market_master.market_data.providers.http import Http
from market_master.market_data.providers.simulated import Simulated
from tests.support.market_platform import Request, platform

NOW = int(pd.Timestamp("2025-07-01T00:00Z").timestamp())
SYMBOLS = ("S001", "S002", "S003")
SERIES = Simulated(symbols=5, sessions=40, imperfections=()).fetch(Query((), "24/7", "1h", NOW)).series
BARS = len(SERIES["S001"]["bar_end"])
UNAVAILABLE = (503, {}, b"busy")


def rows_of(request: Request, symbol: str | None = None) -> list[dict[str, Any]]:
    """Rows from `start` on, at most `limit`, oldest first; stamps are bar starts in milliseconds."""
    columns = SERIES.get(symbol or request.query.get("symbol", ""), {name: [] for name in ("bar_end", *OHLCV)})
    rows = [
        {"time": (int(end) - 3600) * 1000, **{name: float(columns[name][at]) for name in OHLCV}}
        for at, end in enumerate(columns["bar_end"])
    ]
    later = [row for row in rows if row["time"] >= int(request.query.get("start", 0))]
    return later[: int(request.query.get("limit", len(later)))]


def fetch(url: str, wanted: tuple[str, ...] = SYMBOLS, **options: Any) -> Any:
    """A fetch that waits for nothing."""
    sleep = options.pop("sleep", lambda _: None)
    return Http(base_url=url, sleep=sleep, **options).fetch(Query(wanted, "24/7", "1h", NOW))


def require_all(fetched: Any, symbols: tuple[str, ...] = SYMBOLS) -> None:
    """Every bar of the symbols is there, with its values."""
    assert tuple(fetched.series) == symbols
    for symbol in symbols:
        for name in ("bar_end", *OHLCV):
            np.testing.assert_allclose(fetched.series[symbol][name], SERIES[symbol][name], rtol=1e-12)


def by_position(request: Request) -> Any:
    """Rows as lists of text, in an envelope."""
    return {"result": {"list": [[str(value) for value in row.values()] for row in rows_of(request)]}}


def in_words(request: Request) -> Any:
    """Stamps of bar ends as ISO 8601, other names, the symbol in the path."""
    start = datetime.fromisoformat(request.query["from"]).timestamp() * 1000 if "from" in request.query else 0
    rows = rows_of(request, request.path.split("/")[2])
    stamps = [datetime.fromtimestamp(row["time"] / 1000, UTC) + timedelta(hours=1) for row in rows]
    return [
        {"t": stamp.isoformat(), **{name[0]: row[name] for name in OHLCV}}
        for stamp, row in zip(stamps, rows, strict=True)
        if stamp.timestamp() * 1000 >= start
    ][:500]


def numbered(request: Request) -> Any:
    """Pages of 300 from 1 on."""
    first = 300 * (int(request.query["page"]) - 1)
    return {"data": rows_of(request)[first : first + 300]}


def with_cursor(request: Request) -> Any:
    """Pages of 300, each with the next one's cursor."""
    first = int(request.query.get("after", 0))
    following = first + 300 if first + 300 < BARS else None
    return {"data": rows_of(request)[first : first + 300], "meta": {"next": following}}


PLATFORMS: dict[str, tuple[Callable[[Request], Any], dict[str, Any]]] = {
    "by time": (rows_of, {"pages": {"limit": 250}}),
    "all at once": (rows_of, {"pages": {"by": "none", "limit": 5000}}),
    "text by position": (
        by_position,
        {"rows": "result.list", "numbers": "text", "fields": dict(zip(("time", *OHLCV), range(6), strict=True))},
    ),
    "ISO ends, symbol in the path": (
        in_words,
        {
            "path_template": "/bars/{symbol}/{interval}", "query": {"from": "{start}"}, "time_format": "iso", "stamp": "end",
            "fields": {"time": "t", **{name: name[0] for name in OHLCV}},
        },
    ),
    "numbered pages": (
        numbered,
        {"rows": "data", "query": {"symbol": "{symbol}", "page": "{page}"}, "pages": {"by": "page"}},
    ),
    "cursors": (
        with_cursor,
        {
            "rows": "data", "query": {"symbol": "{symbol}", "after": "{cursor}"},
            "pages": {"by": "cursor", "cursor": "meta.next"},
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PLATFORMS)
def test_any_platform_gives_all_bars(kind: str) -> None:
    """Whatever its paging, names, envelope and time format are."""
    respond, options = PLATFORMS[kind]
    with platform(respond) as running:
        require_all(fetch(running.url, **options))


def test_a_day_is_a_session_date() -> None:
    """A date, or a midnight in UTC, is the session's; the newest day is forming."""
    days = [
        {"time": f"2025-03-{day:02d}", **dict.fromkeys(OHLCV, 10.0)}
        for day in (6, 7, 10, 11, 12)  # with the weekend left out, as New York's are
    ]
    noon = int(pd.Timestamp("2025-03-12T12:00Z").timestamp())
    with platform(lambda _: days) as running:
        provider = Http(base_url=running.url, time_format="date", pages={"by": "none"})
        ends = provider.fetch(Query(("S001",), "XNYS", "1d", noon)).series["S001"]["bar_end"]
        counted = [{**row, "time": int(pd.Timestamp(row["time"], tz="UTC").timestamp())} for row in days]
        running.respond = lambda _: counted
        provider = Http(base_url=running.url, time_format="s", pages={"by": "none"})
        again = provider.fetch(Query(("S001",), "XNYS", "1d", noon)).series["S001"]["bar_end"]
    assert [iso(end)[5:16] for end in ends] == ["03-06T21:00", "03-07T21:00", "03-10T20:00", "03-11T20:00"]
    np.testing.assert_array_equal(ends, again)


def test_names_and_key_are_the_platforms() -> None:
    """Symbols and intervals are translated, and the key goes as the header that it wants."""
    with platform(lambda request: rows_of(request, "S001")) as running, pytest.MonkeyPatch.context() as patch:
        options = {
            "symbols": {"S001": "X:ONE"}, "intervals": {"1h": "60min"},
            "auth": {"env": "PLATFORM_KEY", "header": "X-Key", "prefix": "Token "},
        }  # fmt: skip
        with pytest.raises(ConfigError, match="PLATFORM_KEY, which is not set"):
            fetch(running.url, ("S001",), **options)
        patch.setenv("PLATFORM_KEY", "secret")
        require_all(fetch(running.url, ("S001",), **options), ("S001",))
    asked = running.requests[0]
    assert (asked.query["symbol"], asked.query["interval"]) == ("X:ONE", "60min")
    assert asked.headers["X-Key"] == "Token secret"


@pytest.mark.parametrize(
    "trouble",
    [UNAVAILABLE, (500, {}, b""), (429, {}, b"slow down"), (0, {}, b""), (200, {"Content-Length": "99"}, b"[")],
)
def test_what_passes_is_waited_for(trouble: Any) -> None:
    """Refused, broken off, or cut short: asked again, and nothing is lost."""
    with platform(rows_of, trouble, trouble) as running:
        if trouble[1]:
            running.troubles[:] = [(0, {}, b"")] * 2
        require_all(fetch(running.url))


def test_retry_after_is_honoured() -> None:
    """In seconds or as a date; one longer than a minute is an error at once, with the number."""
    pauses: list[float] = []
    ahead = (datetime.now(UTC) + timedelta(seconds=30)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    with platform(rows_of, (429, {"Retry-After": "17"}, b""), (503, {"Retry-After": ahead}, b"")) as running:
        require_all(fetch(running.url, ("S001",), sleep=pauses.append), ("S001",))
        assert pauses[0] == 17
        assert 25 < pauses[1] <= 30
        running.troubles.append((429, {"Retry-After": "3600"}, b""))
        with pytest.raises(ProviderAway, match="asks to wait 3600 s"):
            fetch(running.url, ("S001",))


def test_pauses_grow_and_differ() -> None:
    """Exponential, with jitter, and five tries in all."""
    pauses: list[float] = []
    with (
        platform(rows_of, *[UNAVAILABLE] * 10) as running,
        pytest.raises(ProviderAway, match=r"in 5 tries \(status 503"),
    ):
        fetch(running.url, ("S001",), sleep=pauses.append)
    assert len(pauses) == 4
    assert all(0.5 * 2**at <= pause <= 0.5 * 2**at + 0.5 for at, pause in enumerate(pauses))
    assert len({round(pause % 0.5, 6) for pause in pauses}) > 1


@pytest.mark.parametrize("trouble", [1.0, (200, {"X-Drip": "1"}, b'[{"time": 1, "open": 1}]' * 40)])
def test_a_slow_answer_is_given_up(trouble: Any) -> None:
    """Silence, and a byte now and then, both end at the timeout."""
    with platform(rows_of, trouble, trouble) as running, pytest.raises(ProviderAway, match="in 2 tries"):
        fetch(running.url, ("S001",), timeout=0.2, attempts=2)


def test_the_circuit_opens() -> None:
    """After so many failures in a row a dead platform is not asked any more."""
    symbols = tuple(f"S{at:03d}" for at in range(1, 31))
    with platform(lambda _: UNAVAILABLE) as running:
        with pytest.raises(ProviderAway, match="no answer in 2 tries"):
            fetch(running.url, symbols, attempts=2, failures=3, connections=1)
        assert len(running.requests) == 6


def test_the_rate_is_kept() -> None:
    """No second of the platform's own clock sees more than was allowed."""
    with platform(rows_of) as running:
        Http(base_url=running.url, rate_limit="5/second", pages={"limit": 100}).fetch(
            Query(("S001",), "24/7", "1h", NOW)
        )
        moments = [request.moment for request in running.requests]
    assert len(moments) > 8
    assert all(later - first > 0.9 for first, later in zip(moments, moments[5:], strict=False))


LIES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "text": (lambda row: {**row, "open": "10.5"}, r"Expected `float`, got `str` - at `\$\[2\].open`"),
    "truth": (lambda row: {**row, "close": True}, "Expected `float`, got `bool`"),
    "null": (lambda row: {**row, "volume": None}, "Expected `float`, got `null`"),
    "a date": (lambda row: {**row, "time": "2025-03-12"}, "Expected `float`, got `str`"),
    "no close": (
        lambda row: {name: row[name] for name in row if name != "close"},
        "its row 2 has not all of time, open",
    ),
    "a number": (lambda _: 3, "its row 2 has not all of"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_about_types_are_refused(lie: str) -> None:
    """None of the symbol's bars is taken, and the sentence names row and field."""
    alter, sentence = LIES[lie]

    def respond(request: Request) -> Any:
        rows: list[Any] = rows_of(request)
        return [*rows[:2], alter(rows[2]), *rows[3:]] if request.query["symbol"] == "S001" else rows

    with platform(respond) as running:
        with pytest.raises(MalformedAnswer, match=sentence):
            fetch(running.url, ("S001",))
        fetched = fetch(running.url)
        require_all(fetched, ("S002", "S003"))
        assert set(fetched.failures) == {"S001"}


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        ((200, {}, b"<html>maintenance</html>"), MalformedAnswer, "answered no JSON"),
        ((200, {}, b'[{"time": 1, "open": NaN}]'), MalformedAnswer, "answered no JSON"),
        ({"error": "limit reached"}, MalformedAnswer, "there are no rows at 'data' of .*limit reached"),
        ((401, {}, b"who are you"), ProviderRefused, "answered 401: 'who are you'; look at the key"),
        ((302, {"Location": "http://elsewhere"}, b""), ProviderRefused, "answered 302"),
        ((404, {}, b"unknown"), NoBars, "no 1h bars of S001 for the 720d"),
        ({"data": []}, NoBars, "no 1h bars of S001"),
    ],
)
def test_wrong_answers_have_their_names(content: Any, error: type[Exception], sentence: str) -> None:
    """Each kind is an error of its own, at once."""
    with platform(lambda _: content) as running:
        with pytest.raises(error, match=sentence):
            fetch(running.url, ("S001",), rows="data")
        assert len(running.requests) == 1


@pytest.mark.parametrize("by", ["page", "cursor"])
def test_a_history_without_end_is_refused(by: str) -> None:
    """The same page or cursor again, or more pages than anybody has."""
    query = {"symbol": "{symbol}", "p": "{page}", "c": "{cursor}"}
    options = {"rows": "data", "query": query, "pages": {"by": by, "most": 5}}
    count = itertools.count(1)

    def endless(request: Request) -> Any:
        at = next(count)
        return {"data": rows_of(request)[at : at + 10], "next": f"c{at}"}

    with platform(lambda request: {"data": rows_of(request)[:10], "next": "same"}) as running:
        with pytest.raises(MalformedAnswer, match=r"repeats the one before|comes twice"):
            fetch(running.url, ("S001",), **options)
        running.respond = endless
        with pytest.raises(MalformedAnswer, match="no end after 5 answers"):
            fetch(running.url, ("S001",), **options)


def test_four_fifths_of_the_universe_are_enough(tmp_path: Path) -> None:
    """The 80 % rule: 4 of 5 symbols make a run, 3 don't, and the sentence says why."""
    missing: set[str] = {"S005"}

    def respond(request: Request) -> Any:
        return (403, {}, b"not subscribed") if request.query["symbol"] in missing else rows_of(request)

    with platform(respond) as running:
        config = tmp_path / "market.yaml"
        config.write_text(
            "name: market\ncalendar: 24/7\nuniverse: {symbols: [S001, S002, S003, S004, S005]}\n"
            f"provider: {{kind: http, base_url: '{running.url}'}}\n"
        )
        settings = load(config, {})
        assert update_store(settings, tmp_path, NOW).symbols == ("S001", "S002", "S003", "S004")
        missing.add("S004")
        with pytest.raises(FetchCoverage, match=r"Only 60.0% .* S004, S005. S004: .* answered 403: 'not subscribed'"):
            update_store(settings, tmp_path, NOW)


def test_settings_are_checked_when_they_are_read(tmp_path: Path) -> None:
    """A placeholder, a rate or a key that there is not is a sentence."""
    for line, sentence in {
        "path_template: '/x/{ticker}'": "may hold symbol, interval",
        "rate_limit: often": "couldn't parse",
        "pages: {by: magic}": "provider.http.pages.by",
        "token: abc": "'provider.http.token' is not a setting",
    }.items():
        config = tmp_path / "c.yaml"
        config.write_text(f"name: x\nprovider:\n  kind: http\n  base_url: http://x\n  {line}\n")
        with pytest.raises(ConfigError, match=sentence):
            load(config, {})


def test_the_source_is_what_makes_the_bars() -> None:
    """Other fields are another source; another patience is not."""
    first = Http(base_url="http://x").source
    assert Http(base_url="http://x", timeout=3, rate_limit="1/second").source == first
    assert Http(base_url="http://x", fields={"close": "adjusted"}).source != first
