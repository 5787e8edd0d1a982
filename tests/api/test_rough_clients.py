"""Clients that break off, dawdle, or send what no client should: each is refused by name, and the others are answered."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

import api.protocol
from tests.support.nightly import nightly_after
from tests.support.servers import newest_bars, on_a_port, wait_for

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("rough clients")]


@pytest.fixture(scope="module")
def port(trained_home) -> Iterator[int]:
    """A real server that waits two seconds for a body."""
    with on_a_port(trained_home, MM_BODY_SECONDS="2") as running:
        yield running


def healthy(port: int) -> bool:
    """It answers others."""
    return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=10).status_code == 200


def send_raw(port: int, content: bytes, patience: float = 20) -> bytes:
    """What comes back for raw bytes, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.sendall(content)
        response = b""
        while True:
            part = connection.recv(65536)
            if not part:
                return response
            response += part


def head(length: int, *more: str) -> bytes:
    """The head of a POST /predict."""
    lines = ["POST /predict HTTP/1.1", "host: x", "content-type: application/json", f"content-length: {length}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_body_that_does_not_arrive_is_408(port) -> None:
    """After two seconds, with the connection closed; others were answered meanwhile."""
    begun = time.monotonic()
    response = send_raw(port, head(5000) + b'{"symbol": ')
    assert b" 408 " in response.split(b"\r\n")[0]
    assert json.loads(response.split(b"\r\n\r\n", 1)[1])["title"] == "TooSlow"
    assert time.monotonic() - begun < 8
    assert healthy(port)


def test_a_drop_at_a_time_is_cut_off_too(port) -> None:
    """A byte now and then does not keep a connection open: the time is that of the whole body."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head(5000))
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 15:
                connection.sendall(b" ")
                time.sleep(0.2)
        except OSError:
            pass
        assert time.monotonic() - begun < 8


def test_an_early_answer_ends_the_connection(port) -> None:
    """Who was refused before the body came (here: no such route) can't hold the connection with the rest of it."""
    begun = time.monotonic()
    response = send_raw(port, head(5000).replace(b"/predict", b"/nowhere") + b" ")
    assert b" 404 " in response.split(b"\r\n")[0]
    assert time.monotonic() - begun < 8


def test_a_head_that_does_not_end_is_cut_off(port) -> None:
    """Slow loris: ten seconds for the whole head, however many lines trickle in."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n")
        try:
            while time.monotonic() - begun < 25:
                connection.sendall(b"x-more: y\r\n")
                time.sleep(0.5)
        except OSError:
            pass
    assert api.protocol.HEAD_SECONDS - 2 < time.monotonic() - begun < api.protocol.HEAD_SECONDS + 8


def test_a_client_that_hangs_up_half_way_leaves_no_trace(port, trained_home) -> None:
    """Truncated bodies, at several places."""
    body = json.dumps(newest_bars(trained_home)).encode()
    for part in (0, 1, len(body) // 2, len(body) - 1):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(head(len(body)) + body[:part])
    assert healthy(port)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"symbol": "A"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 5000,
        b"1e999",
        b"\x00" * 100,
    ],
)
def test_a_body_that_is_no_request_is_422(port, content) -> None:
    """Whatever the bytes."""
    response = httpx.post(
        f"http://127.0.0.1:{port}/predict", content=content, headers={"content-type": "application/json"}
    )
    assert response.status_code == 422
    assert response.json()["title"] == "Malformed"


def test_a_compressed_body_is_not_unpacked(port) -> None:
    """No encoding is accepted, so no small body becomes a large one."""
    bomb = gzip.compress(b" " * 50_000_000)
    response = httpx.post(f"http://127.0.0.1:{port}/predict", content=bomb, headers={"content-encoding": "gzip"})
    assert response.status_code == 422


def test_a_body_without_end_is_413(port) -> None:
    """Chunked, with no length told: reading stops at the limit."""

    def chunks() -> Iterator[bytes]:
        for _ in range(200):
            yield b" " * 100_000

    try:
        response = httpx.post(f"http://127.0.0.1:{port}/predict", content=chunks(), timeout=20)
        assert response.status_code in (408, 413)
    except httpx.TransportError:
        pass  # cut off while it was still sending
    assert healthy(port)


@pytest.mark.parametrize("count", nightly_after(1, [100, 1000]))
def test_idle_connections_keep_nobody_out(port, count) -> None:
    """They cost the server little, and are closed when their time is up."""
    idle = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(count)]
    try:
        begun = time.monotonic()
        assert healthy(port)
        assert time.monotonic() - begun < 2
        wait_for(lambda: idle[0].recv(1) == b"", seconds=api.protocol.HEAD_SECONDS + 10)
    finally:
        for connection in idle:
            connection.close()
