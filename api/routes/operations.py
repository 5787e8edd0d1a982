"""What only an admin may do, and the state of the cache."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from api.access import admin
from api.cache import Cache
from api.errors import PROBLEMS
from api.serving import serving

router = APIRouter(tags=["operations"])


class Reloaded(BaseModel):
    """What a look at the registry came to."""

    version: str
    done: str


@router.post("/models/reload", responses={503: PROBLEMS[503]}, dependencies=[Depends(admin)])
def reload(request: Request) -> Reloaded:
    """Follow the alias now; a registry's webhook may call this."""
    found = serving(request)
    done = found.refresh()
    found.champion()
    return Reloaded(version=found.version, done=done)


@router.get("/cache/stats")
async def cache_stats(request: Request) -> dict[str, Any]:
    """Where answers are kept, how many, and how often one was found."""
    cache: Cache = request.app.state.cache
    return await cache.stats()


@router.delete("/cache/{symbol}", responses={422: PROBLEMS[422]}, dependencies=[Depends(admin)])
async def forget(symbol: str, request: Request) -> dict[str, int]:
    """Drop every cached answer about a symbol."""
    cache: Cache = request.app.state.cache
    return {"dropped": await cache.forget(symbol)}
