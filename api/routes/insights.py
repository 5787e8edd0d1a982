"""Insights into a symbol, from the bars that the server holds; they need no prediction."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from api.errors import PROBLEMS
from api.model_server import live_model
from api.schemas import SymbolInPath
from market_master.insights import insights_of
from market_master.insights.risk import PositionSizes, Risk, position_sizes, risk

router = APIRouter(tags=["insights"])
DISCLAIMER = (
    "Numbers computed from past bars, for information. They are no advice to buy or sell anything, no promise of what comes, and "
    "may be wrong; each says how it is defined, and where it was tested, with what result."
)
LINK = '</disclaimer>; rel="terms-of-service"'


class Insights(BaseModel):
    """All insights into a symbol, as of its newest bar."""

    symbol: str
    risk: Risk


class RiskWithSizes(BaseModel):
    """A symbol's risk, and how large a position may be."""

    risk: Risk
    position: PositionSizes


class Disclaimer(BaseModel):
    """What all numbers are and are not."""

    disclaimer: str


@router.get("/insights/{symbol}", responses={status: PROBLEMS[status] for status in (404, 422, 503)})
def insights(symbol: SymbolInPath, request: Request, response: Response) -> Insights:
    """Everything that bars say of a symbol."""
    response.headers["Link"] = LINK
    records: dict[str, Any] = insights_of(live_model(request).recent().bars(), symbol)
    return Insights(symbol=symbol, **records)


@router.get("/insights/{symbol}/risk", responses={status: PROBLEMS[status] for status in (404, 422, 503)})
def symbol_risk(
    symbol: SymbolInPath,
    request: Request,
    response: Response,
    equity: Annotated[float, Query(gt=0, le=1e15, description="Capital, in the currency of the prices.")] = 100_000.0,
    budget: Annotated[float, Query(gt=0, le=1, description="Share of it that may be lost at the stop.")] = 0.01,
) -> RiskWithSizes:
    """Stop and target, value at risk with the test of its coverage, a score, and the position that a risk budget allows."""
    response.headers["Link"] = LINK
    assessed = risk(live_model(request).recent().bars(), symbol)
    return RiskWithSizes(risk=assessed, position=position_sizes(assessed, equity, budget))


@router.get("/disclaimer")
def disclaimer() -> Disclaimer:
    """What all numbers are and are not."""
    return Disclaimer(disclaimer=DISCLAIMER)
