"""What to do with one symbol over its next bar, or with many."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from api.cache import Cache, key_of
from api.errors import PROBLEMS, Problem, problem_from_error
from api.live_model import LiveModel
from api.metrics import ACTIONS
from api.schemas import MANY, ONE, Bar, Columns, PredictRequest, body_of, columns
from api.serving import live_model, model_server
from market_master.config import PROJECT_ROOT
from market_master.domain import clock
from market_master.domain.bars import Bars
from market_master.domain.errors import IntervalMismatch, MarketMasterError
from market_master.domain.records import Prediction, PredictionObserver
from market_master.market_data.posted_bars import accept
from market_master.prediction.predict import predict_posted

router = APIRouter(tags=["predict"])
JSON = "application/json"
SAMPLE: dict[str, Any] = json.loads((PROJECT_ROOT / "data" / "sample" / "request.json").read_text(encoding="utf-8"))
BY_COLUMN = {**SAMPLE, "bars": {name: [bar[name] for bar in SAMPLE["bars"]] for name in SAMPLE["bars"][0]}}
EXAMPLES = {"60 bars of S001": {"value": SAMPLE}, "the same, by column": {"value": BY_COLUMN}}
TWO = {"one that is answered, one that is not": {"value": {"items": [SAMPLE, {**SAMPLE, "bars": SAMPLE["bars"][:5]}]}}}
FRESH, AGE = b'"staleness_seconds":0}', b'"staleness_seconds":%d}'


class CachedPrediction(msgspec.Struct, array_like=True):
    """A cached answer: its JSON as of the bar's end, and until when the same request has this answer."""

    body: bytes
    as_of: int
    until: int | None


@router.post(
    "/predict",
    responses={status: PROBLEMS[status] for status in (408, 413, 422, 503)},
    response_model=Prediction,
    openapi_extra=body_of("PredictRequest", EXAMPLES),
)
async def predict(request: Request) -> Response:
    """Predict from bars in the body, oldest first: at least the champion's warm-up and one; as records or as columns."""
    asked, body, now = live_model(request), await request.body(), clock.now()
    cache: Cache = request.app.state.cache
    sent = ONE.decode(body)
    market = asked.market()
    key = key_of(asked.place.version, market and market.stamp, sent.symbol, body)
    found = await cache.get(key)
    kept = msgspec.msgpack.decode(found, type=CachedPrediction) if found else None
    if kept is None or (kept.until is not None and now >= kept.until):
        kept = predict_payload(asked, sent, now, model_server(request).posted())
        await cache.put(key, msgspec.msgpack.encode(kept), (kept.until or now + 86400) - now)
    fresh = kept.body.replace(FRESH, AGE % (now - kept.as_of))
    return Response(fresh, media_type=JSON, headers={"X-Model-Version": asked.place.version})


@router.get(
    "/predict/{symbol}",
    responses={status: PROBLEMS[status] for status in (404, 422, 503)},
    response_model=Prediction,
)
async def predict_symbol(symbol: Annotated[str, Path(examples=["S001"])], request: Request) -> Response:
    """Predict from the newest stored bar of a symbol."""
    answer = live_model(request).prediction(symbol, clock.now())
    ACTIONS.labels(answer.action).inc()
    return Response(msgspec.json.encode(answer), media_type=JSON)


@router.post(
    "/predict/batch",
    responses={status: PROBLEMS[status] for status in (408, 413, 422, 503)},
    response_model=list[Prediction | Problem],
    openapi_extra=body_of("BatchRequest", TWO),
)
async def predict_batch(request: Request) -> Response:
    """Predict for several requests at once; each comes to a prediction or a problem of its own, in their order."""
    asked, now = live_model(request), clock.now()
    items = MANY.decode(await request.body()).items
    request_id = request.state.request_id
    found = model_server(request)
    answers = await run_in_threadpool(lambda: [_one(asked, item, now, request_id, found.posted()) for item in items])
    return Response(msgspec.json.encode(answers), media_type=JSON)


def predict_payload(
    asked: LiveModel, sent: PredictRequest, now: int, seen: PredictionObserver | None = None
) -> CachedPrediction:
    """The answer to one request, which `seen` records. Raises what is wrong with it."""
    champion = asked.champion
    trained = champion.card.timetable["interval"]
    if sent.interval != trained:
        raise IntervalMismatch(
            f"The champion answers {trained} bars, {sent.interval} were sent.", given=sent.interval, needed=trained
        )
    bars, forming = _bars(asked, sent.symbol, sent.bars, sent.stamp, now)
    context = {name: _bars(asked, name, rows, sent.stamp, now)[0].series(name) for name, rows in sent.context.items()}
    newest = bars.newest
    answer = predict_posted(champion, bars, sent.symbol, asked.market(), context=context, now=newest, seen=seen)
    ACTIONS.labels(answer.action).inc()
    return CachedPrediction(msgspec.json.encode(answer), newest, int(bars.next_end[-1]) if forming else None)


def _one(asked: LiveModel, item: msgspec.Raw, now: int, request_id: str, seen: PredictionObserver | None) -> Any:
    try:
        kept = predict_payload(asked, ONE.decode(item), now, seen)
    except (MarketMasterError, msgspec.DecodeError) as error:
        return problem_from_error(error, request_id)
    return msgspec.Raw(kept.body.replace(FRESH, AGE % (now - kept.as_of)))


def _bars(asked: LiveModel, symbol: str, rows: list[Bar] | Columns, stamp: str, now: int) -> tuple[Bars, bool]:
    """The closed bars that were sent, and whether there was one still forming."""
    stamps, values = columns(rows)
    bars = accept(symbol, stamps, values, stamp=stamp, timetable=asked.champion.card.times, now=now)
    return bars, len(bars) < len(stamps)
