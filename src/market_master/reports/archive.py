"""Archive of reports, monitoring and gate verdicts of earlier runs; empty in an empty home."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from market_master.domain import UnknownReport

DRIFT_RULE = "familiar_bars"


def drift_verdicts(home: Path) -> list[dict[str, Any]]:
    """Each gate run's verdict on drift, newest first."""
    rows = [
        {"run_id": decision["run_id"], "version": decision["version"], "time": decision["time"], **verdict}
        for decision in _runs(home, "decision.json")
        for verdict in decision["verdicts"]
        if verdict["rule"] == DRIFT_RULE
    ]
    return sorted(rows, key=lambda row: str(row["time"]), reverse=True)


def latest_monitoring(home: Path, model: str) -> dict[str, Any] | None:
    """The newest monitoring report of a model's champion, None before the first."""
    files = sorted(monitoring_folder(home, model).glob("*.json"))
    return dict(json.loads(files[-1].read_bytes())) if files else None


def monitoring_folder(home: Path, model: str) -> Path:
    """The folder of a model's monitoring reports, a file a day."""
    return home / "data" / "monitoring" / model


def list_reports(home: Path) -> list[dict[str, Any]]:
    """Name, size and time of the HTML reports, newest first."""
    files = sorted((home / "data" / "reports").glob("*.html"), key=lambda file: file.stat().st_mtime, reverse=True)
    return [
        {
            "name": file.name,
            "bytes": file.stat().st_size,
            "written": datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds"),
        }
        for file in files
    ]


def report_file(home: Path, name: str) -> Path:
    """The file of a report. Raises UnknownReport for any name that `list_reports` does not list."""
    if name not in {row["name"] for row in list_reports(home)}:
        raise UnknownReport(f"There is no report '{name}'; /reports lists those there are.", name=name)
    return home / "data" / "reports" / name


def _runs(home: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(file.read_bytes()) for file in sorted((home / "data" / "runs").glob(f"*/{name}"))]
