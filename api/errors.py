"""Every refusal as problem JSON (RFC 9457): type, title, status, detail, request_id, and the numbers."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from market_master.domain.errors import MarketMasterError

log = structlog.get_logger()


class Problem(BaseModel):
    """A refusal: what kind, one sentence, and the numbers in it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    request_id: str


def problem(request: Request, status: int, title: str, detail: str, **numbers: Any) -> JSONResponse:
    """A problem document for a request."""
    body = Problem(
        type=f"urn:market-master:{title}",
        title=title,
        status=status,
        detail=detail,
        request_id=getattr(request.state, "request_id", ""),
        **numbers,
    )
    return JSONResponse(body.model_dump(), status_code=status, media_type="application/problem+json")


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}, "description": text}
    for status, text in {
        404: "The store has no such symbol, or the registry no such version.",
        413: "The body is too large.",
        422: "The bars break the bar contract, are too few, or the body is not what the schema says.",
        503: "No champion is loaded, coverage is too low, or the data is stale.",
    }.items()
}


def explain_errors(app: FastAPI) -> None:
    """Let every error of the app leave as a problem document."""

    @app.exception_handler(MarketMasterError)
    async def refused(request: Request, error: MarketMasterError) -> JSONResponse:
        return problem(request, error.status, error.title, str(error), **error.numbers)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        rows = [{"field": ".".join(map(str, item["loc"])), "rule": item["msg"]} for item in error.errors()]
        first = f"the first is {rows[0]['field']}: {rows[0]['rule']}." if rows else ""
        return problem(
            request, 422, "Malformed", f"{len(rows)} parts of the request are not what the schema says; {first}",
            rows=rows[:20], broken=len(rows),
        )  # fmt: skip

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> JSONResponse:
        answer = problem(request, error.status_code, "HttpError", str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        log.error("failed", request_id=getattr(request.state, "request_id", ""), error=repr(error), exc_info=error)
        return problem(request, 500, "Failed", "The server failed to answer; the log tells more under this request_id.")
