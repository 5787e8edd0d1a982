"""Flow runs as Prefect's server has them."""

from __future__ import annotations

from typing import Any


def newest_run(name: str) -> Any:
    """The flow run that began last, of those whose name begins so."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC)
    return next(run for run in runs if str(run.name).startswith(name))
