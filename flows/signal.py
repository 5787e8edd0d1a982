"""The signal flow: fetch -> settle -> predict_index -> log, for one bar; and the filling of bars that were missed."""

from __future__ import annotations

from datetime import datetime

from prefect import flow, runtime
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.runs import Config, completed, load_settings
from market_master.config import home, predictions_url
from market_master.domain import clock
from market_master.domain.clock import iso
from market_master.domain.records import Explanation
from market_master.prediction_log import PredictionLog
from market_master.signals import scheduled as step
from market_master.signals.scheduled import SignalRun


@flow(name="signal", flow_run_name="signal-{config}", validate_parameters=True)
def signal(config: Config = "demo", asof: datetime | None = None) -> SignalRun:
    """Make the index's signal of the newest closed bar, once; a late run is skipped.

    Args:
        config: Market, a file of configs/.
        asof: The run is for the newest bar that had closed by then; when it was scheduled for, unless given.
    """
    settings, log = load_settings(config), PredictionLog(predictions_url())
    due = int((asof or runtime.flow_run.scheduled_start_time).timestamp())
    told = step.run_scheduled_signal(settings, home(), log, now=clock.now(), asof=due)
    create_markdown_artifact(f"# {told.status}, bar {told.bar_end}\n\n{told.reason}", key="signal")
    if told.signal and told.signal.explanation:
        _moves(told.signal.explanation)
    end: SignalRun = completed(told, told.status, told.reason, market=settings.name, bar=told.bar_end)
    return end


@flow(name="backfill", flow_run_name="backfill-{config}", validate_parameters=True)
def backfill(first: datetime, last: datetime, config: Config = "demo") -> list[SignalRun]:
    """Make the signals of the bars of a span that have none, in order, marked as backfilled; none with hindsight.

    Args:
        first: Bars that ended then or later.
        last: Bars that had ended by then.
        config: Market, a file of configs/.
    """
    settings, log = load_settings(config), PredictionLog(predictions_url())
    span = (int(first.timestamp()), int(last.timestamp()))
    told = step.backfill(settings, home(), log, first=span[0], last=span[1], now=clock.now())
    rows = [{"bar_end": one.bar_end, "status": one.status, "reason": one.reason} for one in told]
    create_table_artifact(rows, key="backfill", description="Bars of the span, and what each came to.")
    made = sum(one.status == "signalled" for one in told)
    said = f"{made} of {len(told)} bars from {iso(span[0])} to {iso(span[1])} were signalled."
    end: list[SignalRun] = completed(told, "backfilled", said, market=settings.name, bar=iso(span[0]))
    return end


def _moves(why: Explanation) -> None:
    """What moved WSS since the bar before, symbol by symbol; or the word why that can't be told."""
    rows = [{**{k: v for k, v in vars(move).items() if k != "by_group"}, **move.by_group} for move in why.moves]
    told = f"WSS was {why.wss_before:+.3f} ({why.signal_before}) at {why.since}." if why.since else why.reason
    create_table_artifact(rows or [{"reason": why.reason}], key="moves", description=told)
