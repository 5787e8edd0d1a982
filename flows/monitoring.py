"""The monitoring flow: settle -> monitor -> shadow -> guard -> alerts; what it finds may start a training or ask for approval."""

from __future__ import annotations

import os
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.events import emit_event

from flows.runs import Config, completed, link_report, load_settings
from market_master.config import home, predictions_url
from market_master.domain import clock
from market_master.domain.records import as_json
from market_master.monitoring.daily_check import DailyCheck, run_daily_check
from market_master.monitoring.notify import addresses
from market_master.prediction_log import PredictionLog

RETRAIN, SERVED = "market-master.retrain", "market-master.served"
"""events: the world has moved and a new candidate is wanted; a version in the shadow waits for approval"""


@flow(name="monitoring", flow_run_name="monitoring-{config}", validate_parameters=True)
def monitoring(config: Config = "demo", evidently: bool = True) -> DailyCheck:
    """Has the world moved, is the champion still as good, and what follows from it.

    Args:
        config: Whose champion, a file of configs/.
        evidently: Write Evidently's pages too; they take most of the time.
    """
    settings, log = load_settings(config), PredictionLog(predictions_url())
    model = settings.registry.model
    told = run_daily_check(model, home(), log, addresses(os.environ), now=clock.now(), evidently=evidently)
    readings = [
        row
        for row in as_json(told.seen.readings)
        if row["cause"] not in ("feature", "level") or row["state"] == "moved"
    ]
    create_table_artifact(readings, key="readings", description=told.words)
    create_table_artifact(
        as_json(told.seen.realised), key="realised", description="Realised performance of the champion."
    )
    create_markdown_artifact(f"# {', '.join(told.seen.alarms) or 'Nothing moved'}\n\n{told.words}", key="monitoring")
    for kind, file in told.seen.reports.items():
        link_report(Path(file), kind, f"{kind} of {told.seen.as_of[:10]}")
    resource = {"prefect.resource.id": f"market-master.model.{model}", "version": told.seen.version}
    if told.seen.retrain:
        emit_event(RETRAIN, resource, payload={"alarms": told.seen.alarms})
    if told.wants_approval:
        emit_event(SERVED, resource, payload={"words": told.words})
    word = "moved" if told.seen.alarms else "quiet"
    end: DailyCheck = completed(told, word, told.words, market=settings.name, bar=told.seen.as_of)
    return end
