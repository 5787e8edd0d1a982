"""The training pipeline from the terminal, and the summary of its run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from market_master import config
from market_master.cli.common import COLOURS, OUT, Config, command, paused, progress, render_leaderboard
from market_master.cli.signals import render_signal
from market_master.domain import as_json, clock

if TYPE_CHECKING:
    from market_master.pipeline import Outcome


def render_outcome(outcome: dict[str, Any]) -> None:
    """What a run came to: data, leaderboard, verdicts, outcome and signal."""
    _render_data(outcome["data"])
    render_leaderboard(outcome["leaderboard"], outcome["winner"])
    if outcome["verdicts"]:
        _render_verdicts(outcome["verdicts"])
    status = outcome["outcome"]
    version = f" (version {outcome['version']})" if outcome["version"] else ""
    OUT.print(f"\nOutcome: [bold {COLOURS.get(status, 'white')}]{status}[/]{version}. {outcome['reason']}")
    if outcome["signal"]:
        render_signal(outcome["signal"])
    else:
        OUT.print(f"No signal: {outcome['signal_reason']}")


def render_reports(outcome: dict[str, Any]) -> None:
    """Where the reports of a run lie, its times, and what to do next."""
    for name, file in outcome["reports"].items():
        OUT.print(f"Report ({name}): {file}", soft_wrap=True)
    OUT.print(
        f"Time: {sum(outcome['timings'].values()):.1f} s "
        + ", ".join(f"{step} {seconds:.1f}" for step, seconds in outcome["timings"].items())
    )
    OUT.print("Fits: " + ", ".join(f"{count} {origin}" for origin, count in outcome["fits"].items()))
    OUT.print("\nNext:\n  make serve             the API on http://127.0.0.1:8000/docs")
    OUT.print("  .venv/bin/mm signal    the index signal again\n  .venv/bin/mm models journal")


@command("run", table=render_reports, announced=render_outcome)
def run(
    config_file: Config = None,
    dev: Annotated[
        bool, typer.Option("--dev", help="Compare only; no look at the hold-out, nothing registered.")
    ] = False,
    no_flow: Annotated[
        bool, typer.Option("--no-flow", help="The same steps as plain functions, without Prefect.")
    ] = False,
    *,
    announce: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Train, compare, gate, promote, and make one index signal.

    Example: mm run --config configs/demo.yaml
    """
    file, home = config_file or config.file_of("demo"), config.home()
    settings = config.load(file)
    with progress() as bars:

        def announce_outcome(outcome: Outcome) -> None:
            with paused(bars):
                announce(as_json(outcome))

        if no_flow:
            from market_master.pipeline import train

            return as_json(train(settings, home, now=clock.now(), dev=dev, announce=announce_outcome))
        from flows.training import run_training

        return as_json(run_training(file, home, dev=dev, announce=announce_outcome))


def _render_data(row: dict[str, Any]) -> None:
    OUT.print(
        f"\nData: {row['rows']:,} bars of {row['symbols']} symbols ({row['constituents']} constituents, {row['index_share']:.0%} "
        f"of the index) from {row['provider']}, {row['first']} to {row['last']}, {row['sessions']} sessions, the last "
        f"{row['holdout_sessions']} held out; {row['features']} features."
    )
    dropped = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in row["dropped"].items() if count)
    if dropped:
        OUT.print(f"Dropped or quarantined: {dropped}.")
    for note in row["notes"][:8]:
        OUT.print(f"Note: {note}")


def _render_verdicts(rows: list[dict[str, Any]]) -> None:
    table = Table("rule", "verdict", "reason", title="Verdicts of the gate")
    for row in rows:
        verdict = "[green]passed[/]" if row["passed"] else f"[red]failed ({row['severity']})[/]"
        table.add_row(row["rule"], verdict, row["reason"])
    OUT.print(table)
