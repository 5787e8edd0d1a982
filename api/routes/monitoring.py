"""Has the world moved? What the reports said, and the reports."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

from api.errors import PROBLEMS
from api.serving import serving
from market_master.steps import history

router = APIRouter(tags=["monitoring"])


@router.get("/drift")
def drift(request: Request) -> list[dict[str, Any]]:
    """What each gate run found of drift between training and hold-out, newest first; an empty list before the first."""
    return history.drift(serving(request).options.home)


@router.get("/reports")
def reports(request: Request) -> list[dict[str, Any]]:
    """The HTML reports there are, newest first."""
    return history.reports(serving(request).options.home)


@router.get("/reports/{name}", response_class=FileResponse, responses={404: PROBLEMS[404], 422: PROBLEMS[422]})
def report(name: str, request: Request) -> FileResponse:
    """One of them, as a page."""
    return FileResponse(history.report(serving(request).options.home, name), media_type="text/html")
