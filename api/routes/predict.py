"""Predictions for one symbol's next bar, or for many."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api.cache import Cache, key_of
from api.errors import PROBLEMS, Problem, problem_from_error
from api.live_model import LiveModel
from api.metrics import ACTIONS
from api.model_server import live_model, model_server
from api.responses import JSON
from api.schemas import (
    BATCH_DECODER,
    PREDICT_DECODER,
    Bar,
    Columns,
    PredictRequest,
    SymbolInPath,
    bar_count,
    columns,
    request_body,
)
from market_master.config import PROJECT_ROOT
from market_master.domain import Bars, IntervalMismatch, MarketMasterError, Prediction, PredictionObserver, clock
from market_master.market_data.posted_bars import accept
from market_master.market_data.store import Recent
from market_master.prediction.predict import predict_posted

router = APIRouter(tags=["predict"])
SAMPLE: dict[str, Any] = json.loads((PROJECT_ROOT / "data" / "sample" / "request.json").read_text(encoding="utf-8"))
SAMPLE_BY_COLUMN = {**SAMPLE, "bars": {name: [bar[name] for bar in SAMPLE["bars"]] for name in SAMPLE["bars"][0]}}
PREDICT_EXAMPLES = {"60 bars of S001": {"value": SAMPLE}, "the same, by column": {"value": SAMPLE_BY_COLUMN}}
BATCH_EXAMPLES = {
    "one that is answered, one that is not": {
        "value": {"items": [SAMPLE, {**SAMPLE, "symbol": "NOT_STORED", "bars": SAMPLE["bars"][:5]}]}
    }
}
AGE_ZERO, AGE_SECONDS = b'"staleness_seconds":0,', b'"staleness_seconds":%d,'
"""as a prediction's JSON has its age; quotes inside a string are escaped, so that neither stands in one"""


class CachedPrediction(msgspec.Struct, array_like=True):
    """A cached prediction: its JSON as of the bar's end, and until when the same request has it as its response."""

    body: bytes
    as_of: int
    until: int | None

    def expired(self, now: int) -> bool:
        """A bar that was still forming has closed since."""
        return self.until is not None and now >= self.until

    def body_at(self, now: int) -> bytes:
        """The JSON with the age that the prediction has by now."""
        return self.body.replace(AGE_ZERO, AGE_SECONDS % (now - self.as_of))


@router.post(
    "/predict",
    responses={status: PROBLEMS[status] for status in (408, 413, 422, 503)},
    response_model=Prediction,
    openapi_extra=request_body("PredictRequest", PREDICT_EXAMPLES),
)
async def predict(request: Request) -> Response:
    """Predict from bars in the body, oldest first, as records or as columns.

    What is missing of the champion's warm-up is taken from the store; `provenance.history` says how many bars came from where.
    """
    live, body, now = live_model(request), await request.body(), clock.now()
    cache: Cache = request.app.state.cache
    payload = PREDICT_DECODER.decode(body)
    stored = live.bars_beside(bar_count(payload.bars) - 1)  # one may be forming
    key = key_of(live.files.version, stored and stored.stamp, payload.symbol, body)
    content = await cache.get(key)
    cached = msgspec.msgpack.decode(content, type=CachedPrediction) if content else None
    if cached is None or cached.expired(now):
        cached = predict_payload(live, payload, stored, now, model_server(request).record_posted())
        await cache.put(key, msgspec.msgpack.encode(cached), (cached.until or now + 86400) - now)
    return Response(cached.body_at(now), media_type=JSON, headers={"X-Model-Version": live.files.version})


@router.get(
    "/predict/{symbol}",
    responses={status: PROBLEMS[status] for status in (404, 422, 503)},
    response_model=Prediction,
)
async def predict_symbol(symbol: SymbolInPath, request: Request) -> Response:
    """Predict from the newest stored bar of a symbol."""
    prediction = live_model(request).prediction(symbol, clock.now())
    ACTIONS.labels(prediction.action).inc()
    return Response(msgspec.json.encode(prediction), media_type=JSON)


@router.post(
    "/predict/batch",
    responses={status: PROBLEMS[status] for status in (408, 413, 422, 503)},
    response_model=list[Prediction | Problem],
    openapi_extra=request_body("BatchRequest", BATCH_EXAMPLES),
)
async def predict_batch(request: Request) -> Response:
    """Predict for several requests at once; each comes to a prediction or a problem of its own, in their order."""
    live, server, now = live_model(request), model_server(request), clock.now()
    items = BATCH_DECODER.decode(await request.body()).items
    request_id = request.state.request_id

    def predict_items() -> list[Any]:
        return [_predict_item(live, item, now, request_id, server.record_posted()) for item in items]

    return Response(msgspec.json.encode(await run_in_threadpool(predict_items)), media_type=JSON)


def predict_payload(
    live: LiveModel,
    payload: PredictRequest,
    stored: Recent | None,
    now: int,
    on_predictions: PredictionObserver | None = None,
) -> CachedPrediction:
    """The prediction for one request and the bars stored beside it. Raises what is wrong with the request."""
    model = live.model
    bars, forming = accept_payload(live, payload, now)
    context = {
        symbol: _closed_bars(live, symbol, rows, payload.stamp, now)[0].series(symbol)
        for symbol, rows in payload.context.items()
    }
    newest = bars.newest
    prediction = predict_posted(
        model,
        bars,
        payload.symbol,
        stored,
        context=context,
        now=newest,
        on_predictions=on_predictions,
    )
    ACTIONS.labels(prediction.action).inc()
    return CachedPrediction(msgspec.json.encode(prediction), newest, int(bars.next_end[-1]) if forming else None)


def accept_payload(live: LiveModel, payload: PredictRequest, now: int) -> tuple[Bars, bool]:
    """The closed bars of a payload, and whether its last one is still forming. Raises IntervalMismatch, BadBars."""
    interval = live.model.card.timetable["interval"]
    if payload.interval != interval:
        raise IntervalMismatch(
            f"The champion answers {interval} bars, {payload.interval} were sent.",
            given=payload.interval,
            needed=interval,
        )
    return _closed_bars(live, payload.symbol, payload.bars, payload.stamp, now)


def _predict_item(
    live: LiveModel, item: msgspec.Raw, now: int, request_id: str, on_predictions: PredictionObserver | None
) -> Any:
    """One item of a batch: its prediction as JSON, or its problem document."""
    try:
        payload = PREDICT_DECODER.decode(item)
        stored = live.bars_beside(bar_count(payload.bars) - 1)
        cached = predict_payload(live, payload, stored, now, on_predictions)
    except (MarketMasterError, msgspec.DecodeError) as error:
        return problem_from_error(error, request_id)
    return msgspec.Raw(cached.body_at(now))


def _closed_bars(live: LiveModel, symbol: str, rows: list[Bar] | Columns, stamp: str, now: int) -> tuple[Bars, bool]:
    """The closed bars of a payload, and whether its last one is still forming."""
    stamps, values = columns(rows)
    bars = accept(symbol, stamps, values, stamp=stamp, timetable=live.model.card.times, now=now)
    return bars, len(bars) < len(stamps)
