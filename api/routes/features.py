"""Features of a symbol's newest bars, as the live model sees them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from api.errors import PROBLEMS
from api.model_server import live_model
from api.schemas import SymbolInPath

router = APIRouter(tags=["features"])


class Feature(BaseModel):
    """What a column means."""

    name: str
    set: str
    unit: str
    warmup: int
    summary: str


class Row(BaseModel):
    """The features known at a bar's end; null where a value can't be had."""

    bar_end: str
    values: dict[str, float | None]


class Seen(BaseModel):
    """The features of a symbol's newest bars, as they are served."""

    symbol: str
    version: str
    fingerprint: str
    features: list[Feature]
    rows: list[Row]


@router.get("/features/{symbol}", responses={status: PROBLEMS[status] for status in (404, 422, 503)})
def features(symbol: SymbolInPath, request: Request, lookback: Annotated[int, Query(ge=1, le=60)] = 1) -> Seen:
    """The features of a symbol's newest `lookback` stored bars, oldest first, with names, units and fingerprint."""
    live = live_model(request)
    card = live.model.card
    rows: Any = live.features(symbol, lookback)
    descriptions = [
        Feature(name=one.name, set=one.set, unit=one.unit, warmup=one.warmup, summary=one.summary)
        for one in live.model.bars_graph.features
    ]
    return Seen(
        symbol=symbol, version=live.files.version, fingerprint=card.fingerprint, features=descriptions, rows=rows
    )
