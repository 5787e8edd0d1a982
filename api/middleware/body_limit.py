"""Limits on a request's body: its size, and the time in which it must arrive."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Message, Receive

MAX_BODY_BYTES = 8 * 1024 * 1024


class BodyTooLarge(Exception):
    """More than MAX_BODY_BYTES were announced, or arrived."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


class BodyLimit:
    """Receives the messages of one request, and counts and times them until its body is complete."""

    def __init__(self, receive: Receive, headers: dict[bytes, bytes], deadline: float) -> None:
        """`deadline` is an instant of `time.perf_counter`."""
        self._receive, self._headers, self._deadline = receive, headers, deadline
        self._received_bytes = 0
        self.pending = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
        """some of the body is still to come"""
        self.response_started = False
        """from then on nothing is counted or timed: who reads on waits for the client to disconnect"""

    def check_announced_length(self) -> None:
        """Raise BodyTooLarge for a content-length above the limit, or one that is no number."""
        length = self._headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            raise BodyTooLarge

    async def receive(self) -> Message:
        """The next message. Raises BodyTooLarge and BodyTooSlow."""
        if self.response_started or not self.pending:
            return await self._receive()
        remaining = self._deadline - time.perf_counter()
        try:
            async with asyncio.timeout(max(remaining, 0.001)):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow from None
        self._received_bytes += len(message.get("body", b""))
        if self._received_bytes > MAX_BODY_BYTES:
            raise BodyTooLarge
        self.pending = message.get("more_body", False)
        return message
