"""The approval flow: a version in the shadow waits in Prefect's UI for a name and a reason."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import Field

from flows.runs import Config, completed, load_settings
from market_master.config import home, predictions_url
from market_master.domain import JournalEntry, as_json
from market_master.lifecycle.promote import withdraw
from market_master.lifecycle.shadow import approve, compare_shadow
from market_master.prediction_log import PredictionLog


class Decision(RunInput):
    """The form's fields."""

    approve: bool = Field(description="Put it into production; else it is withdrawn.")
    by: str = Field(description="Who decides.", min_length=1)
    reason: str = Field(description="Why, for the journal.", min_length=1)


@flow(name="approval", flow_run_name="approval-{config}", validate_parameters=True)
def approval(config: Config = "demo", hours: int = 72) -> JournalEntry | None:
    """Ask whether the version in the shadow shall take over; the run pauses until its form is filled in.

    Args:
        config: Whose model, a file of configs/.
        hours: So long the form waits; then the run fails, the version stays in the shadow, and the next look asks again.
    """
    settings, log = load_settings(config), PredictionLog(predictions_url())
    model = settings.registry.model
    shadow = compare_shadow(model, home(), log)
    if shadow is None or not shadow.served:
        reason = shadow.summary if shadow else "No version is in the shadow."
        nothing: None = completed(None, "nothing", reason, market=settings.name, bar=None)
        return nothing
    create_table_artifact([as_json(shadow)], key="shadow", description=shadow.summary)
    form = Decision.with_initial_data(description=f"Version {shadow.version} of {model}: {shadow.summary}")
    decision = pause_flow_run(wait_for_input=form, timeout=hours * 3600, poll_interval=2)
    move = (
        approve(shadow.version, decision.by, decision.reason, model, home(), log)
        if decision.approve
        else withdraw(shadow.version, decision.by, decision.reason, model, home())
    )
    end: JournalEntry = completed(move, move.event, move.reason, market=settings.name, bar=None)
    return end
