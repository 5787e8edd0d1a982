"""What the champion sees of a symbol."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel

from api.errors import PROBLEMS
from api.serving import live_model
from market_master import features as room

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
def features(
    symbol: Annotated[str, Path(examples=["S001"])], request: Request, lookback: Annotated[int, Query(ge=1, le=60)] = 1
) -> Seen:
    """The features of a symbol's newest `lookback` stored bars, oldest first, with names, units and fingerprint."""
    asked = live_model(request)
    card = asked.champion.card
    rows: Any = asked.features(symbol, lookback)
    told: Any = room.describe(card.features)
    return Seen(symbol=symbol, version=asked.place.version, fingerprint=card.fingerprint, features=told, rows=rows)
