"""Hot swap under load, and a soak."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.table import Table

from benchmarks.serving.bodies import distinct
from benchmarks.serving.servers import MODEL, console, load, rate, rss, server, serving_pid
from market_master.prediction.loaded_model import LoadedModel
from market_master.registry.versions import Versions


def swap(home: Path, champion: LoadedModel) -> None:
    """20,000 requests while the alias moves to another version and back."""
    versions = Versions(home, MODEL)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "home"
        shutil.copytree(home, copy)
        moved = Versions(copy, MODEL)
        numbers = [row["version"] for row in versions.all()]
        current = moved.production() or ""
        other = next((n for n in numbers if n != current), None) or second_version(moved, champion)
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


def second_version(versions: Versions, champion: LoadedModel) -> str:
    """A second version with the same files, where there is only one."""
    version = versions.create(str(champion.artifact.folder), champion.artifact.run_id)
    versions.set_outcome(version, "promoted")
    return version
