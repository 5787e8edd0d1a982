"""FastAPI application: routes, middleware, error handlers and OpenAPI.

It never unpickles anything.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline
from starlette.routing import Match, Route
from starlette.types import Scope

from api import STARTED
from api.auth import AccessDenied, Authenticator
from api.cache import cache_at
from api.errors import PROBLEMS, Problem, add_error_handlers, problem, problem_response
from api.limits import Limits
from api.logs import configure_logs
from api.middleware.request import RequestMiddleware
from api.model_server import ModelServer
from api.routes import predict, signal
from api.schemas import COMPONENTS
from api.settings import server_settings
from market_master.config.environment import variables
from market_master.plugins import import_modules

configure_logs()
log = structlog.get_logger()
Endpoint = Callable[[Request], Awaitable[Response]]
DESCRIPTION = "Market Master: next-bar trading actions for every constituent of an index, and one signal for the index."
TAGS = (
    "ancestors", "health", "predict", "signal", "symbols", "insights", "features", "predictions", "models", "monitoring",
    "operations", "metrics",
)  # fmt: skip
"""of the routers in the order of matching, and of OpenAPI, which leaves out the aliases of earlier systems; a router with
another tag comes after these, by the name of its file"""
MOST_ASKED = (("/predict", predict.predict, "POST"), ("/signal/index", signal.newest_signal, "GET"))
"""matched before all other routes"""
COMMON_PROBLEMS = (401, 403, 429)
"""statuses of the request middleware on every route; /health and /ready need no key"""


class DirectRoute(Route):
    """A route without what FastAPI does around an endpoint: it decodes no body and no parameters, validates no response.

    The router of the same path documents it, and takes the requests that have parameters.
    """

    def __init__(self, path: str, endpoint: Endpoint, method: str) -> None:
        super().__init__(path, endpoint, methods=[method])
        self.methods = {method}  # as FastAPI's: no HEAD beside a GET

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As FastAPI's routes do, name the matched route in the scope, for the metrics."""
        if scope.get("query_string"):
            return Match.NONE, {}
        match, child_scope = super().matches(scope)
        return match, {**child_scope, "route": self}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The champion is loaded before the first request; alias and store are followed until the last."""
    server: ModelServer = app.state.model_server
    await asyncio.to_thread(server.start)
    gc.collect()
    gc.freeze()  # what is loaded by now stays; looking through it again would only cost pauses
    watcher = asyncio.create_task(server.watch())
    seconds = round(time.monotonic() - STARTED, 1)
    log.info(
        "ready" if server.live else "not ready", version=server.version, seconds=seconds, note=server.why_not_current()
    )
    yield
    watcher.cancel()
    with suppress(asyncio.CancelledError):
        await watcher
    await app.state.cache.close()
    await asyncio.to_thread(server.stop)


def create_app() -> FastAPI:
    """The application with all routes, each also under /v1; its settings come from the environment."""
    settings = server_settings(variables())
    app = FastAPIOffline(
        title="Market Master",
        description=DESCRIPTION,
        version="1",
        lifespan=lifespan,
        redoc_url=None,
        routes=[
            DirectRoute(f"{prefix}{path}", endpoint, method)
            for prefix in ("", "/v1")
            for path, endpoint, method in MOST_ASKED
        ],
    )
    app.state.model_server = ModelServer(settings)
    app.state.authenticator = Authenticator(settings)
    app.state.cache = cache_at(settings.redis)
    for router in _routers():
        statuses = (429,) if "health" in router.tags else COMMON_PROBLEMS
        app.include_router(router, responses={status: PROBLEMS[status] for status in statuses})
        app.include_router(router, prefix="/v1", include_in_schema=False)
    add_error_handlers(app)
    app.exception_handler(AccessDenied)(_on_access_denied)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["X-API-Key"],
        )
    app.add_middleware(
        RequestMiddleware,
        server=app.state.model_server,
        authenticator=app.state.authenticator,
        limits=Limits(settings.rate, settings.redis),
        body_seconds=settings.body_seconds,
    )
    _add_schemas_to_openapi(app)
    return app


def _routers() -> list[APIRouter]:
    """The `router` of each file in api/routes/."""
    routers: list[APIRouter] = [module.router for module in import_modules("api.routes")]
    position = {tag: number for number, tag in enumerate(TAGS)}
    return sorted(routers, key=lambda router: position.get(str(router.tags[0]), len(TAGS)))


async def _on_access_denied(request: Request, error: Exception) -> Response:
    assert isinstance(error, AccessDenied)
    return problem_response(problem(request.state.request_id, error.status, error.title, str(error)))


def _add_schemas_to_openapi(app: FastAPI) -> None:
    """Describe what FastAPI does not see: bodies, which msgspec decodes, and problems, which it encodes.

    Replacing `app.openapi` is FastAPI's own way of extending the document.
    """
    fastapi_openapi = app.openapi

    def openapi() -> dict[str, Any]:
        document = fastapi_openapi()
        document["components"]["schemas"].update(COMPONENTS, Problem=Problem.model_json_schema())
        return document

    app.openapi = openapi  # type: ignore[method-assign]


app = create_app()
