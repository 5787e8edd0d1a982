"""What to do with one symbol over its next bar."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request

from api.deps import bar_store, champion
from api.errors import PROBLEMS
from api.schemas import BarIn, PredictRequest
from market_master import store
from market_master.config import PROJECT_ROOT
from market_master.domain.bars import OHLCV, Bars
from market_master.domain.errors import IntervalMismatch
from market_master.domain.records import Prediction
from market_master.steps.accept import accept
from market_master.steps.predict import Champion, predict_posted, predict_stored

router = APIRouter(tags=["predict"])
SAMPLE = PROJECT_ROOT / "data" / "sample" / "request.json"
EXAMPLES: dict[str, Any] = {"60 bars of S001": {"value": json.loads(SAMPLE.read_text(encoding="utf-8"))}}


@router.post("/predict", responses={status: PROBLEMS[status] for status in (413, 422, 503)})
def predict(body: Annotated[PredictRequest, Body(openapi_examples=EXAMPLES)], request: Request) -> Prediction:
    """Predict from bars in the body: oldest first, at least the champion's warm-up and one."""
    asked, now = champion(request), store.now()
    trained = asked.card.timetable["interval"]
    if body.interval != trained:
        raise IntervalMismatch(
            f"The champion answers {trained} bars, {body.interval} were sent.", given=body.interval, needed=trained
        )
    bars = _bars(asked, body.symbol, body.bars, body.stamp, now)
    context = {name: _bars(asked, name, rows, body.stamp, now).series(name) for name, rows in body.context.items()}
    return predict_posted(asked, bars, body.symbol, bar_store(request), context=context, now=now)


@router.get("/predict/{symbol}", responses={status: PROBLEMS[status] for status in (404, 422, 503)})
def predict_symbol(symbol: str, request: Request) -> Prediction:
    """Predict from the newest stored bar of a symbol."""
    return predict_stored(champion(request), bar_store(request), [symbol], now=store.now())[0]


def _bars(asked: Champion, symbol: str, rows: list[BarIn], stamp: str, now: int) -> Bars:
    columns = {name: [getattr(row, name) for row in rows] for name in OHLCV}
    stamps = [row.timestamp.timestamp() for row in rows]
    return accept(symbol, stamps, columns, stamp=stamp, timetable=asked.card.times, now=now)
