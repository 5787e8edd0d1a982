"""What only an admin may do, and the state of the cache."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from api.access import admin
from api.cache import Cache
from api.errors import PROBLEMS
from api.serving import serving
from market_master.domain.records import JournalEntry

router = APIRouter(tags=["operations"])


class Reloaded(BaseModel):
    """What a look at the registry came to."""

    version: str
    done: str


class Rollback(BaseModel):
    """Who goes back, why, and to which version."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"by": "anna", "reason": "serving errors since noon"}]}
    )

    by: str = Field(min_length=1, max_length=100)
    reason: str = Field(min_length=1, max_length=1000)
    to: str | None = Field(None, max_length=20)
    """an earlier champion; the one before this one, unless told"""


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


@router.post("/models/reload", responses={503: PROBLEMS[503]}, dependencies=[Depends(admin)])
def reload(request: Request) -> Reloaded:
    """Follow the alias now; a registry's webhook may call this."""
    found = serving(request)
    done = found.refresh()
    found.champion()
    return Reloaded(version=found.version, done=done)


@router.post(
    "/models/rollback",
    responses={status: PROBLEMS[status] for status in (404, 409, 422, 503)},
    dependencies=[Depends(admin)],
)
def rollback(asked: Rollback, request: Request) -> JournalEntry:
    """Put an earlier champion back behind `production`, verified first, and serve it at once; the journal's entry."""
    found = serving(request)
    entry: JournalEntry = found.clerk.call("market_master.steps.promote:roll_back", asked.to, asked.by, asked.reason)
    found.refresh()
    return entry


@router.get("/cache/stats", response_model_exclude_none=True)
async def cache_stats(request: Request) -> CacheStats:
    """Where answers are kept, how many, and how often one was found."""
    cache: Cache = request.app.state.cache
    return CacheStats(**await cache.stats())


@router.delete("/cache/{symbol}", responses={422: PROBLEMS[422]}, dependencies=[Depends(admin)])
async def forget(symbol: Annotated[str, Path(examples=["S001"])], request: Request) -> Dropped:
    """Drop every cached answer about a symbol."""
    cache: Cache = request.app.state.cache
    return Dropped(dropped=await cache.forget(symbol))
