"""Servers of the benchmarks and their clients: ours, the echo, MLflow's; requests in turn and over 16 connections."""

from __future__ import annotations

import asyncio
import http.client
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).resolve().parents[2]
MODEL = "market-master"
CONNECTIONS = 16
QUIET = {"MM_RATE_LIMIT": "off", "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
console = Console(width=130)


class NotAnswered(Exception):
    """A request came to another status than 200."""


@contextmanager
def server(
    module: str, home: Path, python: str = sys.executable, alive: str = "/health", **variables: str
) -> Iterator[int]:
    """A server of ours, or the echo, on a free port."""
    port = free_port()
    environ = {**os.environ, **QUIET, "MM_HOME": str(home), "PORT": str(port), "MM_POLL_SECONDS": "1"} | variables
    command = [python, "-m", module]
    with running(command, environ, port, alive):
        yield port


@contextmanager
def mlflow_server(home: Path, model: str) -> Iterator[int]:
    """MLflow's own scoring server over a model."""
    port = free_port()
    environ = {**os.environ, **QUIET, "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlruns' / 'mlflow.db'}"}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model]
    with running([*command, "-p", str(port), "--env-manager", "local"], environ, port, "/ping"):
        yield port


@contextmanager
def running(command: list[str], environ: dict[str, str], port: int, alive: str) -> Iterator[None]:
    """A server, from its first answer to its end."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for _ in range(6000):
            try:
                get(client(port), alive)
                break
            except (OSError, NotAnswered):
                time.sleep(0.01)
        else:
            raise SystemExit(f"{command[2]} did not start within 60 s.")
        yield
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def client(port: int) -> http.client.HTTPConnection:
    """A connection that is kept."""
    return http.client.HTTPConnection("127.0.0.1", port, timeout=60)


def post(one: http.client.HTTPConnection, body: bytes) -> float:
    """Seconds of one prediction."""
    return _timed(lambda: one.request("POST", "/predict", body, {"content-type": "application/json"}), one)


def get(one: http.client.HTTPConnection, path: str) -> float:
    """Seconds of one GET."""
    return _timed(lambda: one.request("GET", path), one)


def _timed(ask: Callable[[], None], one: http.client.HTTPConnection) -> float:
    begun = time.perf_counter()
    ask()
    answer = one.getresponse()
    answer.read()
    spent = time.perf_counter() - begun
    if answer.status != 200:
        raise NotAnswered(f"The server answered {answer.status}.")
    return spent


def rate(port: int, path: str, bodies: list[bytes]) -> float:
    """Requests a second."""
    begun = time.perf_counter()
    asyncio.run(load(port, path, bodies))
    return len(bodies) / (time.perf_counter() - begun)


async def load(
    port: int, path: str, bodies: list[bytes], rate: float | None = None
) -> list[tuple[float, float, int, str]]:
    """All bodies over 16 connections; when each was sent, how long it took, its status, and the version that answered."""
    waiting, seen = list(enumerate(bodies))[::-1], []
    begun = time.perf_counter()

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            number, body = waiting.pop()
            if rate:
                await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            at = time.perf_counter()
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            top = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in top.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            version = next(
                (line[17:] for line in top.split(b"\r\n") if line.lower().startswith(b"x-model-version:")), b""
            )
            await reader.readexactly(length)
            seen.append((at, time.perf_counter() - at, int(top[9:12]), version.decode().strip()))
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return seen


def serving_pid(port: int) -> int:
    """The process that listens on a port."""
    told = subprocess.run(["ss", "-ltnpH", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return int(told.split("pid=")[1].split(",")[0])


def rss(pid: int) -> int:
    """Resident memory, KiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
