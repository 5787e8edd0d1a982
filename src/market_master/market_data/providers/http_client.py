"""Client of a market-data platform: polite, patient, and never fooled by half an answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec
from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from pybreaker import CircuitBreaker, CircuitBreakerError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from market_master.domain import MalformedAnswer, ProviderAway, ProviderRefused

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""statuses that another try may change"""
MAX_WAIT = 60.0
"""seconds that a Retry-After is waited for; a longer one is a failure now"""
MAX_BYTES = 64 * 2**20
"""of one answer"""
EXCERPT = 120
"""characters of an answer that a sentence shows"""


@dataclass(frozen=True)
class Patience:
    """How long, how often and how quickly a platform is asked."""

    timeout: float
    """seconds of one answer, from the question to its last byte"""
    attempts: int
    rate: RateLimitItem | None
    failures: int
    """in a row, after which no more is asked"""


@dataclass
class HttpClient:
    """JSON over HTTP; several threads may share it. It follows no redirect: a key would go with it."""

    base_url: str
    headers: Mapping[str, str]
    patience: Patience
    sleep: Callable[[float], None] = time.sleep
    _client: httpx.Client = field(init=False, repr=False)
    _limiter: MovingWindowRateLimiter = field(init=False, repr=False)
    _breaker: CircuitBreaker = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._client = httpx.Client(base_url=self.base_url, headers=dict(self.headers), timeout=self.patience.timeout)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._breaker = CircuitBreaker(
            fail_max=self.patience.failures,
            reset_timeout=MAX_WAIT,
            exclude=[lambda error: not isinstance(error, ProviderAway)],
            throw_new_error_on_trip=False,
        )

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, query: Mapping[str, str]) -> Any:
        """The JSON of an answer; None for 404.

        Raises ProviderAway (no answer in all tries, or none asked for after too many failures), ProviderRefused (any
        other status but 200) or MalformedAnswer (not JSON).
        """
        try:
            return self._breaker.call(self._ask_patiently, path, query)
        except CircuitBreakerError as error:
            raise ProviderAway(
                f"{self.base_url} was not asked any more, for {self.patience.failures} requests in a row had failed.",
                failures=self.patience.failures,
            ) from error

    def _ask_patiently(self, path: str, query: Mapping[str, str]) -> Any:
        retrying = Retrying(
            retry=retry_if_exception_type(_Transient),
            stop=stop_after_attempt(self.patience.attempts),
            wait=_wait,
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(self._ask, path, query)
        except _Transient as error:
            raise ProviderAway(
                f"{self.base_url}{path} gave no answer in {self.patience.attempts} tries ({error}); wait some minutes and "
                "run again.",
                tries=self.patience.attempts,
            ) from error

    def _ask(self, path: str, query: Mapping[str, str]) -> Any:
        self._wait_for_turn()
        deadline = time.monotonic() + self.patience.timeout
        try:
            with self._client.stream("GET", path, params=dict(query)) as answer:
                content = bytearray()
                for part in answer.iter_bytes():
                    content += part
                    if time.monotonic() > deadline:
                        raise _Transient(f"it took longer than {self.patience.timeout:g} s")
                    if len(content) > MAX_BYTES:
                        raise MalformedAnswer(f"{self.base_url}{path} answered with more than {MAX_BYTES} bytes.")
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _Transient(str(error) or type(error).__name__) from error
        return self._content(answer, bytes(content), path)

    def _content(self, answer: httpx.Response, content: bytes, path: str) -> Any:
        status = answer.status_code
        if status in TRANSIENT:
            wait = _retry_after(answer.headers.get("Retry-After"))
            if wait > MAX_WAIT:
                raise ProviderAway(
                    f"{self.base_url}{path} answered {status} and asks to wait {wait:.0f} s, longer than the "
                    f"{MAX_WAIT:.0f} s that are waited; run again then.",
                    retry_after=wait,
                )
            raise _Transient(f"status {status}", wait)
        if status == 404:
            return None
        if status != 200:
            hint = "; look at the key and at what it may see" if status in (401, 403) else ""
            raise ProviderRefused(
                f"{self.base_url}{path} answered {status}: {_excerpt(content)}{hint}.", provider_status=status
            )
        try:
            return msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedAnswer(f"{self.base_url}{path} answered no JSON ({error}): {_excerpt(content)}.") from error

    def _wait_for_turn(self) -> None:
        """Block until the rate limit has room."""
        rate = self.patience.rate
        while rate and not self._limiter.hit(rate):
            self.sleep(max(0.005, self._limiter.get_window_stats(rate).reset_time - time.time()))


class _Transient(Exception):
    """A failure that another try may mend."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


_backoff = wait_exponential_jitter(multiplier=0.5, max=MAX_WAIT, jitter=0.5)


def _wait(state: RetryCallState) -> float:
    """Exponential with jitter, but not before what Retry-After asks for."""
    error = state.outcome.exception() if state.outcome else None
    return max(_backoff(state), error.retry_after if isinstance(error, _Transient) else 0.0)


def _retry_after(header: str | None) -> float:
    """Seconds, of a count or of a date (RFC 9110, 10.2.3); 0 for none."""
    if not header:
        return 0.0
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())


def _excerpt(content: bytes) -> str:
    text = " ".join(content.decode(errors="replace").split())
    return repr(text[:EXCERPT] + ("..." if len(text) > EXCERPT else ""))
