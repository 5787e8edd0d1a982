"""Problem documents (RFC 9457): every refusal as problem JSON, and its HTTP status."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from api.metrics import REFUSALS
from market_master.domain import (
    DataError,
    LowCoverage,
    MarketMasterError,
    ModelError,
    NoSignal,
    NotPromotable,
    OrchestratorAway,
    StaleData,
    TrainingRefused,
    UnknownReport,
    UnknownSymbol,
    UnknownTraining,
    UnknownVersion,
)

HTTP_STATUS: dict[type[MarketMasterError], int] = {
    MarketMasterError: 500,
    DataError: 422,
    UnknownSymbol: 404,
    UnknownReport: 404,
    NoSignal: 404,
    LowCoverage: 503,
    StaleData: 503,
    ModelError: 503,
    UnknownVersion: 404,
    NotPromotable: 409,
    OrchestratorAway: 503,
    TrainingRefused: 422,
    UnknownTraining: 404,
}
"""by class; a class that is not listed has the status of its base"""
log = structlog.get_logger()
PROBLEM_JSON = "application/problem+json"


class Problem(BaseModel):
    """A refusal: what kind, one sentence, and the numbers in it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    request_id: str


def problem(request_id: str, status: int, title: str, detail: str, **numbers: Any) -> dict[str, Any]:
    """A problem document."""
    REFUSALS.labels(title).inc()
    kind = {"type": f"urn:market-master:{title}", "title": title, "status": status, "detail": detail}
    return {**kind, "request_id": request_id, **numbers}


def http_status(error: MarketMasterError) -> int:
    """The status of a refusal: that of its class, or of the nearest base in HTTP_STATUS."""
    return next(HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS)


def problem_from_error(error: Exception, request_id: str) -> dict[str, Any]:
    """The problem document of a refusal of ours, or of a body that can't be decoded."""
    if isinstance(error, MarketMasterError):
        return problem(request_id, http_status(error), error.title, str(error), **error.numbers)
    rule, _, path = str(error).partition(" - at ")
    field = path.strip("`").removeprefix("$").lstrip(".") or "body"
    sentence = f"The request is not what the schema says: {field}: {rule}."
    return problem(request_id, 422, "Malformed", sentence, rows=[{"field": field, "rule": rule}], broken=1)


def problem_response(document: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """A problem document as a response."""
    body = msgspec.json.encode(document)
    return Response(body, status_code=document["status"], media_type=PROBLEM_JSON, headers=headers)


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}, "description": text}
    for status, text in {
        401: "A key is needed, or the given one is not known or has expired.",
        403: "The key may not do this, or no key that may was ever configured.",
        404: "The store has no such symbol, the registry no such version, or there is no such report or training.",
        408: "The body did not arrive in time.",
        409: "The version may not be put behind `production`, or there is none to go back to.",
        413: "The body is too large.",
        422: "The bars break the bar contract, are too few, or the request is not what the schema says.",
        429: "Too many requests; Retry-After tells how long to wait.",
        503: "No champion is loaded, coverage is too low, the data is stale, or the registry or Prefect is away.",
    }.items()
}


def add_error_handlers(app: FastAPI) -> None:
    """Let every error of the app leave as a problem document."""

    @app.exception_handler(MarketMasterError)
    @app.exception_handler(msgspec.DecodeError)
    async def on_refusal(request: Request, error: Exception) -> Response:
        return problem_response(problem_from_error(error, _request_id(request)))

    @app.exception_handler(RequestValidationError)
    async def on_malformed(request: Request, error: RequestValidationError) -> Response:
        rows = [{"field": ".".join(map(str, item["loc"])), "rule": item["msg"]} for item in error.errors()]
        first = f"the first is {rows[0]['field']}: {rows[0]['rule']}." if rows else ""
        detail = f"{len(rows)} parts of the request are not what the schema says; {first}"
        return problem_response(
            problem(_request_id(request), 422, "Malformed", detail, rows=rows[:20], broken=len(rows))
        )

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        document = problem(_request_id(request), error.status_code, "HttpError", str(error.detail))
        return problem_response(document, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def on_failure(request: Request, error: Exception) -> Response:
        log.error("failed", request_id=_request_id(request), error=repr(error), exc_info=error)
        detail = "The server failed to answer; the log tells more under this request_id."
        return problem_response(problem(_request_id(request), 500, "Failed", detail))


def _request_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))
