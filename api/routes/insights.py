"""Insights into a symbol and its market, from the bars that the server holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.errors import PROBLEMS
from api.model_server import live_model, market_view
from api.routes.predict import PREDICT_EXAMPLES, accept_payload
from api.schemas import PREDICT_DECODER, SymbolInPath, request_body
from market_master.domain import clock, iso
from market_master.insights import MarketView, insights_of, posted_view
from market_master.insights.composite import Composite
from market_master.insights.fundamentals import CompanyFundamentals
from market_master.insights.patterns import Patterns, patterns
from market_master.insights.regime import Regime, regime
from market_master.insights.risk import PositionSizes, Risk, position_sizes, risk
from market_master.insights.signals import SourceSignal, source_signals

REFUSALS: dict[int | str, dict[str, Any]] = {status: PROBLEMS[status] for status in (404, 422, 503)}
DISCLAIMER = (
    "Numbers computed from past bars, for information. They are no advice to buy or sell anything, no promise of what comes, and "
    "may be wrong; each says how it is defined, and where it was tested, with what result."
)
LINK = '</disclaimer>; rel="terms-of-service"'


class Insights(BaseModel):
    """All insights into a symbol, as of its newest bar; null where one can't be had, for the reason given."""

    symbol: str
    as_of: str
    price: float
    regime: Regime | None
    composite: Composite | None
    risk: Risk | None
    patterns: Patterns | None
    signals: list[SourceSignal] | None
    fundamentals: CompanyFundamentals | None
    reasons: dict[str, str]
    """why an insight is null, by its name; why posted bars stand alone (`history`) or have no `prediction`"""


class RiskWithSizes(BaseModel):
    """A symbol's risk, and how large a position may be."""

    risk: Risk
    position: PositionSizes


class SymbolPatterns(BaseModel):
    """A symbol's patterns."""

    symbol: str
    patterns: Patterns


class SymbolSignals(BaseModel):
    """A symbol's signals."""

    symbol: str
    signals: list[SourceSignal]


class Disclaimer(BaseModel):
    """What all numbers are and are not."""

    disclaimer: str


def link_disclaimer(response: Response) -> None:
    """Let an answer link the disclaimer."""
    response.headers["Link"] = LINK


router = APIRouter(tags=["insights"])
linked = APIRouter(dependencies=[Depends(link_disclaimer)])


@linked.get("/insights/{symbol}", responses=REFUSALS)
def insights(symbol: SymbolInPath, request: Request) -> Insights:
    """Everything that bars say of a symbol."""
    return _insights(market_view(request), symbol)


@linked.post(
    "/insights",
    responses={status: PROBLEMS[status] for status in (408, 413, 422, 503)},
    openapi_extra=request_body("PredictRequest", PREDICT_EXAMPLES),
)
async def posted_insights(request: Request) -> Insights:
    """The same from bars in the body, among the other symbols' stored bars up to the newest of them."""
    payload, live, now = PREDICT_DECODER.decode(await request.body()), live_model(request), clock.now()
    bars, _ = accept_payload(live, payload, now)

    def answer() -> Insights:
        view, reasons = posted_view(live.model, live.view(now), bars, live.recent(), now)
        return _insights(view, payload.symbol, reasons)

    return await run_in_threadpool(answer)


@linked.get("/insights/{symbol}/risk", responses=REFUSALS)
def symbol_risk(
    symbol: SymbolInPath,
    request: Request,
    equity: Annotated[float, Query(gt=0, le=1e15, description="Capital, in the currency of the prices.")] = 100_000.0,
    budget: Annotated[float, Query(gt=0, le=1, description="Share of it that may be lost at the stop.")] = 0.01,
) -> RiskWithSizes:
    """Stop and target, value at risk with the test of its coverage, a score, and the position that a risk budget allows."""
    assessed = risk(market_view(request), symbol)
    return RiskWithSizes(risk=assessed, position=position_sizes(assessed, equity, budget))


@linked.get("/insights/{symbol}/patterns", responses=REFUSALS)
def symbol_patterns(symbol: SymbolInPath, request: Request) -> SymbolPatterns:
    """Candlestick patterns of the newest bar, each with what followed it on the bars the champion learned from."""
    return SymbolPatterns(symbol=symbol, patterns=patterns(market_view(request), symbol))


@linked.get("/insights/{symbol}/signals", responses=REFUSALS)
def symbol_signals(symbol: SymbolInPath, request: Request) -> SymbolSignals:
    """What champion, patterns and technical rules say, each with its measured record."""
    return SymbolSignals(symbol=symbol, signals=list(source_signals(market_view(request), symbol)))


@linked.get("/regime", responses={status: PROBLEMS[status] for status in (422, 503)})
def market_regime(request: Request) -> Regime:
    """What kind of market it is: volatile, bull, bear or neutral, since when, and what the champion knew in each."""
    return regime(market_view(request))


def _insights(view: MarketView, symbol: str, known_reasons: Mapping[str, str] | None = None) -> Insights:
    records, reasons = insights_of(view, symbol)
    row = view.bars.rows(symbol).stop - 1
    records["signals"] = records["signals"] and list(records["signals"])
    as_of, price = iso(int(view.bars.bar_end[row])), float(view.bars.close[row])
    return Insights(symbol=symbol, as_of=as_of, price=price, reasons={**(known_reasons or {}), **reasons}, **records)


@router.get("/disclaimer")
def disclaimer() -> Disclaimer:
    """What all numbers are and are not."""
    return Disclaimer(disclaimer=DISCLAIMER)


router.include_router(linked)
