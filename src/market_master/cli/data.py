"""Bars in files and in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from market_master import config
from market_master.cli.common import OUT, Config, command, load_settings, model_name
from market_master.domain import clock


def render_quality(report: dict[str, Any]) -> None:
    """The quality report, one line a symbol."""
    kinds = (
        "rows", "kept", "missing", "duplicates", "conflicts", "impossible",
        "off_grid", "out_of_session", "forming", "zero_volume", "jumps",
    )  # fmt: skip
    table = Table(
        "symbol", "first", "last", *(kind.replace("_", " ") for kind in kinds), title=str(report["timetable"])
    )
    for row in report["symbols"]:
        table.add_row(
            row["symbol"], (row["first"] or "")[:16], (row["last"] or "")[:16], *(str(row[kind]) for kind in kinds)
        )
    OUT.print(table)
    for reason, count in report["quarantined"].items():
        OUT.print(f"Quarantined: {count} rows, {reason}")
    for note in report["notes"]:
        OUT.print(f"Note: {note}")


@command("data check", table=render_quality)
def check(path: Path, config_file: Config = None) -> dict[str, Any]:
    """The quality report of a file or folder of bars: what would be kept, dropped, quarantined, and why.

    Example: mm data check ../bars.parquet --config configs/us_1h.yaml
    """
    from market_master.market_data.quality import check_files

    settings = load_settings(config_file, "us_1h")
    return check_files(path, settings.calendar, settings.interval, clock.now())


def render_holdings(stores: list[dict[str, Any]]) -> None:
    """What the store holds, one line a source and interval."""
    table = Table("source", "interval", "symbols", "bars", "first", "last")
    for row in stores:
        symbols = row["symbols"]
        table.add_row(
            row["source"], row["interval"], str(len(symbols)), str(sum(symbol["bars"] for symbol in symbols)),
            min((symbol["first"] for symbol in symbols), default=""), max((symbol["last"] for symbol in symbols), default=""),
        )  # fmt: skip
    OUT.print(table)


@command("data list", table=render_holdings)
def list_data(config_file: Config = None) -> list[dict[str, Any]]:
    """What the bar store holds.

    Example: mm data list
    """
    from market_master.market_data.store import stores

    model_name(config_file)
    return [
        {"source": store.source, "interval": store.interval, "symbols": store.holdings()}
        for store in stores(config.home() / "data")
    ]
