"""The server beside an echo of the same body, and beside `mlflow models serve` with the same graph; after `make run`.

    .venv/bin/python -m benchmarks.serving            # latency, index, throughput, hot swap
    .venv/bin/python -m benchmarks.serving --soak 600

Servers run side by side and requests alternate between them, so that a busy machine slows both; medians over rounds.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from market_master import config, features
from market_master.domain.bars import OHLCV
from market_master.domain.clock import iso
from market_master.domain.model_inputs import model_inputs
from market_master.plugins import load_family
from market_master.prediction.loaded_model import LoadedModel
from market_master.registry.champion import load_champion
from market_master.registry.versions import Versions
from market_master.training.dataset import label_bars

ROOT = Path(__file__).resolve().parents[1]
MODEL = "market-master"
ROUNDS, EACH = 10, 100
CONNECTIONS = 16
QUIET = {"MM_RATE_LIMIT": "off", "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
console = Console(width=120)


def main() -> None:
    """Print the tables."""
    home = config.home()
    champion = load_champion(home, MODEL)
    told = f"{champion.card.candidate}, {len(champion.card.features)} features, {len(champion.card.symbols)} symbols"
    if "--soak" in sys.argv:
        soak(home, champion, float(sys.argv[sys.argv.index("--soak") + 1]))
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "home"
        shutil.copytree(home / "data" / "bars", copy / "data" / "bars")
        os.symlink(home / "mlruns", copy / "mlruns")
        with server("benchmarks.echo", copy) as echo, server("api", copy) as ours:
            latency(champion, home, echo, ours, told)
            index(champion, copy, ours, told)
    throughput(champion, home, told)
    swap(home, champion)


def latency(champion: LoadedModel, home: Path, echo: int, ours: int, told: str) -> None:
    """POST /predict and the echo, request by request in turn."""
    table = Table(
        "bars", "echo p50", "p99", "predict p50", "p99", "p50 ratio", "p99 ratio", title=f"milliseconds; {told}"
    )
    for bars in (60, 250):
        bodies = distinct(champion, home, bars, 2 * ROUNDS * EACH)
        clients = [client(echo), client(ours)]
        for body in bodies[:200]:
            for one in clients:
                post(one, body)
        points = []
        for part in np.array_split(np.arange(len(bodies)), ROUNDS):
            spent = np.array([[post(one, bodies[n]) for one in clients] for n in part])
            points.append(np.percentile(1000 * spent, [50, 99], axis=0))
        (e50, p50), (e99, p99) = np.median(points, axis=0)
        table.add_row(str(bars), *(f"{v:.3f}" for v in (e50, e99, p50, p99)), f"{p50 / e50:.2f}", f"{p99 / e99:.2f}")
    console.print(table)


def index(champion: LoadedModel, copy: Path, ours: int, told: str) -> None:
    """GET /signal/index with a new state of the store, again, and GET /health."""
    file = champion.store(copy).folder / "recent.npz"
    content, one = file.read_bytes(), client(ours)
    new, again, health = [], [], []
    for _ in range(30):
        part = file.with_suffix(".part")
        part.write_bytes(content)
        part.replace(file)
        new.append(get(one, "/signal/index"))
        again += [get(one, "/signal/index") for _ in range(20)]
        health += [get(one, "/health") for _ in range(20)]
    a, b, c = (1000 * float(np.median(times)) for times in (new, again, health))
    table = Table("new bar ms", "repeated ms", "/health ms", "repeated / health", title=f"GET /signal/index; {told}")
    table.add_row(f"{a:.2f}", f"{b:.3f}", f"{c:.3f}", f"{b / c:.2f}")
    console.print(table)


def throughput(champion: LoadedModel, home: Path, told: str) -> None:
    """Requests a second over 16 connections: ours from raw bars, MLflow's own server from ready inputs.

    MLflow serves a forest as scikit-learn logs it, and the champion's graph as we do: what the form is worth, and the rest.
    """
    row = json.dumps({"inputs": champion.artifact.example["inputs"][:1]}).encode()
    bodies = distinct(champion, home, 60, 6000)
    with (
        TemporaryDirectory() as folder,
        server("api", home) as ours,
        mlflow_server(home, sklearn_forest(home, champion, Path(folder) / "forest")) as forest,
        mlflow_server(home, f"models:/{MODEL}@production") as graph,
    ):
        asked = {"ours": (ours, "/predict", bodies), "forest": (forest, "/invocations", [row] * 900)}
        asked["graph"] = (graph, "/invocations", [row] * 3600)
        rates: dict[str, list[float]] = {name: [] for name in asked}
        for part in range(4):
            for name, (port, path, some) in asked.items():
                rates[name].append(rate(port, path, some[part * len(some) // 4 : (part + 1) * len(some) // 4]))
    ours_rate, forest_rate, graph_rate = (float(np.median(rates[name][1:])) for name in asked)
    table = Table("server", "asked with", "requests / s", "ours to it", title=f"throughput; {told}")
    table.add_row("Market Master", "60 raw bars", f"{ours_rate:,.0f}", "")
    for name, found in (("a forest of scikit-learn", forest_rate), ("the champion's graph", graph_rate)):
        table.add_row(f"mlflow models serve, {name}", "a ready row", f"{found:,.0f}", f"{ours_rate / found:.1f}")
    console.print(table)


def sklearn_forest(home: Path, champion: LoadedModel, folder: Path) -> str:
    """Our random forest fitted on the stored bars, kept as MLflow keeps scikit-learn's; where it lies."""
    import mlflow

    card, bars = champion.card, champion.store(home).bars()
    action = label_bars(bars, champion.settings).labels
    values = features.compute(bars, card.features, members=card.members)
    rows = np.flatnonzero(action.known & np.isfinite(values).all(axis=1))
    rows = rows[:: len(rows) // 60_000 + 1]
    inputs = model_inputs(values[rows], bars.symbols, bars.code[rows], card.symbols)
    forest = load_family("models")["random_forest"].factory(symbols=len(card.symbols), seed=1)
    forest.fit(inputs, action.action[rows])
    mlflow.sklearn.save_model(
        forest, str(folder), pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )  # fmt: skip
    return str(folder)


def swap(home: Path, champion: LoadedModel) -> None:
    """20,000 requests while the alias moves to another version and back."""
    versions = Versions(home, MODEL)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "home"
        shutil.copytree(home, copy)
        moved = Versions(copy, MODEL)
        numbers = [row["version"] for row in versions.all()]
        standing = moved.production() or ""
        other = next((n for n in numbers if n != standing), None) or again(moved, champion)
        bodies = distinct(champion, home, 60, 20_000)
        with server("api", copy) as port:
            asyncio.run(load(port, "/predict", bodies[:500]))
            calm = asyncio.run(load(port, "/predict", bodies[:4000]))

            async def moving() -> list[tuple[float, float, int, str]]:
                task = asyncio.create_task(load(port, "/predict", bodies))
                await asyncio.sleep(3)
                await asyncio.to_thread(moved.set_alias, "production", other)
                return await task

            seen = asyncio.run(moving())
    failed = sum(status != 200 for *_, status, _ in seen)
    first = next((at for at, _, _, version in seen if version == other), None)
    table = Table(
        "requests", "failed", "p99 before ms", "p99 around the move ms", "ratio", "swapped after s", title="hot swap"
    )
    before = float(np.percentile([spent for _, spent, *_ in calm], 99))
    around = [spent for at, spent, *_ in seen if abs(at - seen[0][0] - 3 - 2) < 5]
    p99 = float(np.percentile(around, 99))
    after = "never" if first is None else f"{first - seen[0][0] - 3:.1f}"
    table.add_row(
        f"{len(seen):,}", str(failed), f"{1000 * before:.2f}", f"{1000 * p99:.2f}", f"{p99 / before:.2f}", after
    )
    console.print(table)


def soak(home: Path, champion: LoadedModel, seconds: float) -> None:
    """Half of the peak rate for so long: errors, and growth of memory after the first minute."""
    bodies = distinct(champion, home, 60, 6000)
    with server("api", home) as port:
        pid = serving_pid(port)
        half = rate(port, "/predict", bodies) / 2
        end, errors, sent, start = time.time() + seconds, 0, 0, 0
        begun = time.time()
        while time.time() < end:
            part = asyncio.run(load(port, "/predict", bodies[: int(half * 5)], rate=half))
            errors, sent = errors + sum(status != 200 for *_, status, _ in part), sent + len(part)
            if not start and time.time() - begun > min(60, seconds / 5):
                start = rss(pid)
        grown = rss(pid) / start - 1
    table = Table(
        "seconds", "requests / s", "requests", "errors", "RSS MiB", "growth", title="soak at half of the peak rate"
    )
    table.add_row(f"{seconds:.0f}", f"{half:,.0f}", f"{sent:,}", str(errors), f"{start / 1024:,.0f}", f"{grown:+.2%}")
    console.print(table)


def distinct(champion: LoadedModel, home: Path, bars: int, count: int) -> list[bytes]:
    """Bodies of one symbol's newest bars, each with another newest volume."""
    symbol = champion.card.symbols[0]
    held = champion.store(home).bars((symbol,), last=bars)
    rows = [
        {"timestamp": iso(held.bar_start[n]), **{name: round(float(getattr(held, name)[n]), 6) for name in OHLCV}}
        for n in range(len(held))
    ]
    body: dict[str, Any] = {"symbol": symbol, "interval": champion.card.timetable["interval"], "bars": rows}
    found = []
    for number in range(count):
        rows[-1]["volume"] = round(1e6 + number, 1)
        found.append(json.dumps(body).encode())
    return found


def again(versions: Versions, champion: LoadedModel) -> str:
    """A second version with the same files, where there is only one."""
    version = versions.create(str(champion.artifact.folder), champion.artifact.run_id)
    versions.set_outcome(version, "promoted")
    return version


@contextmanager
def server(module: str, home: Path) -> Iterator[int]:
    """A server of ours, or the echo, on a free port."""
    port = free_port()
    environ = {**os.environ, **QUIET, "MM_HOME": str(home), "PORT": str(port), "MM_POLL_SECONDS": "1"}
    command = [sys.executable, "-m", module]
    with running(command, environ, port, "/health"):
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
        for _ in range(600):
            try:
                get(client(port), alive)
                break
            except OSError:
                time.sleep(0.1)
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
        raise SystemExit(f"The server answered {answer.status}.")
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


if __name__ == "__main__":
    main()
