"""Trainings: started as flow runs of Prefect's deployment, and their state."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.auth import require_admin
from api.errors import PROBLEMS
from api.model_server import model_server
from api.prefect_client import PrefectClient
from api.schemas import TRAIN_DECODER, request_body

router = APIRouter(prefix="/train", tags=["operations"], dependencies=[Depends(require_admin)])
TRAIN_EXAMPLES = {
    "the deployment's own config": {"value": {}},
    "two recipes compared, without a look at the hold-out": {"value": {"config": "demo", "against": "noise"}},
}
EXAMPLE_ID = "7d4f0f5e-0b5e-4f2e-9a43-0f3c0a1b2c3d"


class Training(BaseModel):
    """A flow run of the training deployment."""

    id: str
    name: str
    state: str
    """Scheduled, Pending, Running, Cancelled, Crashed, Failed; or what it came to: Promoted, Provisional, Rejected, Compared"""
    message: str | None
    """the reason"""
    parameters: dict[str, Any]
    started: str | None
    ended: str | None


@router.post(
    "",
    status_code=202,
    responses={status: PROBLEMS[status] for status in (408, 413, 422, 503)},
    response_model=Training,
    openapi_extra=request_body("TrainRequest", TRAIN_EXAMPLES),
)
async def train(request: Request) -> Training:
    """Start a training; GET /train/{id} tells how it goes. One runs at a time: a second ends as Cancelled."""
    parameters = msgspec.to_builtins(TRAIN_DECODER.decode(await request.body()))
    return _training(await run_in_threadpool(_prefect(request).train, parameters))


@router.get("/{id}", responses={status: PROBLEMS[status] for status in (404, 422, 503)})
def training(id: Annotated[UUID, Path(examples=[EXAMPLE_ID])], request: Request) -> Training:
    """What has become of a training."""
    return _training(_prefect(request).training(str(id)))


def _prefect(request: Request) -> PrefectClient:
    return PrefectClient(model_server(request).settings.prefect)


def _training(run: dict[str, Any]) -> Training:
    return Training(
        id=run["id"],
        name=run["name"],
        state=run["state_name"] or "Scheduled",
        message=(run["state"] or {}).get("message"),
        parameters=run["parameters"],
        started=run["start_time"],
        ended=run["end_time"],
    )
