"""Results that are dear and asked for by many tests: made once by whichever worker comes first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run of pytest, the same one for every worker."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def once(file: Path, compute: Callable[[], Any]) -> Any:
    """What was computed, as JSON has it; others wait for the first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if not file.exists():
            file.write_text(json.dumps(compute()), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))
