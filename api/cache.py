"""Response cache for identical requests, in memory or in a Redis that workers share."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import structlog
from cachetools import TTLCache

from api.metrics import CACHE

MAX_ENTRIES, MAX_SECONDS = 20_000, 3600
REDIS_TIMEOUT_SECONDS = 0.25
KEY_PREFIX = "mm:answer"
log = structlog.get_logger()


class Cache(Protocol):
    """Values by key; what can't be had is None, and never an error."""

    async def get(self, key: str) -> bytes | None:
        """The value of a key, None when there is none."""
        ...

    async def put(self, key: str, value: bytes, seconds: int, /) -> None:
        """Store a value for so many seconds at most."""
        ...

    async def forget(self, symbol: str) -> int:
        """Delete every value of a symbol; returns how many there were."""
        ...

    async def stats(self) -> dict[str, Any]:
        """Kind, size and hits."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def key_of(version: str, state: object, symbol: str, body: bytes) -> str:
    """The key of a request: model version, state of the store (where the model looks at it), symbol, and every byte of the body."""
    digest = hashlib.blake2b(body, digest_size=16, key=repr((version, state)).encode()[:64]).hexdigest()
    return f"{KEY_PREFIX}:{_symbol_hash(symbol)}:{version}:{digest}"


def _symbol_hash(symbol: str) -> str:
    """A symbol as part of a key, free of what Redis reads as a pattern."""
    return hashlib.blake2b(symbol.encode(), digest_size=8).hexdigest()


def cache_at(redis: str | None) -> Cache:
    """The cache of an address; in memory without one."""
    return RedisCache(redis) if redis else MemoryCache()


class _HitCounter:
    hits = misses = 0

    def count(self, value: bytes | None) -> bytes | None:
        """Count a hit or a miss; returns the value."""
        self.hits, self.misses = self.hits + (value is not None), self.misses + (value is None)
        CACHE.labels("hit" if value is not None else "miss").inc()
        return value


class MemoryCache(_HitCounter):
    """The cache of one worker; the oldest values make room."""

    def __init__(self) -> None:
        self._entries: TTLCache[str, bytes] = TTLCache(MAX_ENTRIES, MAX_SECONDS)

    async def get(self, key: str) -> bytes | None:
        """The value of a key, None when there is none."""
        return self.count(self._entries.get(key))

    async def put(self, key: str, value: bytes, _seconds: int) -> None:
        """Store a value; the value itself says until when it holds."""
        self._entries[key] = value

    async def forget(self, symbol: str) -> int:
        """Delete every value of a symbol."""
        prefix = f"{KEY_PREFIX}:{_symbol_hash(symbol)}:"
        keys = [key for key in list(self._entries) if key.startswith(prefix)]
        for key in keys:
            self._entries.pop(key, None)
        return len(keys)

    async def stats(self) -> dict[str, Any]:
        """Kind, size and hits."""
        return {
            "kind": "memory",
            "entries": len(self._entries),
            "most": MAX_ENTRIES,
            "hits": self.hits,
            "misses": self.misses,
        }

    async def close(self) -> None:
        """Nothing to let go of."""


class RedisCache(_HitCounter):
    """The cache of all workers; while Redis is away it is empty."""

    def __init__(self, address: str) -> None:
        import redis.asyncio as redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._errors: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self._redis = redis.from_url(
            address,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._warned = False

    async def get(self, key: str) -> bytes | None:
        """The value of a key, None when there is none or Redis is away."""
        return self.count(await self._try(self._redis.get(key), None))

    async def put(self, key: str, value: bytes, seconds: int) -> None:
        """Store a value if Redis takes it."""
        await self._try(self._redis.set(key, value, ex=max(1, min(seconds, MAX_SECONDS))), None)

    async def forget(self, symbol: str) -> int:
        """Delete every value of a symbol."""
        deleted = 0
        try:
            async for key in self._redis.scan_iter(f"{KEY_PREFIX}:{_symbol_hash(symbol)}:*", count=1000):
                deleted += await self._redis.delete(key)
        except self._errors:
            self._warn_once()
        return deleted

    async def stats(self) -> dict[str, Any]:
        """Kind and hits; the size is Redis' own."""
        reachable = await self._try(self._redis.ping(), False)
        return {"kind": "redis", "reachable": bool(reachable), "hits": self.hits, "misses": self.misses}

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _try(self, command: Any, default: Any) -> Any:
        try:
            reply = await command
        except self._errors:
            self._warn_once()
            return default
        self._warned = False
        return reply

    def _warn_once(self) -> None:
        if not self._warned:
            log.warning("redis is away", consequence="answers are made anew")
        self._warned = True
