"""What to do with the index over its next bar, and what was said before."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.errors import PROBLEMS
from api.serving import live_model, model_server
from market_master.domain import clock
from market_master.domain.records import IndexSignal

router = APIRouter(prefix="/signal", tags=["signal"])
JSON = "application/json"


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
    asked, now = live_model(request), clock.now()
    _, content, tag = await run_in_threadpool(asked.explained, now) if explain else asked.signal(now)
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(content, media_type=JSON, headers={"ETag": tag})


@router.get("/history", response_model=list[IndexSignal], responses={422: PROBLEMS[422], 503: PROBLEMS[503]})
def signals(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
    """The logged signals, served or scheduled, newest bar first; an empty list before the first."""
    logged = model_server(request).log.signals(limit)
    return Response(msgspec.json.encode([msgspec.Raw(row["record"].encode()) for row in logged]), media_type=JSON)
