"""Registered versions in MLflow: their files, aliases and outcomes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from market_master.artifact import bundle
from market_master.artifact.bundle import PRODUCTION, ModelVersion, VersionFiles
from market_master.artifact.model_card import ModelCard
from market_master.artifact.onnx_graph import Graph
from market_master.domain import ModelError, NoChampion, UnknownVersion
from market_master.registry.tracking import Run, active, client, registry_unavailable, translating_registry_errors

CHALLENGER = "challenger"
REQUIREMENTS = ["onnxruntime", "numpy"]
T = TypeVar("T")


@dataclass(frozen=True)
class Versions:
    """The versions of one registered model in a home's registry."""

    home: Path
    name: str

    def register(self, run: Run, graph: bytes, example: np.ndarray, files: Mapping[str, bytes]) -> str:
        """Log a model's graph with other files as one model and make a version of it, aliased `challenger`."""
        import onnx
        from mlflow.models import infer_signature

        loaded = Graph(graph)
        with translating_registry_errors(), active(run.id), tempfile.TemporaryDirectory() as folder:
            logged = mlflow.onnx.log_model(
                onnx.load_from_string(graph),
                name="model",
                signature=infer_signature(example, loaded.probabilities(example).astype(np.float32)),
                input_example=example,
                pip_requirements=REQUIREMENTS,
                onnx_execution_providers=["CPUExecutionProvider"],
            )
            for name, content in files.items():
                file = Path(folder) / name
                file.write_bytes(content)
                client(self.home).log_model_artifact(logged.model_id, str(file))
        version = self.create(logged.model_uri, run.id)
        self.set_alias(CHALLENGER, version)
        return version

    def create(self, source: str, run_id: str) -> str:
        """Make a version of a logged model (`models:/ID`), or of a folder of files; returns its number."""
        model_id = source.removeprefix("models:/") if source.startswith("models:/") else None

        def create(api: MlflowClient) -> str:
            try:
                api.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            return str(api.create_model_version(self.name, source, run_id, model_id=model_id).version)

        return self._call(create)

    def attach_file(self, version: str, file: Path) -> None:
        """Keep a file with a version's other files."""
        row = self._call(lambda api: api.get_model_version(self.name, version), missing=version)
        self._call(lambda api: api.log_model_artifact(str(row.source).removeprefix("models:/"), str(file)))

    def files(self, version: str) -> VersionFiles:
        """Where a version's files lie; fetched first when the registry is far. Raises UnknownVersion."""
        if not (version.isascii() and version.isdigit() and len(version) < 10):
            raise UnknownVersion(
                f"'{version[:20]}' is no version of {self.name}; versions are numbers.", version=version
            )
        row = self._call(lambda api: api.get_model_version(self.name, version), missing=version)
        folder = self._call(lambda _: mlflow.artifacts.download_artifacts(f"models:/{self.name}/{version}"))
        return VersionFiles(self.name, str(version), row.run_id or "", row.tags.get("outcome", ""), str(folder))

    def load(self, version: str) -> ModelVersion:
        """A version with its graph and card. Raises UnknownVersion, or ModelError when it is incomplete."""
        return bundle.read_version(self.files(version))

    def production(self) -> str | None:
        """The version behind `production`, None when the alias stands nowhere."""
        return self.version_at_alias(PRODUCTION)

    def version_at_alias(self, alias: str) -> str | None:
        """The version behind an alias, None when it stands nowhere."""
        try:
            row = self._call(lambda api: api.get_model_version_by_alias(self.name, alias), missing=alias)
        except UnknownVersion:
            return None
        return str(row.version)

    def production_with_outcome(self) -> tuple[str, str] | None:
        """The version behind `production` and the outcome of its decision, None when the alias stands nowhere."""
        version = self.production()
        if version is None:
            return None
        row = self._call(lambda api: api.get_model_version(self.name, version), missing=version)
        return version, str(row.tags.get("outcome", ""))

    def production_card(self) -> ModelCard | None:
        """The card behind `production`, None when there is none, or none that can be read."""
        version = self.production()
        try:
            return self.load(version).card if version else None
        except ModelError:
            return None

    def champion(self) -> ModelVersion:
        """The version behind `production`. Raises NoChampion."""
        version = self.production()
        if version is None:
            raise NoChampion(
                f"No version of {self.name} stands behind '{PRODUCTION}'; `make run` trains and promotes one."
            )
        return self.load(version)

    def set_alias(self, alias: str, version: str) -> None:
        """Move an alias to a version."""
        self._call(lambda api: api.set_registered_model_alias(self.name, alias, version))

    def delete_alias(self, alias: str) -> None:
        """Remove an alias."""
        self._call(lambda api: api.delete_registered_model_alias(self.name, alias))

    def set_outcome(self, version: str, outcome: str) -> None:
        """Note the outcome of a version's decision on the version itself."""
        self._call(lambda api: api.set_model_version_tag(self.name, version, "outcome", outcome))

    def all(self) -> list[dict[str, Any]]:
        """Every version, newest first: number, created (epoch milliseconds), run, outcome, aliases."""
        try:
            registered = self._call(lambda api: api.get_registered_model(self.name), missing="at all")
        except UnknownVersion:
            return []
        rows = self._call(lambda api: api.search_model_versions(f"name = '{self.name}'"))
        return [
            {
                "version": str(row.version),
                "created": row.creation_timestamp,
                "run_id": row.run_id,
                "outcome": row.tags.get("outcome", ""),
                "aliases": sorted(a for a, v in registered.aliases.items() if str(v) == str(row.version)),
            }
            for row in sorted(rows, key=lambda row: -int(row.version))
        ]

    def _call(self, request: Callable[[MlflowClient], T], missing: str | None = None) -> T:
        try:
            return request(client(self.home))
        except MlflowException as error:
            if missing is not None and error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise UnknownVersion(
                    f"The registry has no version {missing} of {self.name}.", version=missing
                ) from error
            raise registry_unavailable(error) from error
