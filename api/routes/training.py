"""A training, started by Prefect's deployment and run by its worker; and what has become of it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.access import admin
from api.errors import PROBLEMS
from api.orchestrator import Orchestrator
from api.schemas import TRAIN, body_of
from api.serving import model_server

router = APIRouter(prefix="/train", tags=["operations"], dependencies=[Depends(admin)])
WISHES = {
    "the deployment's own config": {"value": {}},
    "two recipes compared, without a look at the hold-out": {"value": {"config": "demo", "against": "noise"}},
}
RUN = "7d4f0f5e-0b5e-4f2e-9a43-0f3c0a1b2c3d"


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
    openapi_extra=body_of("TrainRequest", WISHES),
)
async def train(request: Request) -> Training:
    """Start a training; GET /train/{id} tells how it goes. One runs at a time: a second ends as Cancelled."""
    asked = msgspec.to_builtins(TRAIN.decode(await request.body()))
    return _told(await run_in_threadpool(_orchestrator(request).train, asked))


@router.get("/{id}", responses={status: PROBLEMS[status] for status in (404, 422, 503)})
def training(id: Annotated[UUID, Path(examples=[RUN])], request: Request) -> Training:
    """What has become of a training."""
    return _told(_orchestrator(request).training(str(id)))


def _orchestrator(request: Request) -> Orchestrator:
    return Orchestrator(model_server(request).options.prefect)


def _told(run: dict[str, Any]) -> Training:
    return Training(
        id=run["id"],
        name=run["name"],
        state=run["state_name"] or "Scheduled",
        message=(run["state"] or {}).get("message"),
        parameters=run["parameters"],
        started=run["start_time"],
        ended=run["end_time"],
    )
