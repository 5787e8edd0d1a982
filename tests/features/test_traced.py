"""A feature that can't be written into the graph is an error of its author's, that names the operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from market_master.features.engine import graph, windows
from market_master.features.engine.traced import TracedSeries, Untraceable, trace
from market_master.plugins import Plugin, load_family

UNTRACEABLE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an unknown function": (np.cumsum, "np.cumsum can't be traced"),
    "an unknown ufunc": (np.arctan, "np.arctan can't be traced; .* can"),
    "a reduction": (np.maximum.accumulate, "np.maximum.accumulate"),
    "an index": (lambda move: move[1:], r"\[slice\(1, None, None\)\] of a series can't be traced; use windows.lag"),
    "a condition": (lambda move: move if move > 0 else -move, "`if` on a series can't be traced.* use np.where"),
    "a loop": (lambda move: sum(move), "A loop over a series can't be traced"),
    "its length": (lambda move: np.zeros(len(move)), r"len\(\) of a series can't be traced"),
    "an array": (lambda move: np.asarray(move), "np.asarray of a series can't be traced"),
    "an array beside it": (lambda move: move + np.ones(5), r"an array of shape \(5,\) can't be traced"),
    "truth values as numbers": (
        lambda move: (move > 0) * 2.0,
        r"truth values; make numbers of them by astype\(float\)",
    ),
    "truth values in a window": (lambda move: windows.lag(move > 0, 1), "lag can't be traced with truth values"),
    "another type": (lambda move: (move > 0).astype(int), "float is the one type"),
    "no series at all": (lambda _: 1.0, "returns float, not a series"),
}


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[Any], Any]], None]]:
    """Puts a function in the place of the feature `rsi`."""

    def plant(function: Callable[[Any], Any]) -> None:
        def rsi(move: Any) -> Any:
            return function(move)

        known = load_family("features")
        monkeypatch.setitem(known, "rsi", Plugin("rsi", rsi, known["rsi"].metadata))
        graph.plan.cache_clear()

    yield plant
    graph.plan.cache_clear()


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_what_cannot_be_traced_says_so(name: str, planted: Callable[[Callable[[Any], Any]], None]) -> None:
    """The sentence names the feature and the operation, and where there is a way, the way."""
    function, message = UNTRACEABLE[name]
    planted(function)
    with pytest.raises(Untraceable, match=message) as caught:
        trace(["rsi"], 3600)
    assert str(caught.value).startswith("'rsi' ")


def test_equal_operations_on_equal_series_are_one() -> None:
    """Two features that compute the same mean share it."""
    close = TracedSeries("column", attributes=("close",), layout="symbol")
    assert windows.mean(close, 5).key == windows.mean(close, 5).key
    assert windows.mean(close, 5).key != windows.mean(close, 6).key


def test_tracing_computes_nothing_and_costs_no_bars() -> None:
    """The graph of every feature is had without a single bar."""
    names = tuple(load_family("features"))
    assert len(trace(names, 3600)) == len(names)
