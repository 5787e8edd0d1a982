"""MLflow runs: one parent for a pipeline run, a nested one for each candidate.

MLflow's global state stays untouched.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from market_master.domain import ModelError, RegistryAway
from market_master.registry.tracking_uri import tracking_uri

if TYPE_CHECKING:
    import pandas as pd

EXPERIMENT = "market-master"
FAILED, KILLED = "FAILED", "KILLED"
logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)


def client(home: Path) -> MlflowClient:
    """A client of the home's store, which MLflow's own helpers then use too; the store is made when it is not there yet."""
    uri = tracking_uri(home)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return _client(uri, home / "mlruns")


@cache
def _client(uri: str, folder: Path) -> MlflowClient:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return MlflowClient(uri, uri)
    except Exception as error:
        raise ModelError(f"The MLflow store {uri} can't be opened: {error}.") from error


def registry_unavailable(error: MlflowException) -> RegistryAway:
    """MLflow's word that the store gives no answer, without the SQL."""
    return RegistryAway(f"The registry can't answer: {str(error).splitlines()[0]}; run again when it can.")


@contextmanager
def translating_registry_errors() -> Iterator[None]:
    """What MLflow says of a store that gives no answer comes out as RegistryAway."""
    try:
        yield
    except MlflowException as error:
        raise registry_unavailable(error) from error


@contextmanager
def active(run_id: str) -> Iterator[None]:
    """The run as MLflow's active one, as some of its calls want it; it goes on afterwards, whatever MLflow would make of it."""
    mlflow.start_run(run_id=run_id)
    try:
        yield
    finally:
        mlflow.end_run("RUNNING")


@dataclass(frozen=True)
class Run:
    """A pipeline run in MLflow."""

    home: Path
    id: str

    @classmethod
    @translating_registry_errors()
    def start(cls, home: Path, name: str, params: Mapping[str, Any]) -> Run:
        """Open the parent run of a pipeline run."""
        mlflow_client = client(home)
        experiment = mlflow_client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            location = (home / "mlruns" / "artifacts").as_uri() if tracking_uri(home).startswith("sqlite") else None
            experiment_id = mlflow_client.create_experiment(EXPERIMENT, artifact_location=location)
        else:
            experiment_id = experiment.experiment_id
        run = cls(home, mlflow_client.create_run(experiment_id, run_name=name).info.run_id)
        run.params(params)
        return run

    @translating_registry_errors()
    def params(self, values: Mapping[str, Any]) -> None:
        """Parameters, nested ones by dotted name."""
        flat = [Param(key, str(value)[:6000]) for key, value in _flat(values)]
        client(self.home).log_batch(self.id, params=flat)

    @translating_registry_errors()
    def metrics(self, values: Mapping[str, float | None], *, step: int = 0) -> None:
        """Numbers of the run; a `step` for those that are told again and again."""
        _log_metrics(client(self.home), self.id, values, step)

    @translating_registry_errors()
    def candidate(self, name: str, params: Mapping[str, Any], metrics: Mapping[str, float | None]) -> None:
        """A nested, finished run of one candidate or baseline."""
        mlflow_client = client(self.home)
        parent = mlflow_client.get_run(self.id)
        tags = {MLFLOW_PARENT_RUN_ID: self.id, MLFLOW_RUN_NAME: name}
        child = mlflow_client.create_run(parent.info.experiment_id, tags=tags, run_name=name)
        mlflow_client.log_batch(child.info.run_id, params=[Param(k, str(v)[:6000]) for k, v in _flat(params)])
        _log_metrics(mlflow_client, child.info.run_id, metrics)
        mlflow_client.set_terminated(child.info.run_id, "FINISHED")

    @translating_registry_errors()
    def dataset(self, frame: pd.DataFrame, name: str, context: str) -> None:
        """A dataset's digest and schema, shown beside the run."""
        from mlflow.data.pandas_dataset import from_pandas

        with active(self.id):
            mlflow.log_input(from_pandas(frame, name=name), context=context)

    @translating_registry_errors()
    def tag(self, **tags: str) -> None:
        """Tags of the run."""
        for key, value in tags.items():
            client(self.home).set_tag(self.id, key, value)

    @translating_registry_errors()
    def file(self, path: Path, folder: str = "") -> None:
        """A file as an artefact of the run."""
        client(self.home).log_artifact(self.id, str(path), folder or None)

    @translating_registry_errors()
    def files(self, folder: Path, name: str) -> None:
        """All files of a folder as artefacts of the run, in a folder of that name."""
        client(self.home).log_artifacts(self.id, str(folder), name)

    @translating_registry_errors()
    def page(self, ui: str) -> str:
        """Its page in MLflow's UI, which answers at `ui`."""
        return f"{ui}/#/experiments/{client(self.home).get_run(self.id).info.experiment_id}/runs/{self.id}"

    @translating_registry_errors()
    def finish(self, status: str = "FINISHED") -> None:
        """Close the run."""
        client(self.home).set_terminated(self.id, status)


@translating_registry_errors()
def open_runs(home: Path) -> list[tuple[str, str]]:
    """Runs that no one has closed, each with the pipeline run it belongs to: its parent, or itself."""
    mlflow_client = client(home)
    experiment = mlflow_client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    running = mlflow_client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")
    return [(run.info.run_id, run.data.tags.get(MLFLOW_PARENT_RUN_ID, run.info.run_id)) for run in running]


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in values.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(f"{prefix}{key}", value)]
    return rows


def _log_metrics(mlflow_client: MlflowClient, run_id: str, values: Mapping[str, float | None], step: int = 0) -> None:
    moment = int(time.time() * 1000)
    known = [Metric(key, float(value), moment, step) for key, value in values.items() if value is not None]
    mlflow_client.log_batch(run_id, metrics=known)
