"""The echo that POST /predict is measured against: a pydantic list of bars, behind the same middleware."""

from __future__ import annotations

import os

import uvicorn
from fastapi import FastAPI
from pydantic import AwareDatetime, BaseModel

from api import app as ours
from api.auth import Authenticator
from api.limits import Limits
from api.middleware.request import RequestMiddleware
from api.model_server import ModelServer
from api.protocol import ImpatientProtocol
from api.settings import server_settings

assert ours
chosen = server_settings(os.environ)
app = FastAPI()
app.add_middleware(
    RequestMiddleware,
    server=ModelServer(chosen),
    authenticator=Authenticator(chosen),
    limits=Limits(chosen.rate, None),
    body_seconds=10.0,
)


class Bar(BaseModel):
    """One bar."""

    timestamp: AwareDatetime
    open: float
    high: float
    low: float
    close: float
    volume: float


class Body(BaseModel):
    """What POST /predict takes."""

    symbol: str
    interval: str
    bars: list[Bar]


@app.get("/health")
def health() -> dict[str, str]:
    """Alive."""
    return {"status": "alive"}


@app.post("/predict")
async def echo(body: Body) -> Body:
    """The same body back."""
    return body


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), access_log=False, log_level="warning", http=ImpatientProtocol)
