"""Serve: a champion with its newest stored bars in memory; what was answered is answered again until something changes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from market_master import features
from market_master.artifact import bundle
from market_master.artifact.bundle import VersionFiles
from market_master.config import Settings
from market_master.domain.clock import instant, iso
from market_master.domain.errors import MarketMasterError, UnknownSymbol
from market_master.domain.records import IndexSignal, Prediction, PredictionObserver, Provenance
from market_master.index.attribution import explained_signal
from market_master.index.inputs import IndexInputs, input_hashes, read_inputs
from market_master.index.signal import index_signal
from market_master.market_data.store import Recent, Store
from market_master.prediction.loaded_model import LoadedModel, load_model
from market_master.prediction.predict import predict_bars, predict_stored
from market_master.prediction.recorder import Recorder
from market_master.prediction.window import require_fresh

T = TypeVar("T")
SignalWithETag = tuple[IndexSignal, bytes, str]
"""a signal, its JSON, and a tag that changes when it does"""


@dataclass(frozen=True, eq=False)
class PredictionSnapshot:
    """What was made of one state of the store: values, or the refusal each came to."""

    recent: Recent
    weights_written: int | None
    predictions: dict[str, Prediction | MarketMasterError]
    signal: SignalWithETag | MarketMasterError


class LiveModel:
    """A verified champion, ready to answer about stored bars; threads may share it."""

    def __init__(
        self, champion: LoadedModel, store: Store, place: VersionFiles, recorder: Recorder | None = None
    ) -> None:
        self.champion, self.store, self.place, self.recorder = champion, store, place, recorder
        self.key = (place.version, place.outcome)
        self._answered: PredictionSnapshot | None = None
        self._explained: tuple[PredictionSnapshot, SignalWithETag] | None = None
        self._lock = threading.Lock()

    def recent(self) -> Recent:
        """The newest stored bars; read again only when the store was written to."""
        return self.store.recent(self._answered.recent if self._answered else None)

    def market(self) -> Recent | None:
        """The newest stored bars for a champion that looks at all symbols; None when it does not, or there are none."""
        found = _try(self.recent) if self.champion.needs_market else None
        return None if isinstance(found, MarketMasterError) else found

    def prediction(self, symbol: str, now: int) -> Prediction:
        """From the newest stored bar of a symbol. Raises UnknownSymbol, TooFewBars, StaleData."""
        answered = self.answers(now)
        found = answered.predictions.get(symbol)
        if found is None:
            found = _try(lambda: self._asked(answered.recent, symbol, now))
            if not isinstance(found, UnknownSymbol):
                answered.predictions[symbol] = found
        if isinstance(found, MarketMasterError):
            raise found
        bar_end = int(answered.recent.series[symbol]["bar_end"][-1])
        require_fresh(self.champion, bar_end, now, symbol)
        return replace(found, provenance=Provenance(found.provenance.provider, now - bar_end))

    def signal(self, now: int) -> SignalWithETag:
        """The index's signal at the newest stored bar. Raises LowCoverage, StaleData, NoBars."""
        return self._fresh(self.answers(now), now)

    def explained(self, now: int) -> SignalWithETag:
        """The same signal with what moved it; made when it is first asked for. Raises what `signal` raises."""
        answered = self.answers(now)
        signal = self._fresh(answered, now)[0]
        with self._lock:
            if self._explained is None or self._explained[0] is not answered:
                inputs = read_inputs(self.champion, answered.recent, now=now)
                explanation = explained_signal(self.champion, answered.recent, inputs).explanation
                self._explained = (answered, _tagged(replace(signal, explanation=explanation)))
            return self._explained[1]

    def answers(self, now: int) -> PredictionSnapshot:
        """What is known of the present state of the store; made once for each state, in one call for all constituents."""
        recent, written = self.recent(), _written(self.champion.settings.universe.weights)
        known = self._answered
        if known and known.recent is recent and known.weights_written == written:
            return known
        with self._lock:
            known = self._answered
            if known and known.recent.stamp == recent.stamp and known.weights_written == written:
                return known
            predictions = self._all(recent, now)
            inputs = _try(lambda: self._inputs(recent, now, predictions))
            signal = inputs if isinstance(inputs, MarketMasterError) else self._signal(inputs)
            self._answered = PredictionSnapshot(recent, written, {**predictions}, signal)
            return self._answered

    def warm(self, now: int) -> None:
        """Have everything compiled, loaded and answered once, so that the first request is as fast as the next."""
        self.champion.model.check_answers()
        _try(lambda: self.answers(now))

    def features(self, symbol: str, lookback: int) -> list[dict[str, object]]:
        """The features of a symbol's newest bars as the champion sees them; None where a value can't be had."""
        card, recent = self.champion.card, self.recent()
        wanted = (symbol, *(m for m in card.members if self.champion.needs_market and m != symbol))
        if symbol not in recent.series:
            recent.bars((symbol,))
        bars = recent.bars(tuple(s for s in wanted if s in recent.series))
        values, rows = features.compute(bars, card.features, members=card.members), bars.rows(symbol)
        return [
            {
                "bar_end": iso(bars.bar_end[row]),
                "values": {
                    name: float(value) if np.isfinite(value) else None
                    for name, value in zip(card.features, values[row], strict=True)
                },
            }
            for row in range(max(rows.start, rows.stop - lookback), rows.stop)
        ]

    def _fresh(self, answered: PredictionSnapshot, now: int) -> SignalWithETag:
        if isinstance(answered.signal, MarketMasterError):
            raise answered.signal
        newest = instant(answered.signal[0].as_of)
        require_fresh(self.champion, newest, now, self.champion.settings.universe.index)
        return answered.signal

    def _all(self, recent: Recent, now: int) -> dict[str, Prediction]:
        """Every symbol with enough bars, in one call; none when one of them can't be answered."""
        needed = self.champion.card.warmup + 1
        able = [s for s in recent.symbols() if len(recent.series[s]["bar_end"]) >= needed]
        if not able:
            return {}
        window = recent.bars(last=needed)
        found = _try(lambda: predict_bars(self.champion, window, able, now=now, seen=self._witness()))
        return {} if isinstance(found, MarketMasterError) else dict(zip(able, found, strict=True))

    def _asked(self, recent: Recent, symbol: str, now: int) -> Prediction:
        return predict_stored(self.champion, recent, [symbol], now=now, seen=self._witness())[0]

    def _inputs(self, recent: Recent, now: int, known: dict[str, Prediction]) -> IndexInputs:
        return read_inputs(self.champion, recent, now=now, known_predictions=known, on_predictions=self._witness())

    def _signal(self, inputs: IndexInputs) -> SignalWithETag | MarketMasterError:
        """The index's signal, recorded, or its refusal."""
        signal = _try(lambda: index_signal(self.champion, inputs))
        if isinstance(signal, MarketMasterError):
            return signal
        if self.recorder:
            self.recorder.signal(signal, partial(input_hashes, self.champion, inputs))
        return _tagged(signal)

    def _witness(self) -> PredictionObserver | None:
        return self.recorder.witness() if self.recorder else None


def load_live_model(
    place: VersionFiles, home: Path, settings: Settings | None, now: int, recorder: Recorder | None = None
) -> LiveModel:
    """A version, read, verified and warmed aside. Raises what `champion_of` raises; nothing is served by it yet.

    What it says of stored bars goes to the `recorder`.
    """
    champion = load_model(bundle.read(place), settings)
    served = LiveModel(champion, champion.store(home), place, recorder)
    served.warm(now)
    return served


def _tagged(signal: IndexSignal) -> SignalWithETag:
    content = msgspec.json.encode(signal)
    return signal, content, '"' + hashlib.sha256(content).hexdigest()[:24] + '"'


def _try(make: Callable[[], T]) -> T | MarketMasterError:
    try:
        return make()
    except MarketMasterError as error:
        return error


def _written(file: Path | None) -> int | None:
    try:
        return file.stat().st_mtime_ns if file else None
    except OSError:
        return 0
