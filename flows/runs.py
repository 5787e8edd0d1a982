"""Shared parts of flow runs: settings by name, link artifacts, and a named end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from prefect import runtime
from prefect.artifacts import create_link_artifact
from prefect.client.orchestration import get_client
from prefect.states import Completed
from pydantic import Field

from market_master import config
from market_master.config import Settings
from market_master.config.environment import mlflow_ui, server_url

Config = Annotated[str, Field(json_schema_extra={"enum": list(config.names())})]
"""a name of configs/, which Prefect's form offers as a choice; a path does from Python"""


def load_settings(name: str) -> Settings:
    """The settings behind a name or a path, and the environment's."""
    return config.load(config.file_of(name))


def link_run(run_id: str) -> None:
    """The run's page in MLflow, as an artifact."""
    from market_master.registry.tracking import Run

    page = Run(config.home(), run_id).page(mlflow_ui())
    create_link_artifact(page, link_text=f"MLflow run {run_id}", key="mlflow")


def link_report(file: Path, key: str, text: str) -> None:
    """A page of data/reports/, as the server shows it, as an artifact."""
    link = f"{server_url()}/reports/{file.name}"
    create_link_artifact(link, link_text=text, key=key, description=f"`make serve`, or {file}")


def completed(result: Any, status: str, reason: str, *, market: str, bar: str | None) -> Any:
    """The end of a run: named by what it came to, with the reason; the run's own name gets its bar, its tags market and status.

    Called from Python, the flow returns the result.
    """
    name = f"{runtime.flow_run.flow_name}-{market}" + (f"-{bar}" if bar else "")
    with get_client(sync_client=True) as client:
        tags = sorted({*runtime.flow_run.tags, market, status})
        client.update_flow_run(runtime.flow_run.id, name=name, tags=tags)
    return Completed(name=status.capitalize(), message=reason, data=result)
