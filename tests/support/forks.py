"""Processes that are forked from one which has imported what they need; each worker of the tests has one such."""

from __future__ import annotations

import os
import sys
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext

PRELOADED = [
    "mlflow.onnx",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "tests.support.kill_points_runner",
]


def fork_context() -> ForkServerContext:
    """The context of such processes; the one they are forked from runs, and knows no store of MLflow's but each home's own."""
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it, to the store it was told last
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    forkserver.ensure_running()
    return context
