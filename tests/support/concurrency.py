"""Two processes that do the same at once: a law about files holds only if it holds between processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

READY = "import sys; print('ready', flush=True); sys.stdin.readline()\n"


def race(imports: str, work: str, arguments: Sequence[Sequence[str | Path]]) -> None:
    """Run `work` in one process for each list of arguments (its sys.argv[1:]), let go at once; each must succeed."""
    runners = [
        subprocess.Popen(
            [sys.executable, "-c", imports + "\n" + READY + work, *map(str, given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        for given in arguments
    ]
    for runner in runners:
        assert runner.stdout
        runner.stdout.readline()
    for runner in runners:
        assert runner.stdin
        runner.stdin.write("go\n")
        runner.stdin.flush()
    for runner in runners:
        _, errors = runner.communicate(timeout=60)
        assert runner.returncode == 0, errors
