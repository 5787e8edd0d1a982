"""How many requests one key, or one address, may send."""

from __future__ import annotations

import math
import time
from typing import Any

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter

from market_master.domain.errors import ConfigError

log = structlog.get_logger()


class Limits:
    """A fixed window for each client, counted in memory or in a Redis that several workers share."""

    def __init__(self, rate: str, redis: str | None) -> None:
        self.rate = None if rate == "off" else _parsed(rate)
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._shared = None
        if redis:
            patience: Any = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25}
            self._shared = FixedWindowRateLimiter(RedisStorage(f"async+{redis}", implementation="redispy", **patience))

    async def refuse(self, client: str) -> int | None:
        """Seconds until the client may ask again, None when it may now. While Redis is away each worker counts for itself."""
        if self.rate is None:
            return None
        if self._shared:
            try:
                return await self._over(self._shared, self.rate, client)
            except Exception as error:  # whatever the storage's client raises must not stop an answer
                log.warning("redis is away", consequence="each worker counts for itself", error=repr(error))
        return await self._over(self._own, self.rate, client)

    async def _over(self, limiter: FixedWindowRateLimiter, rate: RateLimitItem, client: str) -> int | None:
        if await limiter.hit(rate, client):
            return None
        window = await limiter.get_window_stats(rate, client)
        return max(1, math.ceil(window.reset_time - time.time()))


def _parsed(rate: str) -> RateLimitItem:
    try:
        return parse(rate)
    except ValueError as error:
        raise ConfigError(f"MM_RATE_LIMIT is '{rate}'; write it as 100/second, 5000/minute, or off.") from error
