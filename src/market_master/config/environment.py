"""Environment variables: the home and the addresses of services."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """MM_HOME, the folder that holds `data/` and `mlruns/`; the current folder unless set."""
    return Path(environ.get("MM_HOME") or ".").absolute()


def predictions_url(environ: Mapping[str, str] = os.environ) -> str:
    """MM_PREDICTIONS_URL, the database of the prediction log; the home's own SQLite file unless set."""
    return environ.get("MM_PREDICTIONS_URL") or f"sqlite:///{home(environ) / 'data' / 'predictions.db'}"


def prefect_url(environ: Mapping[str, str] = os.environ) -> str:
    """PREFECT_API_URL, the server that trainings are started on; one on this machine unless set."""
    return environ.get("PREFECT_API_URL") or "http://127.0.0.1:4200/api"
