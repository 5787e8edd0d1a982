"""Around every request: an id, a key, limits, security headers, a measurement, and one JSON line in the log."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Access, AccessDenied
from api.errors import PROBLEM_JSON, problem
from api.limits import Limits
from api.metrics import IN_FLIGHT, LATENCY
from api.serving import ModelServer

MAX_BODY = 8 * 1024 * 1024
SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
     b"img-src 'self' data:; frame-ancestors 'none'"),
]  # fmt: skip
CLOSE = (b"connection", b"close")
"""goes with an answer given before the whole body was there: nobody may dawdle over the rest"""
PLAIN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
log = structlog.get_logger()


class TooLarge(Exception):
    """More bytes arrived than are read."""


class TooSlow(Exception):
    """The body did not arrive in time."""


class RequestMiddleware:
    """Refuses before any work is done what may not be asked, or is too much; every answer carries X-Request-ID."""

    def __init__(
        self, app: ASGIApp, *, serving: ModelServer, access: Access, limits: Limits, body_seconds: float
    ) -> None:
        self.app, self.serving, self.access, self.limits = app, serving, access, limits
        self.body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        sent = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = sent if PLAIN_ID.fullmatch(sent) else uuid.uuid4().hex
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        extra = [(b"x-request-id", request_id.encode()), (b"x-model-version", self.serving.version.encode()), *SECURITY]
        status = read = 0
        awaited = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = {name for name, _ in message["headers"]}
                around = [*extra, CLOSE] if awaited else extra
                message["headers"] = [*message["headers"], *(pair for pair in around if pair[0] not in named)]
            await send(message)

        async def limited() -> Message:
            nonlocal read, awaited
            left = begun + self.body_seconds - time.perf_counter()
            if status or not awaited:
                return await receive()
            try:
                async with asyncio.timeout(max(left, 0.001)):
                    message = await receive()
            except TimeoutError:
                raise TooSlow from None
            read += len(message.get("body", b""))
            if read > MAX_BODY:
                raise TooLarge
            awaited = message.get("more_body", False)
            return message

        IN_FLIGHT.inc()
        try:
            await self._admit(scope, headers)
            with suppress(ClientDisconnect):
                await self.app(scope, limited, answer)
        except AccessDenied as error:
            await _refuse(answer, problem(request_id, error.status, error.title, str(error)))
        except TooMany as error:
            wait = {"retry_after": error.seconds}
            sentence = f"More than {self.limits.rate} came from this client; ask again in {error.seconds} s."
            await _refuse(
                answer, problem(request_id, 429, "TooMany", sentence, **wait), (b"retry-after", b"%d" % error.seconds)
            )
        except TooLarge:
            sentence = f"The body is larger than {MAX_BODY} bytes; send fewer bars."
            await _refuse(answer, problem(request_id, 413, "TooLarge", sentence, limit=MAX_BODY))
        except TooSlow:
            sentence = f"The body did not arrive within {self.body_seconds:g} s."
            await _refuse(answer, problem(request_id, 408, "TooSlow", sentence, seconds=self.body_seconds))
        finally:
            IN_FLIGHT.dec()
            spent = time.perf_counter() - begun
            route = getattr(scope.get("route"), "path", "none")
            LATENCY.labels(route, str(status)).observe(spent)
            log.info(
                "request", request_id=request_id, method=scope["method"], path=scope["path"], status=status,
                milliseconds=round(1000 * spent, 3), model=self.serving.version,
            )  # fmt: skip

    async def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        key = self.access.who(scope["path"], headers)
        scope["state"]["key"] = key
        client = key.name if key else (scope.get("client") or ("nobody",))[0]
        seconds = await self.limits.refuse(client)
        if seconds is not None:
            raise TooMany(seconds)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            raise TooLarge


class TooMany(Exception):
    """A client asked too often."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


async def _refuse(send: Any, document: dict[str, Any], *headers: tuple[bytes, bytes]) -> None:
    body = msgspec.json.encode(document)
    start = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": document["status"], "headers": start})
    await send({"type": "http.response.body", "body": body})
