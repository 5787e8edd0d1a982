"""`python -m api`: the server on HOST:PORT, with WORKERS processes."""

from __future__ import annotations

import shutil
import tempfile

import uvicorn

from api.protocol import ImpatientProtocol
from market_master.config.environment import server_binding, set_defaults, set_variable


def main() -> None:
    """Serve until told to stop; requests that have begun are finished."""
    host, port, workers = server_binding()
    set_variable("MM_HOST", host)
    metrics_folder = tempfile.mkdtemp(prefix="mm-metrics-") if workers > 1 else None
    if metrics_folder:
        set_defaults({"PROMETHEUS_MULTIPROC_DIR": metrics_folder})
    try:
        uvicorn.run(
            "api.app:app", host=host, port=port, workers=workers, access_log=False, log_level="warning",
            http=ImpatientProtocol, timeout_keep_alive=30, timeout_graceful_shutdown=20, server_header=False, backlog=4096,
        )  # fmt: skip
    finally:
        if metrics_folder:
            shutil.rmtree(metrics_folder, ignore_errors=True)


if __name__ == "__main__":
    main()
