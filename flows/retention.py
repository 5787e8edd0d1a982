"""The retention flow: deletion of versions, runs and files that are no longer needed."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_table_artifact

from flows.runs import Config, completed, load_settings
from market_master.config import home
from market_master.domain import as_json, clock
from market_master.lifecycle.retention import NEWEST_VERSIONS, Retained, apply_retention


@flow(name="retention", flow_run_name="retention-{config}", validate_parameters=True)
def retention(config: Config = "demo", keep: int = NEWEST_VERSIONS, apply: bool = False) -> Retained:
    """Keep the newest versions, all that ever were in production, and their runs; delete the rest.

    Args:
        config: Whose registered model, a file of configs/.
        keep: So many of the newest versions stay, whatever became of them.
        apply: Delete; else only say what would go.
    """
    settings = load_settings(config)
    retained = apply_retention(settings.registry.model, home(), now=clock.now(), keep=keep, apply=apply)
    create_table_artifact(as_json(retained.stays), key="retention", description=retained.summary)
    end: Retained = completed(
        retained, "applied" if apply else "planned", retained.summary, market=settings.name, bar=None
    )
    return end
