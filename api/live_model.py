"""Live model: a loaded model with its newest stored bars and predictions in memory.

What was predicted is given again until the store changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from api.live_market import LiveMarket
from api.responses import etag_of
from market_master.artifact import bundle
from market_master.artifact.bundle import VersionFiles
from market_master.config import Settings
from market_master.domain import (
    IndexSignal,
    MarketMasterError,
    Prediction,
    PredictionObserver,
    UnknownSymbol,
    instant,
    iso,
)
from market_master.index.attribution import explained_signal
from market_master.index.inputs import IndexInputs, input_hashes, read_inputs
from market_master.index.signal import index_signal
from market_master.insights import MarketView, Sources
from market_master.market_data.store import Recent, Store
from market_master.prediction.loaded_model import LoadedModel, load_model
from market_master.prediction.newest import run_features
from market_master.prediction.predict import predict_bars, predict_stored
from market_master.prediction.recorder import Recorder
from market_master.prediction.window import require_fresh

T = TypeVar("T")
SignalWithETag = tuple[IndexSignal, bytes, str]
"""a signal, its JSON, and a tag that changes when it does"""


@dataclass(frozen=True, eq=False)
class PredictionSnapshot:
    """What was predicted from one state of the store: values, or the refusal each came to."""

    recent: Recent
    weights_written: int | None
    predictions: dict[str, Prediction | MarketMasterError]
    signal: SignalWithETag | MarketMasterError


class LiveModel:
    """A verified model, ready to predict from stored bars; threads may share it."""

    def __init__(self, model: LoadedModel, store: Store, files: VersionFiles, recorder: Recorder | None = None) -> None:
        self.model, self.files, self.recorder = model, files, recorder
        self.key = (files.version, files.outcome)
        self.market = LiveMarket(store, model.settings, model.card.members, Sources.read(Path(files.folder)))
        self._snapshot: PredictionSnapshot | None = None
        self._explained: tuple[PredictionSnapshot, SignalWithETag] | None = None
        self._lock = threading.Lock()

    def recent(self) -> Recent:
        """The newest stored bars; read again only when the store was written to."""
        return self.market.recent()

    def bars_beside(self, posted: int) -> Recent | None:
        """The newest stored bars for a request with so many: None where it needs none, or there are none.

        It needs them where its own are too few, or where the model looks at all symbols or at companies' figures.
        """
        graph = self.model.bars_graph
        if posted >= graph.required_bars and not (graph.needs_market or graph.needs_fundamentals):
            return None
        recent = _try(self.recent)
        return None if isinstance(recent, MarketMasterError) else recent

    def prediction(self, symbol: str, now: int) -> Prediction:
        """From the newest stored bar of a symbol. Raises UnknownSymbol, TooFewBars, StaleData."""
        snapshot = self.snapshot(now)
        prediction = snapshot.predictions.get(symbol)
        if prediction is None:
            prediction = _try(lambda: self._predict_symbol(snapshot.recent, symbol, now))
            if not isinstance(prediction, UnknownSymbol):
                snapshot.predictions[symbol] = prediction
        if isinstance(prediction, MarketMasterError):
            raise prediction
        bar_end = snapshot.recent.newest(symbol)
        require_fresh(self.model, bar_end, now, symbol)
        return replace(prediction, provenance=replace(prediction.provenance, staleness_seconds=now - bar_end))

    def signal(self, now: int) -> SignalWithETag:
        """The index's signal at the newest stored bar. Raises LowCoverage, StaleData, NoBars."""
        return self._fresh_signal(self.snapshot(now), now)

    def explained(self, now: int) -> SignalWithETag:
        """The same signal with what moved it; made when it is first asked for. Raises what `signal` raises."""
        snapshot = self.snapshot(now)
        signal = self._fresh_signal(snapshot, now)[0]
        with self._lock:
            if self._explained is None or self._explained[0] is not snapshot:
                inputs = read_inputs(self.model, snapshot.recent, now=now)
                explanation = explained_signal(self.model, snapshot.recent, inputs).explanation
                self._explained = (snapshot, _with_etag(replace(signal, explanation=explanation)))
            return self._explained[1]

    def snapshot(self, now: int) -> PredictionSnapshot:
        """Predictions and signal for the present state of the store; made once for each state, for all constituents."""
        recent, written = self.recent(), _modified_ns(self.model.settings.universe.weights)
        known = self._snapshot
        if known and known.recent is recent and known.weights_written == written:
            return known
        with self._lock:
            known = self._snapshot
            if known and known.recent.stamp == recent.stamp and known.weights_written == written:
                return known
            predictions = self._predict_all(recent, now)
            inputs = _try(lambda: self._read_inputs(recent, now, predictions))
            signal = inputs if isinstance(inputs, MarketMasterError) else self._index_signal(inputs)
            self._snapshot = PredictionSnapshot(recent, written, {**predictions}, signal)
            return self._snapshot

    def view(self, now: int) -> MarketView:
        """What insights are made of, with the predictions of the present state of the store."""
        snapshot = self.snapshot(now)
        known = {
            symbol: prediction
            for symbol, prediction in snapshot.predictions.items()
            if isinstance(prediction, Prediction)
        }
        return self.market.view(snapshot.recent, known)

    def warm(self, now: int) -> None:
        """Have everything compiled, loaded and predicted once, so that the first request is as fast as the next."""
        self.model.artifact.check_example()
        _try(lambda: self.snapshot(now))

    def features(self, symbol: str, lookback: int) -> list[dict[str, object]]:
        """The features of a symbol's newest bars as the model sees them; None where a value can't be had."""
        card, recent = self.model.card, self.recent()
        symbols = (symbol, *(m for m in card.members if self.model.needs_market and m != symbol))
        if symbol not in recent.counts:
            recent.bars((symbol,))
        bars = recent.bars(tuple(s for s in symbols if s in recent.counts))
        rows = np.arange(bars.rows(symbol).start, bars.rows(symbol).stop)[-lookback:]
        return [
            {
                "bar_end": iso(bars.bar_end[row]),
                "values": {
                    name: float(value) if np.isfinite(value) else None
                    for name, value in zip(card.features, values, strict=True)
                },
            }
            for row, values in zip(rows, run_features(self.model, bars, rows), strict=True)
        ]

    def _fresh_signal(self, snapshot: PredictionSnapshot, now: int) -> SignalWithETag:
        if isinstance(snapshot.signal, MarketMasterError):
            raise snapshot.signal
        newest = instant(snapshot.signal[0].as_of)
        require_fresh(self.model, newest, now, self.model.settings.universe.index)
        return snapshot.signal

    def _predict_all(self, recent: Recent, now: int) -> dict[str, Prediction]:
        """Every symbol with enough bars, in one call; none when one of them can't be predicted."""
        required = self.model.required_bars
        symbols = [symbol for symbol, count in recent.counts.items() if count >= required]
        if not symbols:
            return {}
        window = recent.bars(last=required)
        predictions = _try(lambda: predict_bars(self.model, window, symbols, now=now, on_predictions=self._observer()))
        return {} if isinstance(predictions, MarketMasterError) else dict(zip(symbols, predictions, strict=True))

    def _predict_symbol(self, recent: Recent, symbol: str, now: int) -> Prediction:
        return predict_stored(self.model, recent, [symbol], now=now, on_predictions=self._observer())[0]

    def _read_inputs(self, recent: Recent, now: int, predictions: dict[str, Prediction]) -> IndexInputs:
        return read_inputs(self.model, recent, now=now, known_predictions=predictions, on_predictions=self._observer())

    def _index_signal(self, inputs: IndexInputs) -> SignalWithETag | MarketMasterError:
        """The index's signal, recorded, or its refusal."""
        signal = _try(lambda: index_signal(self.model, inputs))
        if isinstance(signal, MarketMasterError):
            return signal
        if self.recorder:
            self.recorder.signal(signal, partial(input_hashes, self.model, inputs))
        return _with_etag(signal)

    def _observer(self) -> PredictionObserver | None:
        return self.recorder.observer() if self.recorder else None


def load_live_model(
    files: VersionFiles, home: Path, config: Settings | None, now: int, recorder: Recorder | None = None
) -> LiveModel:
    """A version, read, verified and warmed aside. Raises what `load_model` raises; nothing is served by it yet.

    What it predicts from stored bars goes to the `recorder`.
    """
    model = load_model(bundle.read_version(files), config)
    live = LiveModel(model, model.store(home), files, recorder)
    live.warm(now)
    return live


def _with_etag(signal: IndexSignal) -> SignalWithETag:
    content = msgspec.json.encode(signal)
    return signal, content, etag_of(content)


def _try(make: Callable[[], T]) -> T | MarketMasterError:
    try:
        return make()
    except MarketMasterError as error:
        return error


def _modified_ns(file: Path | None) -> int | None:
    try:
        return file.stat().st_mtime_ns if file else None
    except OSError:
        return 0
