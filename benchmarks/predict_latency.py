"""POST /predict with 60 raw bars beside an echo of the same body: p50 and p99 in one run, and their ratio.

`make bench`, after `make run`.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
from fastapi import FastAPI
from rich.console import Console
from rich.table import Table

from api.schemas import PredictRequest

ROOT = Path(__file__).resolve().parents[1]
REQUESTS = 600

echo_app = FastAPI()


@echo_app.post("/predict")
def echo(body: PredictRequest) -> PredictRequest:
    """The same body back."""
    return body


def main() -> None:
    """Print the table."""
    body = json.loads((ROOT / "data" / "sample" / "request.json").read_text(encoding="utf-8"))
    bodies = []
    for number in range(REQUESTS):
        body["bars"][-1]["volume"] = 1_000_000.0 + number
        bodies.append(json.dumps(body).encode())
    table = Table("route", "p50 ms", "p99 ms", title=f"{REQUESTS} sequential requests of 60 bars, distinct bodies")
    points = {}
    for name, target in (("echo", "benchmarks.predict_latency:echo_app"), ("predict", "api.app:app")):
        points[name] = np.percentile(_measure(target, bodies), [50, 99])
        table.add_row(name, *(f"{point:.2f}" for point in points[name]))
    table.add_row("predict / echo", *(f"{ratio:.2f}" for ratio in points["predict"] / points["echo"]))
    Console().print(table)


def _measure(target: str, bodies: list[bytes]) -> list[float]:
    """Milliseconds of each request to a server started for them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", target, "--port", str(port), "--log-level", "error", "--no-access-log"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"content-type": "application/json"}) as client:
            _wait(client)
            for body in bodies[:50]:
                client.post("/predict", content=body)
            times = []
            for body in bodies:
                begun = time.perf_counter()
                answer = client.post("/predict", content=body)
                times.append(1000 * (time.perf_counter() - begun))
                answer.raise_for_status()
            return times
    finally:
        server.terminate()
        server.wait()


def _wait(client: httpx.Client) -> None:
    for _ in range(600):
        try:
            client.get("/openapi.json")
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("The server did not start within 60 s.")


if __name__ == "__main__":
    main()
