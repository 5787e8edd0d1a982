"""Aliases of the paths of earlier systems, each answered in the shape its clients know.

docs/ancestors.md says what differs and why: no number is invented, and what is missing is 404 or 503, never 200.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.routing import APIRoute
from pydantic import AliasChoices, BaseModel, Field
from starlette.routing import Match
from starlette.types import Scope

from api.auth import require_admin
from api.model_server import live_model, market_view, model_server
from api.routes import features, insights, metrics, models, operations, symbols, training
from api.schemas import SymbolInPath
from market_master.domain import IndexSignal, IntervalMismatch, NoForecast, Prediction, UnknownSymbol, clock
from market_master.insights.ranking import RankedSymbol, ranking

NO_FORECAST = "No forecast of prices is served, only actions and their probabilities: GET /predict/{}."


class QueryRoute(APIRoute):
    """A route for requests that have a query; without one another route of the same path answers."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route, if there is a query of its own."""
        query = scope.get("query_string", b"")
        if not any(name in query for name in (b"symbol=", b"universe=", b"interval=")):
            return Match.NONE, {}
        return super().matches(scope)


class Ticker(BaseModel):
    """A body that names a symbol."""

    symbol: str = Field(validation_alias=AliasChoices("symbol", "ticker"))
    interval: str | None = Field(None, validation_alias=AliasChoices("interval", "timeframe"))


router = APIRouter(tags=["ancestors"], include_in_schema=False)
versioned = APIRouter()
with_query = APIRouter(route_class=QueryRoute)
of_ml = APIRouter(prefix="/api/ml")
of_ml_v1 = APIRouter(prefix="/api/v1/ml")
Named = Annotated[str, Query(min_length=1, max_length=40)]
Interval = Annotated[str | None, Query()]
Timeframe = Annotated[str | None, Query(alias="timeframe")]


@versioned.get("/predict")
@versioned.get("/predict_ticker/{symbol}")
def predict_ticker(symbol: str, request: Request) -> dict[str, Any]:
    """The prediction from the newest stored bar, with the features it was made of."""
    live = live_model(request)
    prediction = live.prediction(symbol, clock.now())
    return {
        "symbol": symbol,
        "prediction": prediction.action,
        "confidence": prediction.confidence,
        "model_version": prediction.model.version,
        "features": live.features(symbol, 1)[-1]["values"],
        "timestamp": prediction.as_of,
    }


@versioned.get("/model/{version}")
def model(version: str, request: Request) -> dict[str, Any]:
    """A version, or `production` or `latest`: the one that is served."""
    found = models.production(request) if version in ("production", "latest") else models.model(version, request)
    return {"model_version": found.version, **found.model_dump(exclude={"version"})}


@versioned.get("/features")
def newest_features(
    symbol: Named, request: Request, lookback: Annotated[int, Query(ge=1, le=60)] = 1
) -> dict[str, Any]:
    """The features of the newest bars, oldest first."""
    seen = features.features(symbol, request, lookback)
    rows = [{"timestamp": row.bar_end, **row.values} for row in seen.rows]
    return {"symbol": symbol, "model_version": seen.version, "features": rows, "timestamp": seen.rows[-1].bar_end}


@with_query.get("/predict/component")
def component(symbol: Named, request: Request, interval: Interval = None) -> dict[str, Any]:
    """The prediction for one constituent's next bar."""
    _require_interval(request, interval)
    return _component(live_model(request).prediction(symbol, clock.now()))


@with_query.get("/signal/index")
def index_signal(
    request: Request, universe: Annotated[str | None, Query()] = None, interval: Interval = None
) -> dict[str, Any]:
    """The index's signal, and the action of each constituent."""
    _require_interval(request, interval)
    signal: IndexSignal = live_model(request).signal(clock.now())[0]
    if universe not in (None, "", signal.index, signal.signal_for):
        raise UnknownSymbol(f"The index that is served is {signal.index}, '{universe}' was asked for.", symbol=universe)
    return {
        "wss": signal.wss,
        "signal": signal.signal,
        "timestamp_next": signal.predicts_for.start,
        "per_symbol": {
            one.symbol: {"action": one.action, "weight": one.weight, "confidence": one.confidence}
            for one in signal.constituents
        },
    }


@router.get("/ticker_info/{symbol}")
def ticker_info(symbol: SymbolInPath, request: Request) -> symbols.SymbolDetails:
    """Span, quality and weight of a symbol."""
    return symbols.symbol(symbol, request)


@router.get("/crypto/ranking")
def crypto_ranking(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[RankedSymbol]:
    """Crypto symbols in order of their composite score; empty where none is stored."""
    return list(ranking(market_view(request), limit=limit, asset_class="crypto").rows)


@router.get("/crypto/details/{symbol}")
def crypto_details(symbol: SymbolInPath, request: Request) -> insights.Insights:
    """All insights into a crypto symbol."""
    if market_view(request).bars.timetable.asset_class != "crypto":
        raise UnknownSymbol(f"No crypto is stored, so there are no details of '{symbol}'.", symbol=symbol)
    return insights.insights(symbol, request)


@router.get("/crypto/search")
def crypto_search(
    request: Request, q: Annotated[str, Query(max_length=40)] = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[symbols.Symbol]:
    """Crypto symbols that have a text in their name."""
    return symbols.symbols(request, q, "crypto", limit).symbols


@of_ml.get("/model/info")
def model_info(request: Request) -> dict[str, Any]:
    """The version that is served, from its card."""
    live = live_model(request)
    card = live.model.card
    return {
        "model_version": live.files.version,
        "model_name": live.files.name,
        "model_type": card.candidate,
        "trained_at": card.created,
        "features": list(card.features),
        "symbols": list(card.symbols),
        "interval": card.timetable["interval"],
    }


@of_ml.get("/status")
def status(request: Request) -> dict[str, Any]:
    """Whether a model is served, and why not."""
    server = model_server(request)
    return {
        "model_status": "ready" if server.live else "not ready",
        "model_version": server.version or None,
        "reason": server.why_not_current() or None,
    }


@of_ml.get("/insights/{symbol}")
def ml_insights(symbol: SymbolInPath, request: Request, timeframe: Timeframe = None) -> dict[str, Any]:
    """Patterns, signals and the champion's confidence; prices are null, for there is no forecast."""
    _require_interval(request, timeframe)
    return _ml_insights(symbol, request)


@of_ml.get("/patterns/{symbol}")
@of_ml.get("/signals/{symbol}")
def ml_part(symbol: SymbolInPath, request: Request, timeframe: Timeframe = None) -> dict[str, Any]:
    """One part of the same."""
    _require_interval(request, timeframe)
    part = request.url.path.rsplit("/", 2)[-2]
    whole = _ml_insights(symbol, request)
    return {name: whole[name] for name in ("symbol", part, "timestamp", "current_price", "model_status")}


@of_ml.get("/price-prediction/{symbol}")
def ml_price(symbol: SymbolInPath, request: Request, timeframe: Timeframe = None) -> dict[str, Any]:
    """No price is forecast: 503, for a symbol that there is."""
    _require_interval(request, timeframe)
    market_view(request).require_symbol(symbol)
    raise NoForecast(NO_FORECAST.format(symbol), symbol=symbol)


@of_ml_v1.post("/predict/signal")
def ml_signal(body: Ticker, request: Request) -> dict[str, Any]:
    """The action for the next bar."""
    _require_interval(request, body.interval)
    return _component(live_model(request).prediction(body.symbol, clock.now()))


@of_ml_v1.post("/predict/price")
def ml_predict_price(body: Ticker, request: Request) -> dict[str, Any]:
    """No price is forecast: 503, for a symbol that there is."""
    return ml_price(body.symbol, request, body.interval)


@of_ml_v1.post("/predict/comprehensive")
def ml_comprehensive(body: Ticker, request: Request) -> dict[str, Any]:
    """The action and the insights in one; the price is null, with the reason."""
    signal, whole = ml_signal(body, request), _ml_insights(body.symbol, request)
    return {
        **whole,
        "signal": signal,
        "price": None,
        "price_reason": f"NoForecast: {NO_FORECAST.format(body.symbol)}",
        "disclaimer": insights.DISCLAIMER,
    }


of_ml.add_api_route(
    "/retraining", training.train, methods=["POST"], status_code=202, dependencies=[Depends(require_admin)]
)
of_ml_v1.add_api_route(
    "/train", training.train, methods=["POST"], status_code=202, dependencies=[Depends(require_admin)]
)
of_ml_v1.add_api_route("/models", models.models)
of_ml_v1.add_api_route("/cache/stats", operations.cache_stats, response_model_exclude_none=True)
of_ml_v1.add_api_route("/cache/{symbol}", operations.forget, methods=["DELETE"], dependencies=[Depends(require_admin)])
of_ml_v1.add_api_route("/disclaimer", insights.disclaimer)
router.add_api_route("/prometheus", metrics.metrics)
router.include_router(with_query)
router.include_router(versioned)
router.include_router(versioned, prefix="/api/v1")
router.include_router(of_ml)
router.include_router(of_ml_v1)


def _ml_insights(symbol: str, request: Request) -> dict[str, Any]:
    """The shape of the last of them; a signal has the confidence that was measured for it, or none."""
    live, view = live_model(request), market_view(request)
    found, prediction = insights.symbol_patterns(symbol, request).patterns, view.predictions.get(symbol)
    speaking = [one for one in insights.symbol_signals(symbol, request).signals if one.says]
    strongest = max(found.detected, key=lambda one: one.strength, default=None)
    return {
        "symbol": symbol,
        "patterns": {
            "detected": [one.pattern for one in found.detected],
            "count": len(found.detected),
            "strongest": strongest.pattern if strongest else None,
        },
        "price_predictions": None,
        "signals": [_ml_signal(one, prediction) for one in speaking],
        "confidence": prediction.confidence if prediction else None,
        "timestamp": found.as_of,
        "current_price": float(view.bars.close[view.bars.rows(symbol)][-1]),
        "model_status": f"version {live.files.version}",
    }


def _ml_signal(one: insights.SourceSignal, prediction: Prediction | None) -> dict[str, Any]:
    sure = prediction.confidence if prediction and one.kind == "champion" else None
    return {"type": one.says, "source": one.source, "reason": one.reason, "confidence": sure}


def _component(prediction: Prediction) -> dict[str, Any]:
    return {
        "symbol": prediction.symbol,
        "action": prediction.action,
        "confidence": prediction.confidence,
        "probabilities": prediction.probabilities,
        "timestamp_next": prediction.predicts_for.start,
    }


def _require_interval(request: Request, interval: str | None) -> None:
    served = market_view(request).bars.timetable.interval
    if interval not in (None, "", served):
        raise IntervalMismatch(
            f"Bars of {served} are served, {interval} were asked for.", given=interval, needed=served
        )
