"""Insights into symbols of the store, their ranking, and the market's regime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from market_master.cli.common import OUT, Config, champion_and_home, command
from market_master.domain import ConfigError, as_json

if TYPE_CHECKING:
    from market_master.insights import MarketView
    from market_master.insights.ranking import RankedBy

RANKING_COLUMNS = {
    "composite": ("comp", "{:.0f}"),
    "expected_score": ("expect", "{:+.3f}"),
    "risk": ("risk", "{:.0f}"),
    "momentum": ("mom", "{:+.0%}"),
    "volatility": ("vol", "{:.1%}"),
    "liquidity": ("money", "{:.2g}"),
    "fundamental": ("fund", "{:.0f}"),
}
"""heading and format of each number"""


def render_insights(insights: dict[str, Any]) -> None:
    """A table for each insight that there is, and the reasons of those that there are not."""
    if insights["regime"]:
        render_regime(insights["regime"])
    if insights["composite"]:
        _render_composite(insights["composite"])
    if insights["fundamentals"]:
        _render_fundamentals(insights["fundamentals"])
    if insights["risk"]:
        _render_risk(insights["risk"])
    if insights["patterns"]:
        _render_patterns(insights["patterns"])
    if insights["signals"]:
        _render_signals(insights["signals"])
    for name, reason in insights["reasons"].items():
        OUT.print(f"{name}: {reason}")


def render_regime(regime: dict[str, Any]) -> None:
    """One line, and what the champion knew in each regime."""
    OUT.print(
        f"The market is [bold]{regime['state']}[/bold] since {regime['since']} ({regime['sessions']} sessions); 20 sessions "
        f"brought {regime['month_return']:+.1%}, daily volatility {regime['volatility']:.2%}."
    )
    if regime["model"]:
        table = Table("regime", "DIR", "SE", "sessions", title="What the champion knew of the direction, out of fold")
        for row in regime["model"]:
            error = "" if row["dir_se"] is None else f"{row['dir_se']:.2%}"
            table.add_row(row["regime"], f"{row['dir']:+.2%}", error, str(row["sessions"]))
        OUT.print(table)


def render_ranking(ranking: dict[str, Any]) -> None:
    """One row a symbol."""
    columns = {
        name: column
        for name, column in RANKING_COLUMNS.items()
        if any(row[name] is not None for row in ranking["rows"])
    }
    names = [f"[bold]{head}[/bold]" if name == ranking["by"] else head for name, (head, _) in columns.items()]
    table = Table("", "symbol", "price", "action", *names, title=f"{ranking['total']} symbols at {ranking['as_of']}")
    for row in ranking["rows"]:
        cells = ["" if row[name] is None else text.format(row[name]) for name, (_, text) in columns.items()]
        table.add_row(str(row["rank"]), row["symbol"], f"{row['price']:.6g}", row["action"] or "", *cells)
    OUT.print(table)


@command("insights", table=render_insights)
def show_insights(
    symbol: Annotated[str, typer.Argument(help="A symbol of the store, e.g. S001.")], config_file: Config = None
) -> dict[str, Any]:
    """What the newest bars say of a symbol: regime, composite, risk, patterns and signals with their evidence.

    Example: mm insights S001 --json
    """
    from market_master.insights import insights_of

    records, reasons = insights_of(_view(config_file), symbol)
    return {name: record and as_json(record) for name, record in records.items()} | {"reasons": reasons}


@command("ranking", table=render_ranking)
def show_ranking(
    by: Annotated[
        str, typer.Option(help="composite, expected_score, risk, momentum, volatility, liquidity or fundamental.")
    ] = "composite",
    limit: Annotated[int, typer.Option(min=1, help="Rows.")] = 20,
    config_file: Config = None,
) -> dict[str, Any]:
    """All symbols of the store in order of one number, the highest first.

    Example: mm ranking --by risk --limit 5
    """
    from market_master.insights.ranking import RANKED_BY, ranking

    if by not in RANKED_BY:
        raise ConfigError(f"--by is '{by}'; it may be {', '.join(RANKED_BY)}.")
    number: RankedBy = by  # type: ignore[assignment]
    document: dict[str, Any] = as_json(ranking(_view(config_file), number, limit))
    return document


@command("regime", table=render_regime)
def show_regime(config_file: Config = None) -> dict[str, Any]:
    """What kind of market it is: volatile, bull, bear or neutral, since when, and what the champion knew in each.

    Example: mm regime --json
    """
    from market_master.insights.regime import regime

    document: dict[str, Any] = as_json(regime(_view(config_file)))
    return document


def _view(config_file: Config) -> MarketView:
    """The champion's market with its predictions."""
    from market_master.domain import clock
    from market_master.insights import newest_view

    champion, home = champion_and_home(config_file)
    return newest_view(champion, home, clock.now())


def _render_composite(composite: dict[str, Any]) -> None:
    score = "none" if composite["score"] is None else f"{composite['score']:.0f} of 100"
    title = f"Composite: {score}, among {composite['ranked_among']} symbols"
    table = Table("part", "kind", "value", "rank", "weight", title=title)
    for part in composite["parts"]:
        value, rank = (
            "" if part[key] is None else text.format(part[key])
            for key, text in (("value", "{:.4g}"), ("rank", "{:.0f}"))
        )
        table.add_row(part["name"], part["kind"], value, rank, f"{part['weight']:.0%}")
    OUT.print(table)


def _render_fundamentals(fundamentals: dict[str, Any]) -> None:
    table = Table("fundamental", "value", title=f"Known since {fundamentals['known_at'][:10]}")
    for name, value in fundamentals.items():
        if isinstance(value, float):
            table.add_row(name.replace("_", " "), f"{value:,.0f}" if name == "market_value" else f"{value:.1%}")
    OUT.print(table)


def _render_risk(risk: dict[str, Any]) -> None:
    score = risk["score"]
    table = Table("risk", "value", "beside", title=f"{risk['symbol']} at {risk['as_of']}, price {risk['price']:.6g}")
    table.add_row("score", f"{score['score']:.0f} of 100", f"rank among its own {score['ranked_among']} bars")
    for part in ("volatility", "expected_shortfall", "drawdown", "beta", "illiquidity"):
        table.add_row(f"  {part.replace('_', ' ')}", f"{score[part]:.0f}", "")
    for side in ("long", "short"):
        stop, target = risk[side]["stop"], risk[side]["target"]
        table.add_row(side, f"stop {stop:.6g}, target {target:.6g}", f"average range {risk['average_true_range']:.4g}")
    for loss in risk["losses"]:
        tested = loss["coverage"]
        table.add_row(
            f"value at risk {loss['level']:.0%}", f"{loss['value_at_risk']:.2%}, beyond it {loss['expected_shortfall']:.2%}",
            f"exceeded {tested['exceedances']} times of {tested['observations']}, {tested['expected']:.1f} expected"
            + ("" if tested["p_value"] is None else f" (Kupiec p = {tested['p_value']:.2f})"),
        )  # fmt: skip
    table.add_row("drawdown", f"{risk['drawdown']:.2%}", "from the highest close of 250 bars")
    table.add_row("beta", f"{risk['beta']:.2f}", "to the mean of all symbols, 250 bars")
    OUT.print(table)


def _render_patterns(patterns: dict[str, Any]) -> None:
    OUT.print(patterns["summary"])
    if patterns["detected"]:
        table = Table("pattern", "points", "strength", "seen", "followed by", "otherwise", "finding")
        for one in patterns["detected"]:
            record = one["record"]
            table.add_row(
                one["pattern"], one["points"], f"{one['strength']:.2f}", str(record["count"]),
                _with_interval(record["mean_return"], record["low"], record["high"]),
                "" if record["mean_otherwise"] is None else f"{record['mean_otherwise']:+.4%}", record["finding"],
            )  # fmt: skip
        OUT.print(table)


def _render_signals(signals: list[dict[str, Any]]) -> None:
    table = Table(
        "source", "kind", "says", "record", "finding", title="dir: share of RPS saved; mean_return: log return"
    )
    for one in signals:
        record = one["record"]
        value = f"{record['measure']} {_with_interval(record['value'], record['low'], record['high'])}"
        table.add_row(one["source"], one["kind"], one["says"] or "-", value, record["finding"])
    OUT.print(table)


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return ""
    return f"{value:+.3%}" + ("" if low is None or high is None else f" ({low:+.3%} to {high:+.3%})")
