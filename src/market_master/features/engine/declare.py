"""Declaration of features and series: four decorators, and the look-up of what they declare."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from market_master.domain import FIGURES, OHLCV, ConfigError
from market_master.plugins import Plugin, load_family, register

Function = TypeVar("Function", bound=Callable[..., Any])
Slots = Literal["any", "intraday", "same_slot"]

COLUMNS = (*OHLCV, "slot", "next_slot", "session", "elapsed", "age", *FIGURES)
"""what a function may ask for by name: bar columns; `elapsed` is seconds from the session's open to the bar's start, `age`
counts the bars of the symbol before this one; FIGURES are those known at the bar's end, 0 where none was"""
MEMBERS = "members"
"""what a panel function may ask for besides: which columns make the market (bool)"""
REACH = 499
"""earlier bars a feature may need at most, so that 500 bars suffice"""


@dataclass(frozen=True)
class Node:
    """A marked function: what it needs, and whether it sees one symbol or all."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[str, ...]
    warmup: int
    panel: bool
    feature: bool
    """a column of the model's, and so bounded; else a shared series"""


_series: dict[str, Node] = {}


def feature(*, warmup: int, unit: str = "", slots: Slots = "any") -> Callable[[Function], Function]:
    """A feature from one symbol's own bars; its parameters name bar columns, series or other features.

    Its set is the folder its file stands in; its group is the file's constant GROUP, or else the file's name.

    It returns an array as long as its inputs; the first `warmup` values are blanked, the rest must be finite, and depend on
    no bar further back than that: several symbols may lie behind each other in the inputs. `slots` says where it makes
    sense: on any interval, with several bars a session, or where its bars reach earlier sessions.
    """
    return _declare(warmup, unit, slots, panel=False)


def panel_feature(*, warmup: int, unit: str = "", slots: Slots = "any") -> Callable[[Function], Function]:
    """A feature that sees all symbols at the same bar: inputs are matrices [times, symbols], NaN where there is no bar.

    It may ask for `members` too; it returns such a matrix, or one column when all symbols share the value.
    """
    return _declare(warmup, unit, slots, panel=True)


def series(*, warmup: int) -> Callable[[Function], Function]:
    """A shared column of one symbol, computed once however many features ask for it; made and blanked like a feature."""
    return lambda function: _share(function, warmup, panel=False)


def panel_series(function: Function) -> Function:
    """A shared matrix of all symbols, or one column of the market, for panel features."""
    return _share(function, 0, panel=True)


def plugin(name: str) -> Plugin:
    """The feature of that name. Raises ConfigError naming the nearest."""
    known = load_family("features")
    if name not in known:
        raise ConfigError(f"There is no feature '{name}'; the nearest is '{nearest(name, known)}'.")
    return known[name]


def node(name: str) -> Node:
    """The series or feature of that name."""
    if name in _series:
        return _series[name]
    declared = plugin(name)
    return Node(
        name,
        declared.factory,
        _inputs(declared.factory),
        declared.metadata["warmup"],
        declared.metadata["panel"],
        feature=True,
    )


def nearest(name: str, known: Any) -> str:
    """The known word most like this one."""
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]


def group_of(name: str) -> str:
    """The group a feature is explained with: its file's constant GROUP, or else the file's name."""
    function = plugin(name).factory
    return str(function.__globals__.get("GROUP", function.__module__.rpartition(".")[2]))


def _declare(warmup: int, unit: str, slots: Slots, *, panel: bool) -> Callable[[Function], Function]:
    if not 0 <= warmup <= REACH:
        raise TypeError(f"A feature may need 0 to {REACH} earlier bars, not {warmup}.")

    def add(function: Function) -> Function:
        folder = function.__module__.split(".")[-2]
        return register("features", set=folder, warmup=warmup, unit=unit, slots=slots, panel=panel)(function)

    return add


def _share(function: Function, warmup: int, *, panel: bool) -> Function:
    shared = Node(function.__name__, function, _inputs(function), warmup, panel, feature=False)
    first = _series.setdefault(shared.name, shared)
    if first.function.__module__ != function.__module__:
        raise TypeError(f"There are two series named '{shared.name}'.")
    return function


def _inputs(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)
