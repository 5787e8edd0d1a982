"""Deletion of versions and runs for good, as `mlflow gc` does."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from market_master.registry.tracking import EXPERIMENT, client
from market_master.registry.tracking_uri import tracking_uri


@dataclass(frozen=True)
class PipelineRun:
    """A pipeline run in MLflow."""

    id: str
    begun: int
    """epoch seconds"""
    finished: bool
    versions: tuple[tuple[str, str], ...]
    """(model, version) that it registered"""


def recorded_runs(home: Path) -> list[PipelineRun]:
    """The pipeline runs, newest first; those of single candidates belong to theirs."""
    versions: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in client(home).search_model_versions():
        versions[row.run_id or ""].append((row.name, str(row.version)))
    return [
        PipelineRun(
            run.info.run_id, run.info.start_time // 1000, run.info.status != "RUNNING", tuple(versions[run.info.run_id])
        )
        for run in _runs(home)
        if MLFLOW_PARENT_RUN_ID not in run.data.tags
    ]


def delete_for_good(home: Path, name: str, versions: Collection[str], runs: Collection[str]) -> bool:
    """Delete runs with those of their candidates and the models they logged, then the versions; for good, by `mlflow gc`,
    which takes along whatever else was marked as deleted.

    Models that another version stands on stay. The versions go last: cut off anywhere, the same call finishes the work.
    False where a tracking server keeps the files: `mlflow gc` has to be run there.
    """
    api, run_ids = client(home), set(runs)
    models_in_use = {
        str(row.source).removeprefix("models:/")
        for row in api.search_model_versions()
        if row.name != name or str(row.version) not in versions
    }
    for run in list(_runs(home)):
        if run.info.run_id in run_ids or run.data.tags.get(MLFLOW_PARENT_RUN_ID) in run_ids:
            for model in run.outputs.model_outputs if run.outputs else ():
                if model.model_id not in models_in_use:
                    api.delete_logged_model(model.model_id)
            api.delete_run(run.info.run_id)
    collected = _collect_garbage(tracking_uri(home))
    for version in versions:
        api.delete_model_version(name, version)
    return collected


def _collect_garbage(uri: str) -> bool:
    if uri.startswith("http"):
        return False
    from mlflow.cli import gc

    with redirect_stdout(sys.stderr):
        gc.main(["--backend-store-uri", uri, "--tracking-uri", uri], standalone_mode=False)
    return True


def _runs(home: Path) -> Iterator[MlflowRun]:
    experiment, token = client(home).get_experiment_by_name(EXPERIMENT), None
    while experiment is not None:
        page = client(home).search_runs(
            [experiment.experiment_id],
            run_view_type=ViewType.ACTIVE_ONLY,
            order_by=["attributes.start_time DESC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return
