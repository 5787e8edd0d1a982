"""The server: `uvicorn api.app:app`. It loads the champion once, verifies it, and never unpickles anything."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from api.deps import Serving
from api.errors import explain_errors
from api.middleware import Around
from api.routes import health, models, predict, signal
from market_master import __doc__ as what
from market_master import config

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks,
        structlog.processors.JSONRenderer(),
    ]
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the champion before the first request."""
    file = os.environ.get("MM_CONFIG")
    settings = config.load(Path(file), os.environ) if file else None
    model = settings.registry.model if settings else os.environ.get("MM_REGISTRY__MODEL", "market-master")
    app.state.serving = Serving.start(config.home(), model, settings)
    found = app.state.serving
    structlog.get_logger().info(
        "started", version=found.champion.model.version if found.champion else None, refusal=str(found.refusal or "")
    )
    yield


def create_app() -> FastAPI:
    """The application with all routes, each also under /v1."""
    app = FastAPIOffline(title="Market Master", description=what or "", version="1", lifespan=lifespan, redoc_url=None)
    for noun in (health, predict, signal, models):
        app.include_router(noun.router)
        app.include_router(noun.router, prefix="/v1", include_in_schema=False)
    explain_errors(app)
    app.add_middleware(Around)
    return app


app = create_app()
