"""Rate limits: how many requests one key, or one address, may send."""

from __future__ import annotations

import math
import time
from typing import Any

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter

from market_master.domain import ConfigError

REDIS_TIMEOUT: dict[str, Any] = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25}
"""seconds"""
log = structlog.get_logger()


class Limits:
    """A fixed window for each client, counted in memory or in a Redis that several workers share."""

    def __init__(self, rate: str, redis: str | None) -> None:
        self.rate = None if rate == "off" else _parse_rate(rate)
        self._in_memory = FixedWindowRateLimiter(MemoryStorage())
        self._in_redis = None
        if redis:
            storage = RedisStorage(f"async+{redis}", implementation="redispy", **REDIS_TIMEOUT)
            self._in_redis = FixedWindowRateLimiter(storage)

    async def retry_after(self, client: str) -> int | None:
        """Count a request: None when it may be served, else the seconds until the client may send the next.

        While Redis is away each worker counts for itself.
        """
        if self.rate is None:
            return None
        if self._in_redis:
            try:
                return await _count(self._in_redis, self.rate, client)
            except Exception as error:  # whatever the storage's client raises must not stop an answer
                log.warning("redis is away", consequence="each worker counts for itself", error=repr(error))
        return await _count(self._in_memory, self.rate, client)


async def _count(limiter: FixedWindowRateLimiter, rate: RateLimitItem, client: str) -> int | None:
    if await limiter.hit(rate, client):
        return None
    window = await limiter.get_window_stats(rate, client)
    return max(1, math.ceil(window.reset_time - time.time()))


def _parse_rate(rate: str) -> RateLimitItem:
    try:
        return parse(rate)
    except ValueError as error:
        raise ConfigError(f"MM_RATE_LIMIT is '{rate}'; write it as 100/second, 5000/minute, or off.") from error
