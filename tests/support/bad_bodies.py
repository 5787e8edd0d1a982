"""Requests that the server refuses: one for each kind of refusal of each route that takes a body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from market_master.domain.bars import Bars
from market_master.domain.clock import iso
from market_master.registry.champion import load_champion
from tests.support.servers import MODEL, newest_bars

ADMIN = {"X-API-Key": "ruler"}
SHORT, BEHIND = "S099", "S098"
"""symbols of the store: one with 20 bars, and one whose bars end five bars before the others'"""
NO_JSON: Mapping[str, bytes] = {
    "predict: nothing": b"",
    "predict: no JSON": b"hello",
    "predict: half of it": b'{"symbol": "S001", "interval": "1h", "bars": [{"timest',
    "predict: not UTF-8": b'{"symbol": "\xff\xfe"}',
    "predict: nested too deeply": b'{"context": ' * 100_000,
    "predict: 8 MiB and a byte": b" " * (8 * 1024 * 1024 + 1),
}


@dataclass(frozen=True)
class BadRequest:
    """A request that is refused."""

    path: str
    content: bytes = b""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)


def add_symbols(home: Path) -> None:
    """Put SHORT and BEHIND into a home's store, with the bars of another symbol."""
    store = load_champion(home, MODEL).store(home)
    bars = store.bars(("S001",), last=100)
    parts: dict[str, Bars] = {SHORT: bars.tail(20), BEHIND: bars.take(np.arange(len(bars) - 5))}
    store.append(bars.timetable, {symbol: part.series("S001") for symbol, part in parts.items()})


def newest_end(home: Path) -> int:
    """End of the store's newest bar."""
    return int(load_champion(home, MODEL).store(home).bars(("S001",), last=1).bar_end[-1])


def bad_requests(home: Path) -> dict[str, BadRequest]:
    """All of them, by name, for the clock of a minute after the store's newest bar."""
    bodies = {name: _dumped(body) for name, body in predict_bodies(home).items()}
    predict = {name: BadRequest("/predict", content) for name, content in {**NO_JSON, **bodies}.items()}
    return {**predict, **_batches(), **_rollbacks(), **_trainings(), **_other_routes()}


def predict_bodies(home: Path) -> dict[str, Any]:
    """Bodies of POST /predict that are JSON."""
    whole = newest_bars(home)
    return {**_malformed(whole), **_broken_bars(whole), **_wrong_stamps(whole), **_too_few(home, whole)}


def _dumped(body: Any) -> bytes:
    return json.dumps(body).encode()


def _without(whole: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in whole.items() if key != name}


def _changed(whole: dict[str, Any], at: int, **values: Any) -> dict[str, Any]:
    """With other values in one bar."""
    bars = [{**bar, **values} if number == at else bar for number, bar in enumerate(whole["bars"])]
    return {**whole, "bars": bars}


def _by_column(whole: dict[str, Any]) -> dict[str, Any]:
    return {**whole, "bars": {name: [bar[name] for bar in whole["bars"]] for name in whole["bars"][0]}}


def _malformed(whole: dict[str, Any]) -> dict[str, Any]:
    """Not what the schema says."""
    by_column = _by_column(whole)
    bar = whole["bars"][0]
    bodies = {
        "null": None,
        "a list": [whole],
        "no symbol": _without(whole, "symbol"),
        "an empty symbol": {**whole, "symbol": ""},
        "a symbol of 41 letters": {**whole, "symbol": "S" * 41},
        "a symbol that is a number": {**whole, "symbol": 1},
        "no interval": _without(whole, "interval"),
        "an unknown interval": {**whole, "interval": "7h"},
        "no bars": _without(whole, "bars"),
        "bars that are null": {**whole, "bars": None},
        "bars that are text": {**whole, "bars": "60"},
        "5,001 bars": {**whole, "bars": [bar] * 5001},
        "5,001 bars by column": {**whole, "bars": {name: [bar[name]] * 5001 for name in bar}},
        "a bar without a close": {**whole, "bars": [_without(bar, "close")]},
        "a close that is text": _changed(whole, 3, close="60.5"),
        "a close that is null": _changed(whole, 3, close=None),
        "a close that is true": _changed(whole, 3, close=True),
        "a time without a zone": _changed(whole, 3, timestamp="2025-06-18T13:30:00"),
        "a time that is none": _changed(whole, 3, timestamp="yesterday"),
        "a time that is a number": _changed(whole, 3, timestamp=1750253400),
        "a column that is missing": {**whole, "bars": _without(by_column["bars"], "volume")},
        "columns of two lengths": {**whole, "bars": {**by_column["bars"], "close": by_column["bars"]["close"][1:]}},
        "an unknown field": {**whole, "colour": 1},
        "an unknown stamp": {**whole, "stamp": "middle"},
        "a context that is a list": {**whole, "context": []},
        "a context of 1,001 symbols": {**whole, "context": {f"S{number}": [] for number in range(1001)}},
        "a context with half a bar": {**whole, "context": {"S002": [_without(bar, "open")]}},
        "another interval": {**whole, "interval": "5m"},
        "daily bars": {**whole, "interval": "1d"},
    }
    return {f"predict: {name}": body for name, body in bodies.items()}


def _broken_bars(whole: dict[str, Any]) -> dict[str, Any]:
    """Values that break the bar contract."""
    many = {**whole, "bars": [{**bar, "close": -1.0, "volume": -1.0} for bar in whole["bars"]]}
    bodies = {
        "a price of zero": _changed(whole, 7, open=0.0),
        "a price below zero": _changed(whole, 7, close=-1.0),
        "a close that is not a number": _changed(whole, 7, close=float("nan")),
        "a volume without end": _changed(whole, 7, volume=float("inf")),
        "a high below the close": _changed(whole, 7, high=0.01),
        "a low above the open": _changed(whole, 7, low=1e9),
        "a volume below zero": _changed(whole, 7, volume=-5.0),
        "sixty broken bars": many,
        "sixty broken bars by column": _by_column(many),
        "a broken bar of the context": {**whole, "context": {"S002": _changed(whole, 7, close=-1.0)["bars"]}},
    }
    return {f"predict: {name}": body for name, body in bodies.items()}


def _wrong_stamps(whole: dict[str, Any]) -> dict[str, Any]:
    """Times that break it."""
    bars = whole["bars"]
    bodies = {
        "a bar twice": {**whole, "bars": [*bars, bars[-1]]},
        "newest bar first": {**whole, "bars": bars[:4][::-1]},
        "off the grid": _changed(whole, 7, timestamp="2025-06-18T17:17:00Z"),
        "off by a part of a second": _changed(whole, 7, timestamp=bars[7]["timestamp"].replace("00Z", "00.5Z")),
        "on a Sunday": _changed(whole, 59, timestamp="2025-07-06T14:30:00Z"),
        "before there was a calendar": _changed(whole, 0, timestamp="1066-10-14T14:30:00Z"),
        "in two centuries": _changed(whole, 59, timestamp="2222-02-22T14:30:00Z"),
        "starts said to be ends": {**whole, "stamp": "end"},
    }
    return {f"predict: {name}": body for name, body in bodies.items()}


def _too_few(home: Path, whole: dict[str, Any]) -> dict[str, Any]:
    """Fewer bars than the features need, and others than the store has."""
    bars, strange = whole["bars"], {**whole, "symbol": "NOT_STORED"}
    later = [{**bars[-1], "timestamp": start} for start in _next_starts(home, 40)]
    changed = _changed({**whole, "bars": bars[-3:]}, 1, volume=bars[-2]["volume"] + 1000, close=bars[-2]["low"])
    bodies = {
        "no bar": {**whole, "bars": []},
        "no bar by column": {**whole, "bars": {name: [] for name in bars[0]}},
        "no bar of the context": {**whole, "context": {"S002": []}},
        "a bar that is still forming": {**whole, "bars": later[:1]},
        "five bars of a symbol that is not stored": {**strange, "bars": bars[-5:]},
        "59 bars of a symbol that is not stored": {**strange, "bars": bars[1:]},
        "two bars of a symbol that has too few stored": {**whole, "symbol": SHORT, "bars": bars[-2:]},
        "a bar that the store has with other values": changed,
        "a bar that the stored ones do not reach": {**whole, "symbol": BEHIND, "bars": bars[-1:]},
        "a hole after the stored ones": {**whole, "symbol": BEHIND, "bars": [bars[-8], *bars[-2:]]},
    }
    return {f"predict: {name}": body for name, body in bodies.items()}


def _next_starts(home: Path, count: int) -> list[str]:
    """Starts of the calendar's bars after the store's newest one."""
    end = newest_end(home)
    starts = load_champion(home, MODEL).card.times.between(end, end + 30 * 86400).start
    return [iso(start) for start in starts[np.searchsorted(starts, end) :][:count].tolist()]


def _batches() -> dict[str, BadRequest]:
    bodies: dict[str, Any] = {
        "no items": {},
        "items that are null": {"items": None},
        "1,001 items": {"items": [{}] * 1001},
        "an unknown field": {"items": [], "colour": 1},
    }
    requests = {f"batch: {name}": BadRequest("/predict/batch", _dumped(body)) for name, body in bodies.items()}
    no_json = {"no JSON": b'{"items": [{"symbol": "S001"', "nested too deeply": b'{"items": ' + b"[" * 100_000}
    return requests | {f"batch: {name}": BadRequest("/predict/batch", content) for name, content in no_json.items()}


def _rollbacks() -> dict[str, BadRequest]:
    wish = {"by": "anna", "reason": "serving errors since noon"}
    bodies: dict[str, Any] = {
        "nothing": None,
        "by nobody": {**wish, "by": ""},
        "no reason": {"by": "anna"},
        "a reason of 1,001 letters": {**wish, "reason": "x" * 1001},
        "an unknown field": {**wish, "force": True},
        "nothing to go back to": wish,
        "to the version that is served": {**wish, "to": "1"},
        "to a version that is not there": {**wish, "to": "99"},
        "to what is no version": {**wish, "to": "the last"},
    }
    requests = {
        f"rollback: {name}": BadRequest("/models/rollback", _dumped(body), headers=ADMIN)
        for name, body in bodies.items()
    }
    return {**requests, "rollback: without a key": BadRequest("/models/rollback", _dumped(wish))}


def _trainings() -> dict[str, BadRequest]:
    bodies: dict[str, Any] = {
        "a list": [],
        "an empty name": {"config": ""},
        "a flag that is text": {"dev": "yes"},
        "an unknown field": {"recipe": "demo"},
        "without Prefect": {},
    }
    requests = {f"train: {name}": BadRequest("/train", _dumped(body), headers=ADMIN) for name, body in bodies.items()}
    return {**requests, "train: without a key": BadRequest("/train", b"{}")}


def _other_routes() -> dict[str, BadRequest]:
    """Routes without a body, by their parameters, their method or their key."""
    return {
        "a key that is not known": BadRequest("/predict", b"{}", headers={"X-API-Key": "guess"}),
        "reload: with a reader's key": BadRequest("/models/reload", headers={"X-API-Key": "reader"}),
        "signal: posted": BadRequest("/signal/index"),
        "signal: explained perhaps": BadRequest("/signal/index?explain=perhaps", method="GET"),
        "signals: none": BadRequest("/signal/history?limit=0", method="GET"),
        "symbol: not stored": BadRequest("/predict/NOT_STORED", method="GET"),
        "symbol: too few bars": BadRequest(f"/predict/{SHORT}", method="GET"),
        "features: not stored": BadRequest("/features/NOT_STORED", method="GET"),
        "features: of 61 bars": BadRequest("/features/S001?lookback=61", method="GET"),
        "model: not there": BadRequest("/models/99", method="GET"),
        "training: no id": BadRequest("/train/7", method="GET", headers=ADMIN),
        "nowhere": BadRequest("/nowhere", method="GET"),
    }
