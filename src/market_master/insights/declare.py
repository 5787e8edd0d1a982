"""Declaration of insights, and all of them for a symbol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from market_master.domain import MarketMasterError
from market_master.insights.market_view import MarketView
from market_master.plugins import load_family, register

Function = TypeVar("Function", bound=Callable[..., Any])


def insight(function: Function) -> Function:
    """Decorator: a function (view, symbol) -> record; the insight has the name of its file."""
    return register("insights", function.__module__.rpartition(".")[2])(function)


def insights_of(view: MarketView, symbol: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Every insight's record for a symbol by name, None where there is none; and the reasons of those, by name.

    Raises UnknownSymbol.
    """
    view.require_symbol(symbol)
    records: dict[str, Any] = {}
    reasons = {}
    for name, plugin in load_family("insights").items():
        try:
            records[name] = plugin.factory(view, symbol)
        except MarketMasterError as error:
            records[name], reasons[name] = None, f"{error.title}: {error}"
    return records, reasons
