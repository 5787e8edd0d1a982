"""Versions in the registry, and the journal of decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from market_master import config
from market_master.cli.common import (
    OUT,
    By,
    Config,
    Reason,
    command,
    model_name,
    open_log,
    open_versions,
    render_document,
)
from market_master.domain import as_json, clock


def render_versions(versions: list[dict[str, Any]]) -> None:
    """One line a version."""
    table = Table("version", "outcome", "aliases", "run")
    for row in versions:
        table.add_row(row["version"], row["outcome"], ", ".join(row["aliases"]), row["run_id"])
    OUT.print(table)


@command("models list", table=render_versions)
def list_models(config_file: Config = None) -> list[dict[str, Any]]:
    """All versions with their aliases and outcomes.

    Example: mm models list
    """
    return open_versions(config_file).all()


@command("models show", table=render_document)
def show_model(version: str, config_file: Config = None) -> dict[str, Any]:
    """One version's model card.

    Example: mm models show 1
    """
    loaded = open_versions(config_file).load(version)
    return {"version": loaded.version, "outcome": loaded.outcome, "card": as_json(loaded.card)}


@command("models export", table=render_document)
def export_model(
    version: str,
    out: Annotated[Path, typer.Option("--out", help="The graph's file, which ends in .onnx; the card goes beside it.")],
    config_file: Config = None,
) -> dict[str, Any]:
    """Write a version's one graph from raw bars to probabilities, and its card, for clients in any language.

    Example: mm models export 1 --out market-master.onnx
    """
    from market_master.artifact.portable import export_version
    from market_master.prediction.loaded_model import verify_model

    loaded = open_versions(config_file).load(version)
    verify_model(loaded)
    return as_json(export_version(loaded, out))


def render_journal(entries: list[dict[str, Any]]) -> None:
    """One line a decision."""
    table = Table("time", "event", "from", "to", "by", "reason")
    for row in entries:
        table.add_row(
            row["time"][:19], row["event"], row["from_version"] or "", row["to_version"] or "", row["by"], row["reason"]
        )
    OUT.print(table)


@command("models journal", table=render_journal)
def journal(config_file: Config = None) -> list[dict[str, Any]]:
    """Every decision: when, what, by whom, why; the chain of hashes is checked.

    Example: mm models journal
    """
    from market_master.registry.journal import journal_of

    model_name(config_file)
    return as_json(journal_of(config.home()).entries())


@command("promote", table=render_document)
def promote(version: str, by: By, reason: Reason, config_file: Config = None) -> dict[str, Any]:
    """Put a version that has passed the gate behind `production`.

    Example: mm promote 1 --by anna --reason "back to the first recipe"
    """
    from market_master.lifecycle.shadow import approve

    return as_json(approve(version, by, reason, model_name(config_file), config.home(), open_log()))


@command("rollback", table=render_document)
def rollback(
    by: By,
    reason: Reason,
    to: Annotated[str | None, typer.Option(help="An earlier champion; the one before this one, unless told.")] = None,
    config_file: Config = None,
) -> dict[str, Any]:
    """Put the champion before this one back behind `production`; nothing is trained.

    Example: mm rollback --by anna --reason "serving errors since noon"
    """
    from market_master.lifecycle.promote import roll_back

    return as_json(roll_back(to, by, reason, model_name(config_file), config.home()))


def render_retention(retention: dict[str, Any]) -> None:
    """What stays and why, and what goes."""
    table = Table("version", "stays because it is")
    for row in retention["stays"]:
        table.add_row(row["version"], row["because"])
    OUT.print(table)
    OUT.print(retention["summary"])


@command("retention", table=render_retention)
def retention(
    keep: Annotated[int, typer.Option("--keep", min=1, help="So many of the newest versions stay.")] = 20,
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it only what would go is told.")] = False,
    config_file: Config = None,
) -> dict[str, Any]:
    """Keep the newest versions, all that ever were in production, and their runs; delete the rest.

    Example: mm retention --keep 20, then mm retention --keep 20 --apply
    """
    from market_master.lifecycle.retention import apply_retention

    model = model_name(config_file)
    return as_json(apply_retention(model, config.home(), now=clock.now(), keep=keep, apply=apply))
