"""The monitoring flow: the daily check, and the events that start a training or an approval."""

from __future__ import annotations

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.events import emit_event

from flows.runs import Config, completed, link_report, load_settings
from market_master.config import home, predictions_url
from market_master.config.environment import variables
from market_master.domain import as_json, clock
from market_master.monitoring.daily_check import DailyCheck, run_daily_check
from market_master.monitoring.notify import alert_addresses
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
    check = run_daily_check(model, home(), log, alert_addresses(variables()), now=clock.now(), evidently=evidently)
    readings = [
        row
        for row in as_json(check.report.readings)
        if row["cause"] not in ("feature", "level") or row["state"] == "moved"
    ]
    create_table_artifact(readings, key="readings", description=check.summary)
    create_table_artifact(
        as_json(check.report.realised), key="realised", description="Realised performance of the champion."
    )
    create_markdown_artifact(
        f"# {', '.join(check.report.alarms) or 'Nothing moved'}\n\n{check.summary}", key="monitoring"
    )
    for kind, file in check.report.reports.items():
        link_report(Path(file), kind, f"{kind} of {check.report.as_of[:10]}")
    resource = {"prefect.resource.id": f"market-master.model.{model}", "version": check.report.version}
    if check.report.retrain:
        emit_event(RETRAIN, resource, payload={"alarms": check.report.alarms})
    if check.wants_approval:
        emit_event(SERVED, resource, payload={"words": check.summary})
    status = "moved" if check.report.alarms else "quiet"
    end: DailyCheck = completed(check, status, check.summary, market=settings.name, bar=check.report.as_of)
    return end
