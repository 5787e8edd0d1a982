"""The Typer app of `mm`, made of every command that a file of this folder declares."""

from __future__ import annotations

import sys

import typer

from market_master.cli.common import COMMANDS
from market_master.plugins import import_modules

ORDER = (
    "run", "signal", "predict", "insights", "batch", "backtest", "drift", "audit", "replay", "promote", "rollback", "backfill",
    "retention", "models list", "models show", "models export", "models journal", "data check", "data list", "keys create",
)  # fmt: skip
"""of `mm --help`; a command that is not named here comes after these, by name"""


def build_app() -> typer.Typer:
    """Import every file of this folder and add what it declares.

    `@command("models list")` declares the command `list` of the group `models`, whose help is the first line of its file.
    """
    import_modules("market_master.cli")
    root = typer.Typer(
        name="mm",
        help="Next-bar actions for every constituent of an index, and one signal for the index.\n\n"
        "Example: mm run --config configs/demo.yaml && mm signal",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    groups: dict[str, typer.Typer] = {"": root}
    for name in sorted(COMMANDS, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)):
        group, _, verb = name.rpartition(" ")
        if group not in groups:
            summary = (sys.modules[COMMANDS[name].__module__].__doc__ or "").split("\n")[0]
            groups[group] = typer.Typer(help=summary, no_args_is_help=True)
            root.add_typer(groups[group], name=group)
        groups[group].command(verb)(COMMANDS[name])
    return root


app = build_app()


def main() -> None:
    """The entry point."""
    app()
