"""Environment variables, each read when it is asked for.

MM_<SECTION>__<KEY> overrides a setting (`loading.load`); what only a server reads is in `api.settings`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def variables() -> dict[str, str]:
    """All of the process's variables, as they are now: for a child process, or a reader of many."""
    return dict(os.environ)


def set_defaults(values: Mapping[str, str]) -> None:
    """Set variables that a library reads, unless they are set."""
    for name, value in values.items():
        os.environ.setdefault(name, value)


def set_variable(name: str, value: str) -> None:
    """Set a variable for this process and the processes it starts."""
    os.environ[name] = value


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """MM_HOME, the folder that holds `data/` and `mlruns/`; the current folder unless set."""
    return Path(environ.get("MM_HOME") or ".").absolute()


def keys_file(environ: Mapping[str, str] = os.environ) -> Path:
    """MM_KEYS_FILE, the server's salted keys; the home's own file unless set."""
    return Path(environ.get("MM_KEYS_FILE") or home(environ) / "data" / "keys.json")


def registered_model(environ: Mapping[str, str] = os.environ) -> str:
    """MM_REGISTRY__MODEL, the registered model's name where no config is given; market-master unless set."""
    return environ.get("MM_REGISTRY__MODEL", "market-master")


def predictions_url(environ: Mapping[str, str] = os.environ) -> str:
    """MM_PREDICTIONS_URL, the database of the prediction log; the home's own SQLite file unless set."""
    return environ.get("MM_PREDICTIONS_URL") or f"sqlite:///{home(environ) / 'data' / 'predictions.db'}"


def prefect_url(environ: Mapping[str, str] = os.environ) -> str:
    """PREFECT_API_URL, the server that trainings are started on; one on this machine unless set."""
    return environ.get("PREFECT_API_URL") or "http://127.0.0.1:4200/api"


def tracking_store(environ: Mapping[str, str] = os.environ) -> str | None:
    """MLFLOW_TRACKING_URI, the store of runs and versions; None unless set. MLflow sets it itself once it is given a store."""
    return environ.get("MLFLOW_TRACKING_URI")


def server_binding(environ: Mapping[str, str] = os.environ) -> tuple[str, int, int]:
    """HOST, PORT and MM_WORKERS of `python -m api`: this machine only, 8000 and one process unless set."""
    workers = max(1, int(environ.get("MM_WORKERS", "1")))
    return environ.get("HOST", "127.0.0.1"), int(environ.get("PORT", "8000")), workers


def log_format(default: str, environ: Mapping[str, str] = os.environ) -> str:
    """LOG, `json` or `text`; the default unless set to one of them."""
    chosen = environ.get("LOG", "").lower()
    return chosen if chosen in ("json", "text") else default


def mlflow_ui(environ: Mapping[str, str] = os.environ) -> str:
    """MM_MLFLOW_UI, where MLflow shows its pages; this machine unless set."""
    return environ.get("MM_MLFLOW_UI") or "http://127.0.0.1:5000"


def server_url(environ: Mapping[str, str] = os.environ) -> str:
    """MM_SERVER, where the server shows reports; this machine unless set."""
    return environ.get("MM_SERVER") or "http://127.0.0.1:8000"
