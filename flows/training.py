"""The training flow: the story with each step as a task; and the comparison of two recipes."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_table_artifact

from flows.runs import Config, completed, link_run, load_settings
from flows.tasks import as_tasks
from market_master.config import home
from market_master.domain import clock
from market_master.pipeline import Outcome, train

_announce: ContextVar[Callable[[Outcome], None] | None] = ContextVar("announce", default=None)
"""a flow's parameters are JSON, so the callback of `run_training` comes beside them"""


@flow(name="training", flow_run_name="training-{config}", validate_parameters=True)
def training(config: Config = "demo", dev: bool = False, against: Config | None = None) -> Outcome:
    """Train on the configured bars, judge the winner, promote it if the gate passes, and make one index signal.

    Args:
        config: Market and recipe, a file of configs/.
        dev: Compare the candidates only; no look at the hold-out, nothing registered, no signal.
        against: Another recipe to compare with this one. Both are compared as with dev, their candidates in one table.
    """
    chosen = [load_settings(name) for name in (config, against) if name is not None]
    compare = dev or against is not None
    outcomes = []
    for settings in chosen:
        outcomes.append(
            train(settings, home(), now=clock.now(), dev=compare, steps=as_tasks(), announce=_announce.get())
        )
        link_run(outcomes[-1].run_id)
    if against is not None:
        _side_by_side([settings.name for settings in chosen], outcomes)
    first = outcomes[0]
    end: Outcome = completed(first, first.outcome, first.reason, market=chosen[0].name, bar=first.data["last"])
    return end


def run_training(
    config_file: Path, at: Path, *, dev: bool = False, announce: Callable[[Outcome], None] | None = None
) -> Outcome:
    """Run the flow in this process, on a Prefect server of its own if none is configured; `announce` as in `train`."""
    assert at == home(), "the flow reads its home from MM_HOME"
    token = _announce.set(announce)
    try:
        return training(str(config_file), dev)
    finally:
        _announce.reset(token)


def _side_by_side(names: list[str], outcomes: list[Outcome]) -> None:
    """The candidates of several recipes in one table, the best first; whether they saw the same bars is said above it."""
    rows = [
        {"config": name, **row} for name, outcome in zip(names, outcomes, strict=True) for row in outcome.leaderboard
    ]
    alike = len({outcome.data["data_hash"] for outcome in outcomes}) == 1
    bars = (
        "on the same bars" if alike else "on different bars, so the rows of one are not measured by those of the other"
    )
    create_table_artifact(
        sorted(rows, key=lambda row: float(row["rps"])),
        key="recipes",
        description=f"{' against '.join(names)}, {bars}. Walk-forward folds; the hold-out was not looked at.",
    )
