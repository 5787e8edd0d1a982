"""The server: `python -m api`. It loads the champion, verifies it, follows the alias, and never unpickles anything."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline
from starlette.routing import Match, Route
from starlette.types import Scope
from structlog.tracebacks import ExceptionDictTransformer

from api.access import Access, AccessDenied
from api.cache import cache_at
from api.errors import PROBLEMS, Problem, add_error_handlers, problem, problem_response
from api.limits import Limits
from api.middleware import RequestMiddleware
from api.options import server_settings
from api.routes import features, health, metrics, models, monitoring, operations, predict, predictions, signal, training
from api.schemas import COMPONENTS
from api.serving import ModelServer
from market_master import __doc__ as what

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),  # they may hold keys
        structlog.processors.JSONRenderer(),
    ],
    cache_logger_on_first_use=True,
)
EVERYWHERE = (401, 403, 429)


class Direct(Route):
    """For the route that is asked most: matched first, and spared what FastAPI does around an endpoint."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As FastAPI's routes do, name the route that was found."""
        match, found = super().matches(scope)
        return match, {**found, "route": self}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The champion is loaded before the first request; alias and store are followed until the last."""
    serving: ModelServer = app.state.serving
    await asyncio.to_thread(serving.start)
    gc.collect()
    gc.freeze()  # what is loaded by now stays; looking through it again would only cost pauses
    watching = asyncio.create_task(serving.watch())
    yield
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await app.state.cache.close()
    await asyncio.to_thread(serving.stop)


def create_app() -> FastAPI:
    """The application with all routes, each also under /v1; told by the environment."""
    chosen = server_settings(os.environ)
    app = FastAPIOffline(title="Market Master", description=what or "", version="1", lifespan=lifespan, redoc_url=None)
    app.state.serving = ModelServer(chosen)
    app.state.access = Access(chosen)
    app.state.cache = cache_at(chosen.redis)
    for noun in (health, predict, signal, features, predictions, models, monitoring, operations, training, metrics):
        said: dict[int | str, Any] = (
            {status: PROBLEMS[status] for status in EVERYWHERE} if noun is not health else {429: PROBLEMS[429]}
        )
        app.include_router(noun.router, responses=said)
        app.include_router(noun.router, prefix="/v1", include_in_schema=False)
    for prefix in ("", "/v1"):
        app.router.routes.insert(0, Direct(f"{prefix}/predict", predict.predict, methods=["POST"]))
    add_error_handlers(app)
    app.exception_handler(AccessDenied)(_refused)
    if chosen.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(chosen.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["X-API-Key"],
        )
    app.add_middleware(
        RequestMiddleware,
        serving=app.state.serving,
        access=app.state.access,
        limits=Limits(chosen.rate, chosen.redis),
        body_seconds=chosen.body_seconds,
    )
    _describe_bodies(app)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AccessDenied)
    return problem_response(problem(request.state.request_id, error.status, error.title, str(error)))


def _describe_bodies(app: FastAPI) -> None:
    """Bodies are decoded by msgspec, and refusals are written by it; what they look like stands in OpenAPI all the same."""
    made = app.openapi

    def with_bodies() -> dict[str, Any]:
        schema = made()
        schema["components"]["schemas"].update(COMPONENTS, Problem=Problem.model_json_schema())
        return schema

    app.openapi = with_bodies  # type: ignore[method-assign]


app = create_app()
