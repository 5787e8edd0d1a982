"""`python -m api`: the server on HOST:PORT, with MM_WORKERS processes."""

from __future__ import annotations

import argparse
import shutil
import tempfile

import structlog
import uvicorn

from api.logs import configure_logs
from api.protocol import ImpatientProtocol
from market_master import config
from market_master.config.environment import server_binding, set_defaults, set_variable

ENVIRONMENT = """
environment:
  MM_HOME              the folder with data/ and mlruns/ (the current one)
  MM_CONFIG            settings other than those the champion was trained with
  LOG                  json or text; unless set, text at a terminal
  MM_READ_KEYS, MM_ADMIN_KEYS, MM_KEYS_FILE, MM_RATE_LIMIT, MM_REDIS_URL and others: docs/api.md

examples:
  python -m api                              this machine only, port 8000
  PORT=9000 LOG=json python -m api           another port, lines for a log collector
  python -m api --host 0.0.0.0 --workers 2   for others too: reading then needs a key
"""


def main() -> None:
    """Serve until told to stop; requests that have begun are finished."""
    host, port, workers = server_binding()
    parser = argparse.ArgumentParser(
        prog="python -m api",
        description="Serve the version behind the alias 'production'.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default=host, help="address to listen on (HOST; %(default)s)")
    parser.add_argument("--port", default=port, type=int, help="port to listen on (PORT; %(default)s)")
    parser.add_argument("--workers", default=workers, type=int, help="processes (MM_WORKERS; %(default)s)")
    chosen = parser.parse_args()
    serve(chosen.host, chosen.port, chosen.workers)


def serve(host: str, port: int, workers: int) -> None:
    """Say what is about to happen, and listen."""
    configure_logs()
    structlog.get_logger().info("starting", address=f"http://{host}:{port}", home=str(config.home()), workers=workers)
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
