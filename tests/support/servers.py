"""Servers for tests: in this process, or a real one on a free port; homes that may be altered."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from market_master.domain.bars import OHLCV
from market_master.domain.clock import iso
from market_master.registry.champion import load_champion
from market_master.registry.versions import Versions
from tests.support import ROOT
from tests.support.forks import fork_context

MODEL = "market-master"
NO_PREFECT = "http://127.0.0.1:9/api"
"""so that no test starts a training on whatever server this machine runs"""


@contextmanager
def in_process(home: Path, *, start_method: str = "forkserver", **environ: str) -> Iterator[TestClient]:
    """The app over a home, with some environment variables.

    Its registry process is forked from one that has imported MLflow already, unless another method is named.
    """
    if start_method == "forkserver":
        fork_context()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("market_master.registry.client_process.START_METHOD", start_method)
        defaults = {"MM_RATE_LIMIT": "off", "MM_POLL_SECONDS": "3600", "PREFECT_API_URL": NO_PREFECT}
        for name, value in {"MM_HOME": str(home), **defaults, **environ}.items():
            patch.setenv(name, value)
        app = create_app()
        with TestClient(app, raise_server_exceptions=False) as running:
            wait_for(lambda: "until the registry" not in app.state.model_server.note)
            yield running


@contextmanager
def on_a_port(home: Path, command: tuple[str, ...] = ("-m", "api"), **environ: str) -> Iterator[int]:
    """`python -m api` on a free port, from its first answer to its end."""
    port = free_port()
    variables = outside(home, **{"PORT": str(port), "MM_RATE_LIMIT": "off", "PREFECT_API_URL": NO_PREFECT, **environ})
    process = subprocess.Popen(
        [os.environ.get("MM_SERVER_PYTHON", sys.executable), *command],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200, process)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def registry_was_asked(ready: httpx.Response) -> bool:
    """The server does not just serve its local copy because it does not know better yet."""
    return ready.status_code != 200 or "until the registry" not in ready.json()["note"]


def outside(home: Path, **environ: str) -> dict[str, str]:
    """The environment of a process beside this one; MLflow leaves the store it was told last in ours, which is another's."""
    inherited = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**inherited, "MM_HOME": str(home), "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **environ}


def wait_for(holds: Any, process: subprocess.Popen[bytes] | None = None, seconds: float = 90) -> None:
    """Until something holds, or the process has ended, or the time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process is None or process.poll() is None, f"the process ended with {process.returncode}"
        try:
            if holds():
                return
        except (httpx.TransportError, OSError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s in vain")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def own_copy(trained: Path, home: Path) -> Path:
    """A home with the trained one's registry and bars, which a test may alter; without what servers logged there."""
    logged = shutil.ignore_patterns("predictions.db*", "spill")
    for part in ("mlruns", "data"):
        shutil.copytree(trained / part, home / part, ignore=logged, dirs_exist_ok=True)
    return home


def another_version(home: Path, folder: Path, outcome: str = "promoted") -> str:
    """A version with a copy of the champion's files, which may be altered in `folder` before it is served."""
    versions = Versions(home, MODEL)
    files = versions.files(versions.production() or "")
    shutil.copytree(files.folder, folder, dirs_exist_ok=True)
    version = versions.create(str(folder), files.run_id)
    versions.set_outcome(version, outcome)
    return version


def newest_bars(home: Path, symbol: str = "S001", count: int = 60) -> dict[str, Any]:
    """A symbol's last stored bars as a client would post them."""
    bars = load_champion(home, MODEL).store(home).bars((symbol,), last=count)
    rows = [
        {"timestamp": iso(bars.bar_start[n]), **{name: float(getattr(bars, name)[n]) for name in OHLCV}}
        for n in range(len(bars))
    ]
    return {"symbol": symbol, "interval": "1h", "bars": rows}
