"""Backtests of the champion out of sample, and paper trading of its logged signals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from market_master import config
from market_master.cli.common import OUT, Config, command, model_name, open_log, progress
from market_master.domain import ConfigError, clock

BOOKS = {"signal on the index": "index_book", "constituents": "constituents_book", "bought and held": "buy_and_hold"}


def render_backtest(summary: dict[str, Any]) -> None:
    """The verdict, then the numbers of each book with their intervals, costs and luck; of paper, what it earned."""
    OUT.print(f"[bold]{summary['sentence']}[/]")
    if "paper" in summary["files"]:
        _render_paper(summary)
        return
    span = summary["span"]
    OUT.print(
        f"Version {summary['version']} on {summary['index']}, {span['first']} to {span['last']}: {span['sessions']} sessions, "
        f"{span['signals']} signals. Traded is {summary['instrument']}. {summary['rules']}"
    )
    table = Table("net, by session", *BOOKS, box=SIMPLE_HEAD)
    for name in ("sharpe", "cagr", "volatility", "max_drawdown", "mean"):
        table.add_row(name.replace("_", " "), *(_with_interval(summary[book], name) for book in BOOKS.values()))
    OUT.print(table)
    costs = Table("costs", "one way", "mean a session", "sharpe", "in all", box=SIMPLE_HEAD)
    for row in summary["costs"]:
        cells = (_with_interval(row["measures"], name) for name in ("mean", "sharpe", "total"))
        costs.add_row(f"{row['multiple']:g}x", f"{1e4 * row['rate']:.2f} bp", *cells)
    OUT.print(costs)
    _render_skill(summary)
    for kind, file in summary["files"].items():
        OUT.print(f"{kind:14} {file}")


def _render_skill(summary: dict[str, Any]) -> None:
    break_even, forecast, luck = summary["dealings"]["break_even"], summary["forecast"], summary["luck"]
    if break_even is not None:
        OUT.print(f"Break-even cost {1e4 * break_even:.2f} bp one way; {summary['dealings']['trades']} round trips.")
    if forecast["ic"] is not None:
        OUT.print(
            f"WSS and the index's next return: IC {forecast['ic']:+.4f}, t {forecast['ic_t']:.2f} (Newey-West) over "
            f"{forecast['bars']} bars."
        )
    if luck["psr"] is not None:
        OUT.print(
            f"Sharpe above 0: {luck['psr']:.0%} sure; above the best of {luck['trials']} trials without skill: {luck['dsr']:.0%}."
        )


def _render_paper(summary: dict[str, Any]) -> None:
    """What the logged signals earned, and where they are not the backtest's."""
    OUT.print(
        f"{summary['index']}, {summary['first']} to {summary['last']}: {summary['bars']} bars of {summary['instrument']}."
    )
    OUT.print(
        f"{summary['traded']} signals acted upon, {summary['backfilled']} backfilled and left, {summary['late']} late, "
        f"{summary['silent']} bars without one."
    )
    for row in summary["differing"]:
        OUT.print(
            f"{row['bar_end']}: logged {row['logged']} ({row['logged_wss']:+.4f}), backtested {row['backtested']}."
        )
    OUT.print(f"paper          {summary['files']['paper']}")


def _with_interval(book: dict[str, Any], name: str) -> str:
    value, interval = book["values"][name], book["intervals"].get(name)
    form = {"sharpe": "{:+.2f}", "mean": "{:+.3%}"}.get(name, "{:+.1%}")
    ends = f"\n[{form.format(interval[0])}, {form.format(interval[1])}]" if interval else ""
    return "" if value is None else form.format(value) + ends


@command("backtest", table=render_backtest)
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
) -> dict[str, Any]:
    """What the answers to bars that were not learned from would have earned, with costs, intervals and a tear sheet.

    Example: mm backtest --out sheet, or mm backtest --paper --out paper
    """
    from market_master.backtest.evaluate import evaluate_backtest
    from market_master.signals import paper_trading

    if paper and (bars or version):
        raise ConfigError("--paper trades what was logged; leave --bars and --version out.")
    if paper:
        return paper_trading.trade_on_paper(model_name(config_file), config.home(), open_log(), out)
    with progress():
        return evaluate_backtest(model_name(config_file), version, config.home(), out, bars=bars, now=clock.now())
