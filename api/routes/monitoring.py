"""Drift of the champion's inputs, and the HTML reports."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel

from api.errors import PROBLEMS
from api.model_server import model_server
from market_master.reports import archive

router = APIRouter(tags=["monitoring"])


class GateDrift(BaseModel):
    """What a run's gate said of drift, as one of its rules."""

    run_id: str
    version: str | None
    time: str
    rule: str
    passed: bool
    severity: str
    value: float | str | None
    limit: float | str | None
    reason: str


class Drift(BaseModel):
    """The newest look at the champion, as `mm drift` prints it, and what earlier gates said."""

    latest: dict[str, Any] | None
    """null before the first look"""
    gates: list[GateDrift]
    """hold-out against training window, newest first"""


class Report(BaseModel):
    """An HTML report."""

    name: str
    bytes: int
    written: str


@router.get("/drift")
def drift(request: Request) -> Drift:
    """Has the world moved from what the champion learned, and is it still as good?"""
    settings = model_server(request).settings
    gates = [GateDrift(**row) for row in archive.drift_verdicts(settings.home)]
    return Drift(latest=archive.latest_monitoring(settings.home, settings.model), gates=gates)


@router.get("/reports")
def reports(request: Request) -> list[Report]:
    """The HTML reports there are, newest first."""
    return [Report(**row) for row in archive.list_reports(model_server(request).settings.home)]


@router.get("/reports/{name}", response_class=FileResponse, responses={404: PROBLEMS[404], 422: PROBLEMS[422]})
def report(name: str, request: Request) -> FileResponse:
    """One of them, as a page."""
    return FileResponse(archive.report_file(model_server(request).settings.home, name), media_type="text/html")
