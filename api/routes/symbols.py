"""Symbols of the store, and their newest bars; they need no champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from api.errors import PROBLEMS
from api.model_server import live_market, market_view
from api.responses import etag_of, tagged_response
from api.schemas import SymbolInPath
from market_master.domain import OHLCV, AssetClass, Bars, clock, iso
from market_master.market_data.store.recent import BARS_PER_SYMBOL
from market_master.market_data.weights import index_weights, symbol_names

router = APIRouter(tags=["symbols"])


class Symbol(BaseModel):
    """A symbol of the store."""

    symbol: str
    name: str | None
    """of the company or coin, where the weights file has a column `name`"""
    asset_class: AssetClass
    """crypto trades around the clock"""
    calendar: str
    interval: str
    bars: int
    """held by the server; the store may have older ones"""
    first: datetime
    """start of the oldest of them"""
    last: datetime
    """end of the newest of them"""


class SymbolPage(BaseModel):
    """Symbols in order of name."""

    symbols: list[Symbol]
    total: int
    """how many match on all pages"""
    cursor: str | None
    """of the next page; null on the last"""


class Quality(BaseModel):
    """What is known of the bars that are held."""

    missing: int
    """bars of the calendar, between the first and the last, that the symbol does not have"""
    silent: int
    """bars without volume"""
    flat: int
    """bars with a single price"""


class Weight(BaseModel):
    """A symbol's weight in the index at its newest bar."""

    weight: float | None
    """share of the index's known constituents; null for a symbol that is none"""
    as_of: str | None
    """date of the table in force; null for equal weights"""


class SymbolDetails(Symbol):
    """A symbol with the quality of its bars and its weight in the index."""

    quality: Quality
    index: str
    weight: Weight


@dataclass(frozen=True)
class BarColumns:
    """Bars by column, oldest first, as `POST /predict` takes them."""

    timestamp: list[str]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


@dataclass(frozen=True)
class SymbolBars:
    """A symbol's bars."""

    symbol: str
    interval: str
    bars: BarColumns


@router.get("/symbols", responses={status: PROBLEMS[status] for status in (422, 503)})
def symbols(
    request: Request,
    q: Annotated[
        str, Query(max_length=40, description="Part of the symbol or the name, in any case.", examples=["S00"])
    ] = "",
    asset_class: Annotated[AssetClass | None, Query(alias="class")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str, Query(max_length=40, description="As the page before gave it.")] = "",
) -> SymbolPage:
    """The symbols that match, in order of name, a page at a time."""
    held, names = market_view(request).bars, symbol_names(live_market(request).universe)
    of_class = asset_class is None or asset_class == held.timetable.asset_class
    matching = sorted(one for one in held.symbols if of_class and q.lower() in f"{one}\n{names.get(one, '')}".lower())
    page = [one for one in matching if one > cursor][: limit + 1]
    return SymbolPage(
        symbols=[Symbol(**_describe(held, one, names)) for one in page[:limit]],
        total=len(matching),
        cursor=page[limit - 1] if len(page) > limit else None,
    )


@router.get("/symbols/{symbol}", responses={status: PROBLEMS[status] for status in (404, 422, 503)})
def symbol(symbol: SymbolInPath, request: Request) -> SymbolDetails:
    """One symbol: its bars, their quality, its weight in the index."""
    market = live_market(request)
    recent, universe = market.recent(), market.universe
    bars = recent.bars((symbol,))
    first = int(bars.bar_end[0])
    expected = 1 + bars.timetable.between(first, bars.newest).closed_between(first, bars.newest)
    weights = index_weights(universe, bars.newest, recent.symbols())
    return SymbolDetails(
        **_describe(bars, symbol, symbol_names(universe)),
        quality=Quality(
            missing=expected - len(bars),
            silent=int((bars.volume == 0).sum()),
            flat=int((bars.high == bars.low).sum()),
        ),
        index=universe.index,
        weight=Weight(weight=weights.by_symbol.get(symbol), as_of=weights.as_of),
    )


@router.get(
    "/bars/{symbol}",
    response_model=SymbolBars,
    responses={
        304: {"description": "Unchanged since If-None-Match."},
        **{status: PROBLEMS[status] for status in (404, 422, 503)},
    },
)
def bars(
    symbol: SymbolInPath,
    request: Request,
    first: Annotated[
        datetime | None, Query(alias="from", description="Bars that start then or later; UTC without a zone.")
    ] = None,
    last: Annotated[datetime | None, Query(alias="to", description="Bars that start by then.")] = None,
    limit: Annotated[int, Query(ge=1, le=BARS_PER_SYMBOL)] = BARS_PER_SYMBOL,
) -> Response:
    """The newest bars of a symbol that had closed, oldest first, by column: at most the 560 that the server holds."""
    held = live_market(request).recent().bars((symbol,))
    within = (held.bar_start >= _instant(first, -np.inf)) & (held.bar_start <= _instant(last, np.inf))
    chosen = held.take(np.flatnonzero(within & (held.bar_end <= clock.now()))[-limit:])
    columns = BarColumns(
        [iso(start) for start in chosen.bar_start.tolist()], *(getattr(chosen, name).tolist() for name in OHLCV)
    )
    content = msgspec.json.encode(SymbolBars(symbol, chosen.timetable.interval, columns))
    return tagged_response(request, content, etag_of(content), compressible=True)


def _describe(bars: Bars, symbol: str, names: Mapping[str, str]) -> dict[str, object]:
    rows = bars.rows(symbol)
    return {
        "symbol": symbol,
        "name": names.get(symbol),
        "asset_class": bars.timetable.asset_class,
        "calendar": bars.timetable.calendar,
        "interval": bars.timetable.interval,
        "bars": rows.stop - rows.start,
        "first": datetime.fromtimestamp(int(bars.bar_start[rows.start]), UTC),
        "last": datetime.fromtimestamp(int(bars.bar_end[rows.stop - 1]), UTC),
    }


def _instant(time: datetime | None, otherwise: float) -> float:
    if time is None:
        return otherwise
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
