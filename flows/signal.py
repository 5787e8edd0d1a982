"""The signal flow: fetch -> settle -> predict_index -> log, for one bar; and the filling of bars that were missed."""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from market_master import config, store
from market_master.config import Settings
from market_master.predictions import PredictionLog
from market_master.steps import announce as step
from market_master.steps.announce import Announced


@flow(name="signal", flow_run_name="signal-{settings.name}", validate_parameters=True)
def signal(settings: Settings, asof: datetime | None = None) -> Announced:
    """Make the index's signal of the newest closed bar, once. `asof`: the end of the bar this run is for; a late run is skipped."""
    log = PredictionLog(config.predictions_url())
    instant = None if asof is None else int(asof.timestamp())
    told = step.announce(settings, config.home(), log, now=store.now(), asof=instant)
    create_markdown_artifact(f"# {told.status}, bar {told.bar_end}\n\n{told.reason}", key="signal")
    return told


@flow(name="backfill", flow_run_name="backfill-{settings.name}", validate_parameters=True)
def backfill(settings: Settings, first: datetime, last: datetime) -> list[Announced]:
    """Make the signals of the bars that ended from `first` to `last` and have none, in order, marked as backfilled."""
    log = PredictionLog(config.predictions_url())
    span = (int(first.timestamp()), int(last.timestamp()))
    told = step.backfill(settings, config.home(), log, first=span[0], last=span[1], now=store.now())
    rows = [{"bar_end": one.bar_end, "status": one.status, "reason": one.reason} for one in told]
    create_table_artifact(rows, key="backfill", description="Bars of the span, and what each came to.")
    return told
