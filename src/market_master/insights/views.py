"""Market views with predictions: of the store as it stands, and with posted bars in it."""

from __future__ import annotations

from pathlib import Path

from market_master.domain import Bars, DataError
from market_master.insights.market_view import MarketView, Sources
from market_master.market_data.store.recent import BARS_PER_SYMBOL, Recent
from market_master.prediction.complete_history import complete_history
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.predict import predict_bars, predict_posted


def newest_view(model: LoadedModel, home: Path, now: int) -> MarketView:
    """The newest stored bars, with predictions of the symbols that have enough. Raises NoBars."""
    recent = model.store(home).recent()
    symbols = [symbol for symbol, count in recent.counts.items() if count >= model.required_bars]
    window = recent.bars(last=model.required_bars)
    predictions = predict_bars(model, window, symbols, now=now) if symbols else []
    return MarketView(
        bars=recent.bars(),
        closes=recent.closes,
        members=model.card.members,
        predictions=dict(zip(symbols, predictions, strict=True)),
        sources=Sources.read(model.artifact.folder),
        weights=model.settings.composite,
    )


def posted_view(
    model: LoadedModel, view: MarketView, posted: Bars, store: Recent, now: int
) -> tuple[MarketView, dict[str, str]]:
    """The stored market up to the newest posted bar of a symbol, with those bars and a prediction from them in it.

    What is missing before them is taken from the store, if it agrees with them and adjoins; else the posted bars are alone, and
    `history` among the reasons says why.
    """
    (symbol,) = posted.symbols
    reasons = {}
    try:
        bars, _ = complete_history(posted, store, BARS_PER_SYMBOL)
    except DataError as error:
        bars, reasons["history"] = posted, f"{error.title}: {error}"
    try:
        prediction = predict_posted(model, posted, symbol, store, context={}, now=now)
    except DataError as error:
        prediction, reasons["prediction"] = None, f"{error.title}: {error}"
    return view.with_symbol(bars, prediction), reasons
