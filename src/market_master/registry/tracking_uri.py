"""Tracking URI: the address of MLflow's store."""

from __future__ import annotations

from pathlib import Path

from market_master.config.environment import tracking_store

CONFIGURED_STORE = tracking_store()
"""read once, before MLflow is imported: MLflow sets the variable itself whenever it is told a store"""


def tracking_uri(home: Path) -> str:
    """Where runs and versions are kept: MLFLOW_TRACKING_URI, or the home's own SQLite file."""
    return CONFIGURED_STORE or f"sqlite:///{home / 'mlruns' / 'mlflow.db'}"
