"""A market-data platform on a free port: real HTTP, bars of the simulated market, and troubles on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Answer = tuple[int, dict[str, str], bytes]
"""status, headers, body"""


@dataclass(frozen=True)
class Request:
    """What was asked, and when."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    moment: float


@dataclass
class Platform:
    """Answers each request by `respond`; `troubles` are answered first, one a request."""

    respond: Callable[[Request], Any]
    troubles: list[Answer | float] = field(default_factory=list)
    """an answer instead, or seconds to be silent before the true one"""
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Request) -> Answer:
        """Status, headers and body of an answer."""
        with self._lock:
            self.requests.append(request)
            trouble = self.troubles.pop(0) if self.troubles else None
        if isinstance(trouble, tuple):
            return trouble
        if trouble:
            time.sleep(trouble)
        content = self.respond(request)
        return content if isinstance(content, tuple) else (200, {}, json.dumps(content).encode())


@contextmanager
def platform(respond: Callable[[Request], Any], *troubles: Answer | float) -> Iterator[Platform]:
    """A platform that runs for as long as the block."""
    running = Platform(respond, list(troubles))

    class Handler(BaseHTTPRequestHandler):
        """Hands requests on."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Any path."""
            parts = urlsplit(self.path)
            request = Request(parts.path, dict(parse_qsl(parts.query)), dict(self.headers), time.monotonic())
            status, headers, body = running.answer(request)
            if status == 0:  # the connection breaks
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for at in range(0, len(body), max(1, int(headers.get("X-Drip", len(body) or 1)))):
                    self.wfile.write(body[at : at + int(headers.get("X-Drip", len(body)))])
                    if "X-Drip" in headers:
                        time.sleep(0.05)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """In silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
