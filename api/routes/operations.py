"""Operations: reload, rollback, and the response cache."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.auth import require_admin
from api.cache import Cache
from api.errors import PROBLEMS
from api.model_server import model_server
from api.schemas import ROLLBACK_DECODER, SymbolInPath, request_body
from market_master.domain import JournalEntry

router = APIRouter(tags=["operations"])
ROLLBACK_EXAMPLES = {"back to the champion before": {"value": {"by": "anna", "reason": "serving errors since noon"}}}


class Reloaded(BaseModel):
    """What a look at the registry came to."""

    version: str
    done: str


class CacheStats(BaseModel):
    """Where answers are kept, and how often one was found there."""

    kind: str
    hits: int
    misses: int
    entries: int | None = None
    """in this process's memory"""
    most: int | None = None
    reachable: bool | None = None
    """Redis"""


class Dropped(BaseModel):
    """How many answers were dropped."""

    dropped: int


@router.post("/models/reload", responses={503: PROBLEMS[503]}, dependencies=[Depends(require_admin)])
def reload(request: Request) -> Reloaded:
    """Follow the alias now; a registry's webhook may call this."""
    server = model_server(request)
    done = server.refresh()
    server.live_model()
    return Reloaded(version=server.version, done=done)


@router.post(
    "/models/rollback",
    responses={status: PROBLEMS[status] for status in (404, 408, 409, 413, 422, 503)},
    dependencies=[Depends(require_admin)],
    response_model=JournalEntry,
    openapi_extra=request_body("RollbackRequest", ROLLBACK_EXAMPLES),
)
async def rollback(request: Request) -> JournalEntry:
    """Put an earlier champion back behind `production`, verified first, and serve it at once; the journal's entry."""
    payload, server = ROLLBACK_DECODER.decode(await request.body()), model_server(request)

    def roll_back_and_serve() -> JournalEntry:
        entry = server.registry.roll_back(payload.to, payload.by, payload.reason)
        server.refresh()
        return entry

    return await run_in_threadpool(roll_back_and_serve)


@router.get("/cache/stats", response_model_exclude_none=True)
async def cache_stats(request: Request) -> CacheStats:
    """Where answers are kept, how many, and how often one was found."""
    cache: Cache = request.app.state.cache
    return CacheStats(**await cache.stats())


@router.delete("/cache/{symbol}", responses={422: PROBLEMS[422]}, dependencies=[Depends(require_admin)])
async def forget(symbol: SymbolInPath, request: Request) -> Dropped:
    """Drop every cached answer about a symbol."""
    cache: Cache = request.app.state.cache
    return Dropped(dropped=await cache.forget(symbol))
