"""Answers to the very same request: kept in memory, or in a Redis that several workers share."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import structlog
from cachetools import TTLCache

from api.metrics import CACHE

MOST, SECONDS = 20_000, 3600
REDIS_SECONDS = 0.25
"""to wait for Redis at most; without an answer the request is answered anew"""
PREFIX = "mm:answer"
log = structlog.get_logger()


class Cache(Protocol):
    """Keeps answers by key; what can't be had is None, and never an error."""

    async def get(self, key: str) -> bytes | None:
        """What was kept, if it still is."""
        ...

    async def put(self, key: str, value: bytes, seconds: int, /) -> None:
        """Keep it for so many seconds at most."""
        ...

    async def forget(self, symbol: str) -> int:
        """Drop every answer about a symbol; returns how many there were."""
        ...

    async def stats(self) -> dict[str, Any]:
        """Kind, size and hits."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def key_of(version: str, state: object, symbol: str, body: bytes) -> str:
    """Answers differ by champion, by the store's state where it is looked at, by symbol, and by every byte of the request."""
    digest = hashlib.blake2b(body, digest_size=16, key=repr((version, state)).encode()[:64]).hexdigest()
    return f"{PREFIX}:{symbol_part(symbol)}:{version}:{digest}"


def symbol_part(symbol: str) -> str:
    """A symbol as it stands in a key, free of what Redis reads as a pattern."""
    return hashlib.blake2b(symbol.encode(), digest_size=8).hexdigest()


def cache_at(redis: str | None) -> Cache:
    """The cache of an address; in memory without one."""
    return RedisCache(redis) if redis else MemoryCache()


class _Counted:
    hits = misses = 0

    def count(self, found: bytes | None) -> bytes | None:
        """Note a hit or a miss."""
        self.hits, self.misses = self.hits + (found is not None), self.misses + (found is None)
        CACHE.labels("hit" if found is not None else "miss").inc()
        return found


class MemoryCache(_Counted):
    """Of one worker; the oldest answers make room."""

    def __init__(self) -> None:
        self._kept: TTLCache[str, bytes] = TTLCache(MOST, SECONDS)

    async def get(self, key: str) -> bytes | None:
        """What was kept, if it still is."""
        return self.count(self._kept.get(key))

    async def put(self, key: str, value: bytes, _seconds: int) -> None:
        """Keep it; the answer itself says until when it holds."""
        self._kept[key] = value

    async def forget(self, symbol: str) -> int:
        """Drop every answer about a symbol."""
        start = f"{PREFIX}:{symbol_part(symbol)}:"
        gone = [key for key in list(self._kept) if key.startswith(start)]
        for key in gone:
            self._kept.pop(key, None)
        return len(gone)

    async def stats(self) -> dict[str, Any]:
        """Kind, size and hits."""
        return {"kind": "memory", "entries": len(self._kept), "most": MOST, "hits": self.hits, "misses": self.misses}

    async def close(self) -> None:
        """Nothing to let go of."""


class RedisCache(_Counted):
    """Of all workers; while Redis is away every answer is made anew."""

    def __init__(self, address: str) -> None:
        import redis.asyncio as redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._away: type[Exception] = redis.RedisError
        self._redis = redis.from_url(
            address, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, retry=Retry(NoBackoff(), 0)
        )
        self._told = False

    async def get(self, key: str) -> bytes | None:
        """What was kept, if it still is and Redis answers."""
        return self.count(await self._ask(self._redis.get(key), None))

    async def put(self, key: str, value: bytes, seconds: int) -> None:
        """Keep it if Redis takes it."""
        await self._ask(self._redis.set(key, value, ex=max(1, min(seconds, SECONDS))), None)

    async def forget(self, symbol: str) -> int:
        """Drop every answer about a symbol."""
        gone = 0
        try:
            async for key in self._redis.scan_iter(f"{PREFIX}:{symbol_part(symbol)}:*", count=1000):
                gone += await self._redis.delete(key)
        except (self._away, OSError):
            self._tell()
        return gone

    async def stats(self) -> dict[str, Any]:
        """Kind and hits; the size is Redis' own."""
        there = await self._ask(self._redis.ping(), False)
        return {"kind": "redis", "reachable": bool(there), "hits": self.hits, "misses": self.misses}

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _ask(self, question: Any, otherwise: Any) -> Any:
        try:
            found = await question
        except (self._away, OSError):
            self._tell()
            return otherwise
        self._told = False
        return found

    def _tell(self) -> None:
        if not self._told:
            log.warning("redis is away", consequence="answers are made anew")
        self._told = True
