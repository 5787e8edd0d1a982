"""Declaration of insights, and all of them for a symbol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from market_master.domain import Bars, UnknownSymbol
from market_master.plugins import load_family, register

Function = TypeVar("Function", bound=Callable[..., Any])


def insight(function: Function) -> Function:
    """Decorator: a function (bars, symbol) -> record, whose name is the insight's."""
    return register("insights")(function)


def insights_of(bars: Bars, symbol: str) -> dict[str, Any]:
    """Every insight's record for a symbol, by name. Raises UnknownSymbol, and what an insight raises: TooFewBars."""
    require_symbol(bars, symbol)
    return {name: plugin.factory(bars, symbol) for name, plugin in load_family("insights").items()}


def require_symbol(bars: Bars, symbol: str) -> None:
    """Raise UnknownSymbol for one without bars."""
    if symbol not in bars.symbols:
        raise UnknownSymbol(
            f"There are no bars of '{symbol}', of {len(bars.symbols)} other symbols there are.",
            symbol=symbol,
            known=len(bars.symbols),
        )
