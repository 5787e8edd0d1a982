"""uvicorn's HTTP protocol with the time-out it lacks, that of a request's head."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0


class ImpatientProtocol(HttpToolsProtocol):
    """Closes a connection whose request head is not there after `HEAD_SECONDS`, first request or later ones."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to count."""
        super().connection_made(transport)
        self._start_timer()

    def on_message_begin(self) -> None:
        """A next request begins on a connection that was kept alive."""
        super().on_message_begin()
        self._start_timer()

    def on_headers_complete(self) -> None:
        """The head is there; the body is the middleware's to wait for."""
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting."""
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
