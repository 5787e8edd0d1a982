"""Signals of the index and predictions of symbols, of the newest bar and of the past."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from market_master import config
from market_master.cli.common import (
    COLOURS,
    OUT,
    AsOf,
    Config,
    champion_and_home,
    command,
    load_settings,
    model_name,
    open_log,
    optional_instant,
    parse_instant,
)
from market_master.domain import ConfigError, as_json, clock

MOVES = 8
"""of the symbols that moved WSS most, so many are shown"""


def render_signal(signal: dict[str, Any]) -> None:
    """An index signal and what made it."""
    action = signal["signal"]
    OUT.print(
        f"\nSignal for {signal['signal_for']} over {signal['predicts_for']['start']} to {signal['predicts_for']['end']}: "
        f"[bold {COLOURS[action]}]{action}[/] (WSS {signal['wss']:+.3f}, coverage {signal['coverage']:.0%}, index "
        f"{signal['index']}{', paper' if signal['paper'] else ''})"
    )
    table = Table(
        "symbol", "weight", "action", "score", "expected", "confidence", "contribution", title="Largest contributions"
    )
    for row in sorted(signal["constituents"], key=lambda row: -abs(row["contribution"]))[:8]:
        table.add_row(
            row["symbol"], f"{row['weight']:.3f}", row["action"], f"{row['score']:+d}",
            f"{row['expected_score']:+.3f}", f"{row['confidence']:.2f}", f"{row['contribution']:+.3f}",
        )  # fmt: skip
    OUT.print(table)
    if signal["wss_expected_interval"]:
        low, high = signal["wss_expected_interval"]
        OUT.print(f"Expected WSS {signal['wss_expected']:+.3f}; by past errors {low:+.3f} to {high:+.3f} (90 %).")
    if signal["explanation"]:
        _render_explanation(signal["explanation"])
    for row in signal["missing"]:
        OUT.print(f"Missing: {row['symbol']} ({row['weight']:.3f}): {row['reason']}")
    for warning in signal["warnings"]:
        OUT.print(f"Warning: {warning}")


def _render_explanation(row: dict[str, Any]) -> None:
    """What moved WSS, the largest moves first; the features' groups move a symbol's expected score."""
    if row["since"] is None:
        OUT.print(f"Nothing to compare with: {row['reason']}")
        return
    title = f"WSS {row['wss_before']:+.3f} ({row['signal_before']}) at {row['since']}, moved by {row['wss_move']:+.3f}"
    table = Table("symbol", "score", "move", "by score", "by weight", "expected", "most by", title=title)
    for move in row["moves"][:MOVES]:
        before, after = ("-" if score is None else f"{score:+d}" for score in (move["score_before"], move["score"]))
        largest = max(move["by_group"].items(), key=lambda item: abs(item[1]), default=None)
        table.add_row(
            move["symbol"], f"{before} to {after}", *(f"{move[name]:+.3f}" for name in ("move", "by_score", "by_weight")),
            "" if move["expected_move"] is None else f"{move['expected_move']:+.3f}",
            f"{largest[0]} {largest[1]:+.3f}" if largest else "",
        )  # fmt: skip
    OUT.print(table)


@command("signal", table=render_signal)
def show_signal(
    config_file: Config = None,
    asof: AsOf = None,
    explained: Annotated[
        bool, typer.Option("--explain", help="Tell too what moved WSS since the bar before, and by which features.")
    ] = False,
) -> dict[str, Any]:
    """The index's signal for the bar after the newest one.

    Example: mm signal --json, or mm signal --explain
    """
    from market_master.index.attribution import explained_signal
    from market_master.index.inputs import read_inputs
    from market_master.index.signal import index_signal

    champion, home = champion_and_home(config_file)
    store = champion.store(home)
    inputs = read_inputs(champion, store, now=clock.now(), asof=optional_instant(asof))
    return as_json(explained_signal(champion, store, inputs) if explained else index_signal(champion, inputs))


def render_predictions(predictions: list[dict[str, Any]]) -> None:
    """One line a prediction."""
    table = Table("symbol", "action", "expected", "confidence", "as of", "for the bar from", "warnings")
    for row in predictions:
        table.add_row(
            row["symbol"], row["action"], f"{row['expected_score']:+.3f}", f"{row['confidence']:.2f}",
            row["as_of"], row["predicts_for"]["start"], ", ".join(row["warnings"]),
        )  # fmt: skip
    OUT.print(table)


@command("predict", table=render_predictions)
def predict(
    symbols: Annotated[list[str] | None, typer.Argument(help="Symbols of the store, e.g. S001 S002.")] = None,
    bars: Annotated[
        Path | None, typer.Option("--bars", help="Predict from a file of bars instead of the store.")
    ] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="With --bars: whose bars they are.")] = None,
    config_file: Config = None,
    asof: AsOf = None,
) -> list[dict[str, Any]]:
    """What to do with some symbols over their next bar.

    Example: mm predict S001 S002, or mm predict --bars AAPL_1h.csv --symbol AAPL
    """
    from market_master.prediction.predict import predict_posted, predict_stored

    if bool(symbols) == bool(bars) or bool(bars) != bool(symbol):
        raise ConfigError("Name symbols of the store, or give both --bars FILE and --symbol S.")
    champion, home = champion_and_home(config_file)
    if symbols:
        return as_json(
            predict_stored(champion, champion.store(home), symbols, now=clock.now(), asof=optional_instant(asof))
        )
    from market_master.market_data.quality import bars_of_file

    assert bars is not None
    assert symbol is not None
    posted = bars_of_file(bars, symbol, champion.card.times, optional_instant(asof) or clock.now())
    context: dict[str, Any] = {}
    return as_json([predict_posted(champion, posted, symbol, champion.store(home), context=context, now=clock.now())])


def render_replay(replayed: dict[str, Any]) -> None:
    """Identical, or where not."""
    verdict = "[green]identical[/]" if replayed["identical"] else "[red]not identical[/]"
    signal = replayed["signal"]
    OUT.print(
        f"{signal['signal']} {signal['signal_for']} (WSS {signal['wss']:+.3f}), {replayed['source']} "
        f"at {replayed['as_of']} by version {replayed['version']}: made again it is {verdict}."
    )
    for name, pair in replayed["hashes"].items():
        if pair["served"] != pair["now"]:
            OUT.print(f"[red]{name}[/] hashed to {pair['served'][:12] or 'nothing'} then, {pair['now'][:12]} now.")
    for row in replayed["differences"][:20]:
        OUT.print(f"{row['where']}: served {row['served']}, rebuilt {row['rebuilt']}")


@command("replay", table=render_replay)
def replay(asof: AsOf = None, config_file: Config = None) -> dict[str, Any]:
    """The signal that stood at an instant (now, unless given), made again from stored bars, weights, code and model.

    Example: mm replay --asof 2025-06-27T18:30:00Z
    """
    from market_master.signals import replay as replaying

    model, instant = model_name(config_file), optional_instant(asof) or clock.now()
    return as_json(replaying.replay_signal(model, None, config.home(), open_log(), asof=instant))


def render_backfill(runs: list[dict[str, Any]]) -> None:
    """One line a bar."""
    table = Table("bar end", "status", "reason")
    for row in runs:
        table.add_row(row["bar_end"], row["status"], row["reason"])
    OUT.print(table)


@command("backfill", table=render_backfill)
def backfill_signals(
    first: Annotated[str, typer.Option("--from", help="Bars that ended then or later, e.g. 2025-06-27T13:30:00Z.")],
    last: Annotated[str, typer.Option("--to", help="Bars that had ended by then.")],
    config_file: Config = None,
) -> list[dict[str, Any]]:
    """Make the signals of the bars of a span that have none, in order, marked as backfilled; none with hindsight.

    Example: mm backfill --from 2025-06-27T13:30:00Z --to 2025-06-27T20:00:00Z
    """
    from market_master.signals import scheduled

    begin, end, settings = parse_instant(first), parse_instant(last), load_settings(config_file)
    return as_json(
        scheduled.backfill_signals(settings, config.home(), open_log(), first=begin, last=end, now=clock.now()),
    )
