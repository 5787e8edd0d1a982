"""Request middleware: id, key, limits, security headers, metrics and log."""

from __future__ import annotations

import re
import time
import uuid
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import AccessDenied, Authenticator
from api.errors import PROBLEM_JSON, problem
from api.limits import Limits
from api.metrics import IN_FLIGHT, LATENCY
from api.middleware.body_limit import MAX_BODY_BYTES, BodyLimit, BodyTooLarge, BodyTooSlow
from api.model_server import ModelServer

Headers = list[tuple[bytes, bytes]]
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
     b"img-src 'self' data:; frame-ancestors 'none'"),
]  # fmt: skip
CLOSE_HEADER = (b"connection", b"close")
"""goes with a response before the body is complete: nobody may dawdle over the rest"""
PLAIN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
log = structlog.get_logger()


class TooManyRequests(Exception):
    """A client is above its rate; `seconds` until it may send the next request."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds


class RequestMiddleware:
    """Refuses before any work is done what may not be asked, or is too much; every response carries X-Request-ID."""

    def __init__(
        self, app: ASGIApp, *, server: ModelServer, authenticator: Authenticator, limits: Limits, body_seconds: float
    ) -> None:
        self.app, self.server, self.authenticator, self.limits = app, server, authenticator, limits
        self.body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = scope.setdefault("state", {})["request_id"] = _request_id(headers)
        body = BodyLimit(receive, headers, begun + self.body_seconds)
        model_version = (b"x-model-version", self.server.version.encode())
        response = _Response(send, [(b"x-request-id", request_id.encode()), model_version, *SECURITY_HEADERS], body)
        IN_FLIGHT.inc()
        try:
            await self._admit(scope, headers)
            body.check_announced_length()
            with suppress(ClientDisconnect):
                await self.app(scope, body.receive, response.send)
        except (AccessDenied, TooManyRequests, BodyTooLarge, BodyTooSlow) as error:
            await _send_problem(response.send, *self._problem(error, request_id))
        finally:
            IN_FLIGHT.dec()
            self._record(scope, request_id, response.status, time.perf_counter() - begun)

    async def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        key = self.authenticator.authenticate(scope["path"], headers)
        scope["state"]["key"] = key
        client = key.name if key else (scope.get("client") or ("nobody",))[0]
        seconds = await self.limits.retry_after(client)
        if seconds is not None:
            raise TooManyRequests(seconds)

    def _problem(self, error: Exception, request_id: str) -> tuple[dict[str, Any], Headers]:
        """The problem document of a refusal, and the headers that go with it."""
        if isinstance(error, AccessDenied):
            return problem(request_id, error.status, error.title, str(error)), []
        if isinstance(error, TooManyRequests):
            seconds = error.seconds
            sentence = f"More than {self.limits.rate} came from this client; ask again in {seconds} s."
            document = problem(request_id, 429, "TooMany", sentence, retry_after=seconds)
            return document, [(b"retry-after", b"%d" % seconds)]
        if isinstance(error, BodyTooLarge):
            sentence = f"The body is larger than {MAX_BODY_BYTES} bytes; send fewer bars."
            return problem(request_id, 413, "TooLarge", sentence, limit=MAX_BODY_BYTES), []
        sentence = f"The body did not arrive within {self.body_seconds:g} s."
        return problem(request_id, 408, "TooSlow", sentence, seconds=self.body_seconds), []

    def _record(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        """Measure a request that is over, and write its line in the log."""
        route = getattr(scope.get("route"), "path", "none")
        LATENCY.labels(route, str(status)).observe(seconds)
        log.info(
            "request", request_id=request_id, method=scope["method"], path=scope["path"], status=status,
            milliseconds=round(1000 * seconds, 3), model=self.server.version,
        )  # fmt: skip


class _Response:
    """Sends the response to one request with the headers that every response has, and remembers its status."""

    def __init__(self, send: Send, headers: Headers, body: BodyLimit) -> None:
        self._send, self._headers, self._body = send, headers, body
        self.status = 0

    async def send(self, message: Message) -> None:
        """Send a message of the response; the endpoint's own headers win."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._body.response_started = True
            names = {name for name, _ in message["headers"]}
            common = [*self._headers, CLOSE_HEADER] if self._body.pending else self._headers
            message["headers"] = [*message["headers"], *(header for header in common if header[0] not in names)]
        await self._send(message)


def _request_id(headers: dict[bytes, bytes]) -> str:
    """The client's own id where it is a plain one, else a new one."""
    requested = headers.get(b"x-request-id", b"").decode("latin-1")
    return requested if PLAIN_ID.fullmatch(requested) else uuid.uuid4().hex


async def _send_problem(send: Send, document: dict[str, Any], headers: Headers) -> None:
    body = msgspec.json.encode(document)
    content = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": document["status"], "headers": [*content, *headers]})
    await send({"type": "http.response.body", "body": body})
