"""Logged predictions with their outcomes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from api.errors import PROBLEMS
from api.model_server import model_server
from market_master.domain import CLASSES, iso

router = APIRouter(prefix="/predictions", tags=["predictions"])


class Logged(BaseModel):
    """A prediction as it was given first, with the outcome once its bar has closed."""

    model: str
    version: str
    symbol: str
    as_of: str
    source: str
    features_hash: str
    probabilities: dict[str, float]
    action: str
    acted: bool
    expected_score: float
    confidence: float
    latency_ms: float
    made_at: str
    outcome: str | None
    """the action that the next bar called for, by the version's own label"""
    outcome_return: float | None
    """log return of that bar"""
    settled_at: str | None


@router.get("/recent", responses={422: PROBLEMS[422], 503: PROBLEMS[503]})
def recent(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    symbol: Annotated[str | None, Query(max_length=40, examples=["S001"])] = None,
) -> list[Logged]:
    """The newest logged predictions, newest bar first; an empty list before the first."""
    return [Logged(**_logged(row)) for row in model_server(request).prediction_log.recent(limit, symbol)]


def _logged(row: dict[str, Any]) -> dict[str, Any]:
    settled = row["settled_at"]
    return {
        **row,
        "as_of": iso(row["bar_end"]),
        "probabilities": {name: row[name] for name in CLASSES},
        "made_at": iso(int(row["made_at"])),
        "settled_at": None if settled is None else iso(int(settled)),
    }
