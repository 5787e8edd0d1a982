"""`mm`: parse, call a step, answer. A person gets tables; `--json` gets one document on stdout."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from market_master import config, show
from market_master.config import Settings
from market_master.domain import clock
from market_master.domain.errors import ConfigError, MarketMasterError
from market_master.domain.records import as_json
from market_master.market_data import store

app = typer.Typer(
    name="mm",
    help="Next-bar actions for every constituent of an index, and one signal for the index.\n\n"
    "Example: mm run --config configs/demo.yaml && mm signal",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
models = typer.Typer(help="Versions in the registry, and the journal of decisions.", no_args_is_help=True)
data = typer.Typer(help="Bars in files and in the store.", no_args_is_help=True)
app.add_typer(models, name="models")
app.add_typer(data, name="data")
keyring = typer.Typer(help="Keys that open the server.", no_args_is_help=True)
app.add_typer(keyring, name="keys")

Config = Annotated[Path | None, typer.Option("--config", envvar="MM_CONFIG", help="A YAML file of configs/.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, everything else on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
AsOf = Annotated[str | None, typer.Option("--asof", help="Answer as at this instant, e.g. 2025-06-27T18:30:00Z.")]
By = Annotated[str, typer.Option("--by", help="Who decides.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the journal.")]


@app.command()
def run(
    config_file: Config = None,
    dev: Annotated[
        bool, typer.Option("--dev", help="Compare only; no look at the hold-out, nothing registered.")
    ] = False,
    no_flow: Annotated[
        bool, typer.Option("--no-flow", help="The same steps as plain functions, without Prefect.")
    ] = False,
    as_document: Json = False,
    debug: Debug = False,
) -> None:
    """Train, compare, gate, promote, and make one index signal.

    Example: mm run --config configs/demo.yaml
    """

    def answer() -> dict[str, Any]:
        file, home = config_file or config.file_of("demo"), config.home()
        settings = config.load(file, os.environ)
        with show.progress():
            if no_flow:
                from market_master.pipeline import train

                return as_json(train(settings, home, now=clock.now(), dev=dev))
            from flows.training import run_training

            return as_json(run_training(file, home, dev=dev))

    _answer(answer, show.outcome, as_document, debug)


@app.command()
def signal(
    config_file: Config = None,
    asof: AsOf = None,
    explained: Annotated[
        bool, typer.Option("--explain", help="Tell too what moved WSS since the bar before, and by which features.")
    ] = False,
    as_document: Json = False,
    debug: Debug = False,
) -> None:
    """The index's signal for the bar after the newest one.

    Example: mm signal --json, or mm signal --explain
    """

    def answer() -> dict[str, Any]:
        from market_master.index.attribution import explained_signal
        from market_master.index.inputs import read_inputs
        from market_master.index.signal import index_signal

        champion, home = _champion(config_file)
        stored = champion.store(home)
        inputs = read_inputs(champion, stored, now=clock.now(), asof=_instant(asof))
        return as_json(explained_signal(champion, stored, inputs) if explained else index_signal(champion, inputs))

    _answer(answer, show.signal, as_document, debug)


@app.command()
def predict(
    symbols: Annotated[list[str] | None, typer.Argument(help="Symbols of the store, e.g. S001 S002.")] = None,
    bars: Annotated[
        Path | None, typer.Option("--bars", help="Predict from a file of bars instead of the store.")
    ] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="With --bars: whose bars they are.")] = None,
    config_file: Config = None,
    asof: AsOf = None,
    as_document: Json = False,
    debug: Debug = False,
) -> None:
    """What to do with some symbols over their next bar.

    Example: mm predict S001 S002, or mm predict --bars AAPL_1h.csv --symbol AAPL
    """

    def answer() -> list[dict[str, Any]]:
        from market_master.prediction import predict as step

        if bool(symbols) == bool(bars) or bool(bars) != bool(symbol):
            raise ConfigError("Name symbols of the store, or give both --bars FILE and --symbol S.")
        champion, home = _champion(config_file)
        if symbols:
            return as_json(
                step.predict_stored(champion, champion.store(home), symbols, now=clock.now(), asof=_instant(asof))
            )
        from market_master.market_data.quality import bars_of_file

        assert bars is not None
        assert symbol is not None
        posted = bars_of_file(bars, symbol, champion.card.times, _instant(asof) or clock.now())
        context: dict[str, Any] = {}
        return as_json(
            [step.predict_posted(champion, posted, symbol, champion.store(home), context=context, now=clock.now())]
        )

    _answer(answer, show.predictions, as_document, debug)


@app.command()
def batch(
    bars: Annotated[Path, typer.Option("--bars", help="A file or folder of bars, as `mm data check` reads them.")],
    out: Annotated[Path, typer.Option("--out", help="A new or empty folder for the tables and the summary.")],
    weights: Annotated[
        Path | None, typer.Option("--weights", help="CSV of symbol,weight[,as_of]; without it all weigh the same.")
    ] = None,
    no_log: Annotated[bool, typer.Option("--no-log", help="Write the files only; no run in MLflow.")] = False,
    config_file: Config = None,
    as_document: Json = False,
    debug: Debug = False,
) -> None:
    """The champion's answers to every bar of some files, the index's WSS and signals, and what came of them.

    Example: mm batch --bars bars/ --weights weights.csv --out answers/
    """

    def answer() -> dict[str, Any]:
        from market_master.batch import score as step

        champion, home = _champion(config_file)
        with show.progress():
            return step.batch(champion, bars, weights, out, now=clock.now(), log_to=None if no_log else home)

    _answer(answer, show.batch, as_document, debug)


@app.command()
def backtest(
    out: Annotated[Path, typer.Option("--out", help="Where the tear sheet and its tables go: a new or empty folder.")],
    bars: Annotated[
        Path | None, typer.Option("--bars", help="Your own bars, a file or folder, instead of the store's.")
    ] = None,
    version: Annotated[str | None, typer.Option("--version", help="Another than the champion.")] = None,
    paper: Annotated[
        bool,
        typer.Option("--paper", help="Trade the logged signals as they were said, beside the backtest of their bars."),
    ] = False,
    config_file: Config = None,
    as_document: Json = False,
    debug: Debug = False,
) -> None:
    """What the answers to bars that were not learned from would have earned, with costs, intervals and a tear sheet.

    Example: mm backtest --out sheet, or mm backtest --paper --out paper
    """

    def answer() -> dict[str, Any]:
        from market_master.backtest.evaluate import evaluate
        from market_master.signals.paper_trading import paper as on_paper

        if paper and (bars or version):
            raise ConfigError("--paper trades what was logged; leave --bars and --version out.")
        if paper:
            return on_paper(_model(config_file), config.home(), _log(), out)
        with show.progress():
            return evaluate(_model(config_file), version, config.home(), out, bars=bars, now=clock.now())

    _answer(answer, show.paper if paper else show.backtest, as_document, debug)


@app.command()
def drift(
    quick: Annotated[
        bool, typer.Option("--quick", help="Without Evidently's pages, which take most of the time.")
    ] = False,
    config_file: Config = None,
    as_document: Json = False,
    debug: Debug = False,
) -> None:
    """Has the world moved from what the champion learned, and is it still as good? Alarms, performance and pages.

    Example: mm drift --quick
    """

    def answer() -> dict[str, Any]:
        from market_master.monitoring.monitor import monitor

        return as_json(monitor(_model(config_file), config.home(), _log(), now=clock.now(), evidently=not quick))

    _answer(answer, show.drift, as_document, debug)


@app.command()
def audit(config_file: Config = None, as_document: Json = False, debug: Debug = False) -> None:
    """The leak suite: eleven laws over every object of the configured pipeline, on its own bars; exit 1 when one is broken.

    Example: mm audit --config configs/demo.yaml
    """
    broken: list[str] = []

    def answer() -> dict[str, Any]:
        from market_master.leakage.certificate import prove

        with show.progress():
            proved = prove(_settings(config_file), config.home(), clock.now())
        broken.extend(proved["broken"])
        return proved

    _answer(answer, show.audit, as_document, debug)
    if broken:
        raise typer.Exit(1)


@models.command("list")
def list_models(config_file: Config = None, as_document: Json = False, debug: Debug = False) -> None:
    """All versions with their aliases and outcomes.

    Example: mm models list
    """
    _answer(lambda: _versions(config_file).all(), show.versions, as_document, debug)


@models.command("show")
def show_model(version: str, config_file: Config = None, as_document: Json = False, debug: Debug = False) -> None:
    """One version's model card.

    Example: mm models show 1
    """

    def answer() -> dict[str, Any]:
        loaded = _versions(config_file).load(version)
        return {"version": loaded.version, "outcome": loaded.outcome, "card": as_json(loaded.card)}

    _answer(answer, show.document, as_document, debug)


@models.command("journal")
def journal(config_file: Config = None, as_document: Json = False, debug: Debug = False) -> None:
    """Every decision: when, what, by whom, why; the chain of hashes is checked.

    Example: mm models journal
    """

    def answer() -> list[dict[str, Any]]:
        from market_master.registry.journal import journal_of

        _model(config_file)
        return as_json(journal_of(config.home()).entries())

    _answer(answer, show.journal, as_document, debug)


@app.command()
def replay(asof: AsOf = None, config_file: Config = None, as_document: Json = False, debug: Debug = False) -> None:
    """The signal that stood at an instant (now, unless given), made again from stored bars, weights, code and model.

    Example: mm replay --asof 2025-06-27T18:30:00Z
    """

    def answer() -> dict[str, Any]:
        from market_master.signals.replay import replay as step

        return as_json(step(_model(config_file), None, config.home(), _log(), asof=_instant(asof) or clock.now()))

    _answer(answer, show.replay, as_document, debug)


@app.command()
def promote(
    version: str, by: By, reason: Reason, config_file: Config = None, as_document: Json = False, debug: Debug = False
) -> None:
    """Put a version that has passed the gate behind `production`.

    Example: mm promote 1 --by anna --reason "back to the first recipe"
    """

    def answer() -> dict[str, Any]:
        from market_master.lifecycle.shadow import approve

        return as_json(approve(version, by, reason, _model(config_file), config.home(), _log()))

    _answer(answer, show.document, as_document, debug)


@app.command()
def rollback(
    by: By,
    reason: Reason,
    to: Annotated[str | None, typer.Option(help="An earlier champion; the one before this one, unless told.")] = None,
    config_file: Config = None,
    as_document: Json = False,
    debug: Debug = False,
) -> None:
    """Put the champion before this one back behind `production`; nothing is trained.

    Example: mm rollback --by anna --reason "serving errors since noon"
    """

    def answer() -> dict[str, Any]:
        from market_master.lifecycle.promote import roll_back

        return as_json(roll_back(to, by, reason, _model(config_file), config.home()))

    _answer(answer, show.document, as_document, debug)


@app.command()
def backfill(
    first: Annotated[str, typer.Option("--from", help="Bars that ended then or later, e.g. 2025-06-27T13:30:00Z.")],
    last: Annotated[str, typer.Option("--to", help="Bars that had ended by then.")],
    config_file: Config = None,
    as_document: Json = False,
    debug: Debug = False,
) -> None:
    """Make the signals of the bars of a span that have none, in order, marked as backfilled; none with hindsight.

    Example: mm backfill --from 2025-06-27T13:30:00Z --to 2025-06-27T20:00:00Z
    """

    def answer() -> list[dict[str, Any]]:
        from market_master.signals import scheduled

        begin, end, settings = _moment(first), _moment(last), _settings(config_file)
        return as_json(
            scheduled.backfill(settings, config.home(), _log(), first=begin, last=end, now=clock.now()),
        )

    _answer(answer, show.announced, as_document, debug)


@app.command()
def retention(
    keep: Annotated[int, typer.Option("--keep", min=1, help="So many of the newest versions stay.")] = 20,
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it only what would go is told.")] = False,
    config_file: Config = None,
    as_document: Json = False,
    debug: Debug = False,
) -> None:
    """Keep the newest versions, all that ever were in production, and their runs; delete the rest.

    Example: mm retention --keep 20, then mm retention --keep 20 --apply
    """

    def answer() -> dict[str, Any]:
        from market_master.lifecycle.retention import apply_retention

        return as_json(apply_retention(_model(config_file), config.home(), now=clock.now(), keep=keep, apply=apply))

    _answer(answer, show.retained, as_document, debug)


@data.command("check")
def check(path: Path, config_file: Config = None, as_document: Json = False, debug: Debug = False) -> None:
    """The quality report of a file or folder of bars: what would be kept, dropped, quarantined, and why.

    Example: mm data check ../bars.parquet --config configs/us_1h.yaml
    """

    def answer() -> dict[str, Any]:
        from market_master.market_data.quality import check_files

        settings = _settings(config_file, "us_1h")
        return check_files(path, settings.calendar, settings.interval, clock.now())

    _answer(answer, show.quality, as_document, debug)


@data.command("list")
def list_data(config_file: Config = None, as_document: Json = False, debug: Debug = False) -> None:
    """What the bar store holds.

    Example: mm data list
    """

    def answer() -> list[dict[str, Any]]:
        _model(config_file)
        held = store.stores(config.home() / "data")
        return [{"source": s.source, "interval": s.interval, "symbols": s.holdings()} for s in held]

    _answer(answer, show.holdings, as_document, debug)


@keyring.command("create")
def create_key(
    name: str,
    scope: Annotated[str, typer.Option("--scope", help="read, or admin: what read may, and move models.")] = "read",
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="Days until it expires; never, unless given.")
    ] = None,
    as_document: Json = False,
    debug: Debug = False,
) -> None:
    """Make a key for the server, shown once; only its salted hash is kept (in data/keys.json, or MM_KEYS_FILE).

    Example: mm keys create grafana --scope read --days 90
    """

    def answer() -> dict[str, Any]:
        from api.keys import create

        file = Path(os.environ.get("MM_KEYS_FILE") or config.home() / "data" / "keys.json")
        return {"name": name, "scope": scope, "days": days, "key": create(file, name, scope, days, datetime.now(UTC))}

    _answer(answer, show.document, as_document, debug)


def main() -> None:
    """The entry point."""
    app()


def _answer(make: Callable[[], Any], tell: Callable[[Any], None], as_document: bool, debug: bool) -> None:
    """Print an answer for a person or a program, or one sentence and the exit code of what went wrong."""
    try:
        value = make()
    except MarketMasterError as error:
        _stop(f"{error.title}: {error}", error.exit_code, debug)
    except Exception as error:
        notes = " ".join(getattr(error, "__notes__", ()))
        _stop(f"Failed: {type(error).__name__}: {error} {notes}".strip(), 1, debug)
    if as_document:
        typer.echo(json.dumps(value, indent=2))
    else:
        tell(value)


def _stop(sentence: str, code: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(sentence, file=sys.stderr)
    raise typer.Exit(code)


def _settings(file: Path | None, name: str = "demo") -> Settings:
    return config.load(file or config.file_of(name), os.environ)


def _model(file: Path | None) -> str:
    """The registered model's name; a config that is given has to be a good one, even where only this is asked of it."""
    return (
        config.load(file, os.environ).registry.model if file else os.environ.get("MM_REGISTRY__MODEL", "market-master")
    )


def _versions(file: Path | None) -> Any:
    from market_master.registry.versions import Versions

    return Versions(config.home(), _model(file))


def _log() -> Any:
    from market_master.prediction_log import PredictionLog

    return PredictionLog(config.predictions_url())


def _champion(file: Path | None) -> tuple[Any, Path]:
    from market_master.registry.champion import load_champion

    settings = config.load(file, os.environ) if file else None
    return load_champion(config.home(), _model(file), settings), config.home()


def _instant(text: str | None) -> int | None:
    return None if text is None else _moment(text)


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"'{text}' is not an instant; write one like 2025-06-27T18:30:00Z.") from error
    if moment.tzinfo is None:
        raise ConfigError(f"'{text}' has no time zone; write one like 2025-06-27T18:30:00Z.")
    return int(moment.timestamp())
