"""Keys that open the server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from market_master import config
from market_master.cli.common import command, render_document


@command("keys create", table=render_document)
def create_key(
    name: str,
    scope: Annotated[str, typer.Option("--scope", help="read, or admin: what read may, and move models.")] = "read",
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="Days until it expires; never, unless given.")
    ] = None,
) -> dict[str, Any]:
    """Make a key for the server, shown once; only its salted hash is kept (in data/keys.json, or MM_KEYS_FILE).

    Example: mm keys create grafana --scope read --days 90
    """
    from api.keys import create

    file = config.keys_file()
    return {"name": name, "scope": scope, "days": days, "key": create(file, name, scope, days, datetime.now(UTC))}
