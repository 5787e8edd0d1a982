"""Around every request: an id, a limit on the body, security headers, and one JSON line in the log."""

from __future__ import annotations

import json
import re
import time
import uuid
from contextlib import suppress
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 8 * 1024 * 1024
SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
log = structlog.get_logger()


class Around:
    """Gives each request an X-Request-ID (the client's own, if it is a plain one), refuses bodies over 8 MiB, logs."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        sent = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = sent if re.fullmatch(r"[\w.-]{1,64}", sent, re.ASCII) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        begun, status, read, too_large = time.perf_counter(), 0, 0, False

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = {name for name, _ in message["headers"]}
                extra = [(name, value) for name, value in SECURITY if name not in named]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode()), *extra]}
            await send(message)

        async def unless_too_large(message: Message) -> None:
            if not too_large:
                await answer(message)

        async def limited() -> Message:
            nonlocal read, too_large
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY:
                too_large = True
                return {"type": "http.disconnect"}
            return message

        length = headers.get(b"content-length", b"0")
        too_large = not length.isdigit() or int(length) > MAX_BODY
        if not too_large:
            with suppress(ClientDisconnect):
                await self.app(scope, limited, unless_too_large)
        if too_large and status == 0:
            await _refuse(answer, request_id)
        log.info(
            "request", request_id=request_id, method=scope["method"], path=scope["path"], status=status,
            milliseconds=round(1000 * (time.perf_counter() - begun), 3),
        )  # fmt: skip


async def _refuse(send: Any, request_id: str) -> None:
    body = {
        "type": "urn:market-master:TooLarge",
        "title": "TooLarge",
        "status": 413,
        "detail": f"The body is larger than {MAX_BODY} bytes; send fewer bars.",
        "request_id": request_id,
        "limit": MAX_BODY,
    }
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
