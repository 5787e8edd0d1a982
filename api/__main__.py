"""`python -m api`: the server on HOST:PORT, with WORKERS processes."""

from __future__ import annotations

import os
import shutil
import tempfile

import uvicorn

from api.protocol import ImpatientProtocol


def main() -> None:
    """Serve until told to stop; requests that have begun are finished."""
    host, port, workers = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8000")), _workers()
    os.environ["MM_HOST"] = host
    metrics_folder = tempfile.mkdtemp(prefix="mm-metrics-") if workers > 1 else None
    if metrics_folder:
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", metrics_folder)
    try:
        uvicorn.run(
            "api.app:app", host=host, port=port, workers=workers, access_log=False, log_level="warning",
            http=ImpatientProtocol, timeout_keep_alive=30, timeout_graceful_shutdown=20, server_header=False, backlog=4096,
        )  # fmt: skip
    finally:
        if metrics_folder:
            shutil.rmtree(metrics_folder, ignore_errors=True)


def _workers() -> int:
    return max(1, int(os.environ.get("MM_WORKERS", "1")))


if __name__ == "__main__":
    main()
