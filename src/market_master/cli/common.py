"""Shared parts of commands: options, exit codes, printing, progress, settings, champion."""

from __future__ import annotations

import functools
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.json import JSON
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from market_master import config
from market_master.config import Settings
from market_master.domain import ConfigError, DataError, MarketMasterError, ModelError

Config = Annotated[Path | None, typer.Option("--config", envvar="MM_CONFIG", help="A YAML file of configs/.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, everything else on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
AsOf = Annotated[str | None, typer.Option("--asof", help="Answer as at this instant, e.g. 2025-06-27T18:30:00Z.")]
By = Annotated[str, typer.Option("--by", help="Who decides.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the journal.")]

OUT = Console()
ERR = Console(stderr=True)
COLOURS = {
    "promoted": "green",
    "provisional": "yellow",
    "rejected": "red",
    "BUY": "green",
    "SELL": "red",
    "HOLD": "yellow",
}
EXIT_CODES: dict[type[Exception], int] = {Exception: 1, ConfigError: 2, DataError: 3, ModelError: 4}
"""by class of error; a class that is not named has its nearest ancestor's"""
COMMANDS: dict[str, Callable[..., None]] = {}
"""by name, as a person types it after `mm`"""


def command(
    name: str,
    *,
    table: Callable[[Any], None],
    failed: Callable[[Any], bool] | None = None,
    announced: Callable[[Any], None] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: a function from options to plain JSON values is the command `mm <name>`, with `--json` and `--debug`.

    A person gets `table` of what it returns, a program the document; `failed` says whether the exit code is 1 all the same.
    With `announced`, the function gets a callback `announce` for what a person is to see before it ends.
    """

    def declare(compute: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(compute, eval_str=True)
        options_of_command = [option for name, option in signature.parameters.items() if name != "announce"]

        @functools.wraps(compute)
        def run(*, as_document: bool, debug: bool, **options: Any) -> None:
            if announced:
                options["announce"] = _ignore if as_document else announced
            result = respond(functools.partial(compute, **options), table, as_document, debug)
            if failed and failed(result):
                raise typer.Exit(1)

        parameters = [
            *options_of_command,
            inspect.Parameter("as_document", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json),
            inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Debug),
        ]
        run.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        COMMANDS[name] = run
        return compute

    return declare


def respond(compute: Callable[[], Any], render: Callable[[Any], None], as_document: bool, debug: bool) -> Any:
    """Print a result for a person or a program, or one sentence and the exit code of what went wrong."""
    try:
        result = compute()
    except MarketMasterError as error:
        _stop(f"{error.title}: {error}", exit_code(error), debug)
    except Exception as error:
        notes = " ".join(getattr(error, "__notes__", ()))
        _stop(f"Failed: {type(error).__name__}: {error} {notes}".strip(), exit_code(error), debug)
    if as_document:
        typer.echo(json.dumps(result, indent=2))
    else:
        render(result)
    return result


def _ignore(result: Any) -> None:
    """A program gets one document, at the end."""


def exit_code(error: Exception) -> int:
    """2 for usage and settings, 3 for data, 4 for registry and model, 1 for any other error."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def _stop(sentence: str, code: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(sentence, file=sys.stderr)
    raise typer.Exit(code)


@contextmanager
def progress() -> Iterator[Progress]:
    """One line a step on stderr, with its share done and its time, for as long as the block runs."""
    from market_master.progress import progress_listener

    columns = (
        TextColumn("{task.description:14}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=ERR) as bars:
        tasks: dict[str, TaskID] = {}

        def listen(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            complete = (done, total) == (1, 1)
            known = bars.tasks[tasks[step]].total or 1
            bars.update(tasks[step], total=known if complete else total, completed=known if complete else done)

        with progress_listener(listen):
            yield bars


@contextmanager
def paused(bars: Progress) -> Iterator[None]:
    """The lines of `progress` end here, so that stdout can be written to, and new ones begin after the block."""
    bars.stop()
    for task in bars.tasks:
        bars.update(task.id, visible=False)
    try:
        yield
    finally:
        bars.start()


def load_settings(file: Path | None, default: str = "demo") -> Settings:
    """Of a file, or of one of configs/ by its name."""
    return config.load(file or config.file_of(default))


def model_name(file: Path | None) -> str:
    """The registered model's name; a config that is given has to be a good one, even where only this is read from it."""
    return config.load(file).registry.model if file else config.registered_model()


def open_versions(file: Path | None) -> Any:
    """The registry's `Versions` of the configured model."""
    from market_master.registry.versions import Versions

    return Versions(config.home(), model_name(file))


def open_log() -> Any:
    """The home's `PredictionLog`."""
    from market_master.prediction_log import PredictionLog

    return PredictionLog(config.predictions_url())


def champion_and_home(file: Path | None) -> tuple[Any, Path]:
    """The loaded champion, checked against a config that is given, and the home it stands in."""
    from market_master.registry.champion import load_champion

    settings = config.load(file) if file else None
    return load_champion(config.home(), model_name(file), settings), config.home()


def parse_instant(text: str) -> int:
    """Epoch seconds of an ISO 8601 instant with a time zone. Raises ConfigError for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"'{text}' is not an instant; write one like 2025-06-27T18:30:00Z.") from error
    if moment.tzinfo is None:
        raise ConfigError(f"'{text}' has no time zone; write one like 2025-06-27T18:30:00Z.")
    return int(moment.timestamp())


def optional_instant(text: str | None) -> int | None:
    """The same of an option that need not be given."""
    return None if text is None else parse_instant(text)


def render_document(result: Any) -> None:
    """Any result, as coloured JSON."""
    OUT.print(JSON.from_data(result))


def render_leaderboard(
    rows: list[dict[str, Any]],
    winner: str,
    title: str = "Leaderboard (walk-forward, out of sample; baselines in grey)",
) -> None:
    """One line a scorecard, the winner bold."""
    columns = ("candidate", "RPSS", "VOL", "DIR", "90 % interval", "t", "IC", "macro-F1 (null)", "ECE", "fit s")
    table = Table(*columns, title=title, box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(
            row["candidate"], f"{row['rpss']:+.2%}", f"{row['vol']:+.2%}", f"{row['dir']:+.2%}",
            f"{row['intervals']['dir'][0]:+.2%} {row['intervals']['dir'][1]:+.2%}", f"{row['dir_t']:+.1f}",
            f"{row['ic']:+.3f}", f"{row['macro_f1']:.3f} ({row['macro_f1_null']:.3f})", f"{row['ece']:.3f}",
            f"{row['fit_seconds']:.1f}",
            style="bold" if row["candidate"] == winner else "bright_black" if row["kind"] == "baseline" else None,
        )  # fmt: skip
    OUT.print(table)
