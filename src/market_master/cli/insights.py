"""Insights into symbols of the store."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from market_master.cli.common import OUT, Config, champion_and_home, command
from market_master.domain import as_json


def render_insights(insights: dict[str, Any]) -> None:
    """Risk as a table: what, how much, and what it was ranked or tested by."""
    risk = insights["risk"]
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


@command("insights", table=render_insights)
def show_insights(
    symbol: Annotated[str, typer.Argument(help="A symbol of the store, e.g. S001.")], config_file: Config = None
) -> dict[str, Any]:
    """What the newest bars say of a symbol, beside any prediction.

    Example: mm insights S001 --json
    """
    from market_master.insights import insights_of

    champion, home = champion_and_home(config_file)
    records = insights_of(champion.store(home).recent().bars(), symbol)
    return {name: as_json(record) for name, record in records.items()}
