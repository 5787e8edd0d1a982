"""Prefect client over its REST API: starts trainings and reads their state.

They run on Prefect's worker, never in the server.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import msgspec

from market_master.domain import OrchestratorAway, TrainingRefused, UnknownTraining

DEPLOYMENT = "training/weekly"
TIMEOUT_SECONDS = 10.0
ATTEMPTS, RETRY_SECONDS = 5, 0.5
"""Prefect answers 503 while its SQLite database is locked, and wants to be asked again"""


class PrefectClient:
    """The Prefect server at an address; every method raises OrchestratorAway while it does not answer."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")

    def train(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Start a training; Prefect's flow run. Raises TrainingRefused for parameters that its form does not take."""
        try:
            deployment = self._request(f"deployments/name/{DEPLOYMENT}")
            return self._request(
                f"deployments/{deployment['id']}/create_flow_run",
                {"parameters": parameters, "idempotency_key": uuid4().hex},
            )
        except HTTPError as error:
            if error.code == 404:
                raise OrchestratorAway(
                    f"Prefect at {self._address} has no deployment {DEPLOYMENT}; `make deploy` makes it."
                ) from error
            raise TrainingRefused(f"Prefect refuses this training: {_detail(error)}") from error

    def training(self, run_id: str) -> dict[str, Any]:
        """Prefect's flow run of that id. Raises UnknownTraining."""
        try:
            run = self._request(f"flow_runs/{run_id}")
            deployment = self._request(f"deployments/name/{DEPLOYMENT}")
        except HTTPError as error:
            raise UnknownTraining(f"Prefect has no training {run_id}.", id=run_id) from error
        if run["deployment_id"] != deployment["id"]:
            raise UnknownTraining(f"The flow run {run_id} is not a training.", id=run_id)
        return run

    def _request(self, path: str, body: dict[str, Any] | None = None, attempts: int = ATTEMPTS) -> dict[str, Any]:
        content = None if body is None else msgspec.json.encode(body)
        request = Request(f"{self._address}/{path}", content, {"content-type": "application/json"})
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                document: dict[str, Any] = msgspec.json.decode(response.read())
        except HTTPError as error:
            if error.code < 500:
                raise
            if error.code == 503 and attempts > 1:
                time.sleep(RETRY_SECONDS)
                return self._request(path, body, attempts - 1)
            raise OrchestratorAway(f"Prefect at {self._address} failed: {error}.") from error
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise OrchestratorAway(
                f"No Prefect server answers at {self._address} ({error}); `make deploy` starts one, PREFECT_API_URL names "
                "another."
            ) from error
        return document


def _detail(error: HTTPError) -> str:
    """Prefect's own sentence."""
    try:
        document = msgspec.json.decode(error.read())
    except msgspec.DecodeError:
        return str(error)
    if not isinstance(document, dict):
        return str(document)
    return str(document.get("detail") or document.get("exception_detail") or document)
