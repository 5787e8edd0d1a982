"""The index signal at the newest stored bar, and the logged ones."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.errors import PROBLEMS
from api.live_model import SignalWithETag
from api.model_server import live_model, model_server
from api.responses import JSON, tagged_response
from market_master.domain import IndexSignal, clock

router = APIRouter(prefix="/signal", tags=["signal"])


@router.get(
    "/index",
    responses={304: {"description": "Unchanged since If-None-Match."}, 422: PROBLEMS[422], 503: PROBLEMS[503]},
    response_model=IndexSignal,
)
async def signal(
    request: Request,
    explain: Annotated[
        bool, Query(description="Tell too what moved WSS since the bar before, and by which features.")
    ] = False,
) -> Response:
    """The weighted sentiment of all constituents at the newest stored bar; its ETag changes when the answer does."""
    if not explain:
        return await newest_signal(request)
    return _respond(request, await run_in_threadpool(live_model(request).explained, clock.now()))


async def newest_signal(request: Request) -> Response:
    """The same without an explanation."""
    return _respond(request, live_model(request).signal(clock.now()))


@router.get("/history", response_model=list[IndexSignal], responses={422: PROBLEMS[422], 503: PROBLEMS[503]})
def signals(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
    """The logged signals, served or scheduled, newest bar first; an empty list before the first."""
    rows = model_server(request).prediction_log.signals(limit)
    return Response(msgspec.json.encode([msgspec.Raw(row["record"].encode()) for row in rows]), media_type=JSON)


def _respond(request: Request, signal: SignalWithETag) -> Response:
    _, content, etag = signal
    return tagged_response(request, content, etag)
