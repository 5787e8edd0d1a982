"""Liveness and readiness of the server."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from api.errors import PROBLEMS
from api.model_server import model_server
from market_master.domain import ModelRef

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "alive"}})

    status: str


class Ready(BaseModel):
    """Which version answers."""

    status: str
    model: ModelRef
    note: str
    """why a newer version is not served, or that the registry is away; empty when all is well"""


@router.get("/health", response_model=Alive)
async def health() -> Response:
    """The process is alive."""
    return Response(b'{"status":"alive"}', media_type="application/json")


@router.get("/ready", responses={503: PROBLEMS[503]})
async def ready(request: Request) -> Ready:
    """A champion is loaded, verified and warmed; else 503 with the reason."""
    server = model_server(request)
    return Ready(status="ready", model=server.live_model().model.ref, note=server.note)
