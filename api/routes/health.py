"""Liveness and readiness of the server."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from api.errors import PROBLEMS
from api.model_server import model_server
from market_master.domain import ModelRef
from market_master.optional import OPTIONAL_PARTS

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


class Library(BaseModel):
    """An optional library, and what is off without it."""

    library: str
    version: str | None
    """null where it is not installed"""
    purpose: str
    remedy: str
    """how to install it"""


class Status(BaseModel):
    """What is served, and what is off."""

    status: Literal["ready", "not ready"]
    version: str | None
    """of the champion; null without one"""
    reason: str
    """why nothing is served, or nothing newer; empty when all is well"""
    optional: list[Library]


@router.get("/health", response_model=Alive)
async def health() -> Response:
    """The process is alive."""
    return Response(b'{"status":"alive"}', media_type="application/json")


@router.get("/ready", responses={503: PROBLEMS[503]})
async def ready(request: Request) -> Ready:
    """A champion is loaded, verified and warmed; else 503 with the reason."""
    server = model_server(request)
    return Ready(status="ready", model=server.live_model().model.ref, note=server.note)


@router.get("/status")
def status(request: Request) -> Status:
    """What is served, and which optional parts are off and how to switch them on; 200 without a champion too."""
    server = model_server(request)
    return Status(
        status="ready" if server.live else "not ready",
        version=server.version or None,
        reason=server.why_not_current(),
        optional=[
            Library(library=part.library, version=part.version, purpose=part.purpose, remedy=part.remedy)
            for part in OPTIONAL_PARTS
        ],
    )
