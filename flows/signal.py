"""The signal flow: fetch, settle, signal and log of one bar, and insights; the backfill."""

from __future__ import annotations

from datetime import datetime

from prefect import flow, runtime, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from flows.runs import Config, completed, load_settings
from market_master.config import Settings, home, predictions_url
from market_master.domain import Explanation, TooFewBars, as_json, clock, iso
from market_master.insights import newest_view
from market_master.insights.ranking import ranking
from market_master.insights.regime import regime
from market_master.prediction_log import PredictionLog
from market_master.registry.champion import load_champion
from market_master.signals import scheduled
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
    run = scheduled.run_scheduled_signal(settings, home(), log, now=clock.now(), asof=due)
    create_markdown_artifact(f"# {run.status}, bar {run.bar_end}\n\n{run.reason}", key="signal")
    if run.signal and run.signal.explanation:
        _moves(run.signal.explanation)
    if run.signal:
        insights(settings)
    end: SignalRun = completed(run, run.status, run.reason, market=settings.name, bar=run.bar_end)
    return end


@task(name="insights", timeout_seconds=600, cache_policy=NO_CACHE, persist_result=False)
def insights(settings: Settings) -> None:
    """After a session's last bar: the regime of the market, and all symbols ranked, as a table."""
    view = newest_view(load_champion(home(), settings.registry.model), home(), clock.now())
    if not view.session_is_over:
        return
    try:
        market = regime(view)
        description = f"The market is {market.state} since {market.since} ({market.sessions} sessions)."
    except TooFewBars as error:
        description = str(error)
    create_table_artifact(as_json(ranking(view).rows), key="insights", description=description)


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
    runs = scheduled.backfill_signals(settings, home(), log, first=span[0], last=span[1], now=clock.now())
    rows = [{"bar_end": run.bar_end, "status": run.status, "reason": run.reason} for run in runs]
    create_table_artifact(rows, key="backfill", description="Bars of the span, and what each came to.")
    count = sum(run.status == "signalled" for run in runs)
    summary = f"{count} of {len(runs)} bars from {iso(span[0])} to {iso(span[1])} were signalled."
    end: list[SignalRun] = completed(runs, "backfilled", summary, market=settings.name, bar=iso(span[0]))
    return end


def _moves(explanation: Explanation) -> None:
    """A table of what moved WSS since the bar before, by symbol; or of the reason why that is not known."""
    rows = [{**{k: v for k, v in vars(move).items() if k != "by_group"}, **move.by_group} for move in explanation.moves]
    summary = (
        f"WSS was {explanation.wss_before:+.3f} ({explanation.signal_before}) at {explanation.since}."
        if explanation.since
        else explanation.reason
    )
    create_table_artifact(rows or [{"reason": explanation.reason}], key="moves", description=summary)
