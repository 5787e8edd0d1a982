"""Latency of POST /predict beside an echo of the same body, and of the index signal beside GET /health."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.table import Table

from benchmarks.serving.bodies import distinct, write_market
from benchmarks.serving.servers import client, console, get, post, server
from market_master.market_data.store.recent import RECENT_FILE
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction_log.writer import BATCH_SECONDS

ROUNDS, EACH = 10, 100
MARKETS = (100, 500)
"""symbols"""


def predictions(champion: LoadedModel, home: Path, facts: str) -> None:
    """POST /predict and the echo, request by request in turn: whole histories, and one bar that the store does not have."""
    table = Table(
        "bars", "echo p50", "p99", "predict p50", "p99", "p50 ratio", "p99 ratio", title=f"milliseconds; {facts}"
    )
    with _copy_of(champion, home) as copy, server("benchmarks.serving.echo", copy) as echo, server("api", copy) as api:
        for bars in (60, 250, 1):
            bodies = distinct(champion, home, bars, 2 * ROUNDS * EACH)
            clients = [client(echo), client(api)]
            for body in bodies[:200]:
                for one in clients:
                    post(one, body)
            points = []
            for part in np.array_split(np.arange(len(bodies)), ROUNDS):
                seconds = np.array([[post(one, bodies[n]) for one in clients] for n in part])
                points.append(np.percentile(1000 * seconds, [50, 99], axis=0))
            (e50, p50), (e99, p99) = np.median(points, axis=0)
            table.add_row(
                str(bars), *(f"{v:.3f}" for v in (e50, e99, p50, p99)), f"{p50 / e50:.2f}", f"{p99 / e99:.2f}"
            )
    console.print(table)


def index(champion: LoadedModel, home: Path, facts: str) -> None:
    """GET /signal/index at a new state of the store, again, and GET /health, for markets of several sizes."""
    table = Table(
        "symbols", "new bar ms", "repeated ms", "/health ms", "repeated / health", title=f"GET /signal/index; {facts}"
    )
    for symbols in (len(champion.card.symbols), *MARKETS):
        with _copy_of(champion, home) as copy:
            larger = {} if symbols not in MARKETS else {"MM_CONFIG": str(write_market(champion, copy, symbols))}
            with server("api", copy, **larger) as api:
                times = _index_times(champion.store(copy).folder / RECENT_FILE, api)
        new, again, health = (1000 * float(np.median(seconds)) for seconds in times)
        table.add_row(str(symbols), f"{new:.2f}", f"{again:.3f}", f"{health:.3f}", f"{again / health:.2f}")
    console.print(table)


def _index_times(file: Path, api: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds of the first request after each writing of the newest bars, of later ones, and of GET /health."""
    content, one = file.read_bytes(), client(api)
    new, again, health = [], [], []
    for _ in range(30):
        time.sleep(
            2 * BATCH_SECONDS
        )  # the predictions of the state before are in the log by then, as at any bar's close
        part = file.with_suffix(".part")
        part.write_bytes(content)
        part.replace(file)
        new.append(get(one, "/signal/index"))
        for _ in range(20):
            again.append(get(one, "/signal/index"))
            health.append(get(one, "/health"))
    return new, again, health


@contextmanager
def _copy_of(champion: LoadedModel, home: Path) -> Iterator[Path]:
    """A home with the same registry, and bars of its own."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "home"
        source = champion.store(home).folder
        shutil.copytree(source, copy / source.relative_to(home))
        os.symlink(home / "mlruns", copy / "mlruns")
        yield copy
