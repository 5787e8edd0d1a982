"""Start of the lean server: until it answers, its memory, its size on disk."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.serving.bodies import distinct
from benchmarks.serving.servers import ROOT, client, console, post, rss, server, serving_pid
from market_master.prediction.loaded_model import LoadedModel

LEAN = ROOT / ".venv-serve"
STARTS = 5


def start(champion: LoadedModel, home: Path) -> None:
    """From the command to the first 200 of /ready and of POST /predict; medians. The first start leaves the local copy behind."""
    python = LEAN / "bin" / "python"
    if not python.exists():
        console.print("The lean environment is not here; `make check-lean` sets it up.")
        return
    body, (ready, first, memory) = distinct(champion, home, 60, 1)[0], ([], [], [])
    for _ in range(1 + STARTS):
        begun = time.perf_counter()
        with server("api", home, str(python), alive="/ready") as api:
            ready.append(time.perf_counter() - begun)
            post(client(api), body)
            first.append(time.perf_counter() - begun)
            time.sleep(5)
            memory.append(rss(serving_pid(api)) / 1024)
    size = sum(file.stat().st_size for file in LEAN.rglob("*") if file.is_file() and not file.is_symlink())
    table = Table("ready s", "first prediction s", "RSS MiB", "on disk MB", title=f"the lean server; {STARTS} starts")
    ready_s, first_s, rss_mib = (float(np.median(values[1:])) for values in (ready, first, memory))
    table.add_row(f"{ready_s:.2f}", f"{first_s:.2f}", f"{rss_mib:.0f}", f"{size / 1e6:.0f}")
    console.print(table)
