"""Recorder: predictions and signals as rows for the prediction log."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from market_master.domain import IndexSignal, Prediction, PredictionObserver, as_json, instant


class Recorder:
    """Hands predictions on; the rows are made by whoever writes them, so that no answer waits for it."""

    def __init__(self, put: Callable[[str, Callable[[], dict[str, Any]]], None], source: str) -> None:
        """`put` takes the kind of a row and what makes it; `source` says who asked: stored, posted, scheduled."""
        self._put, self.source = put, source

    def observer(self) -> PredictionObserver:
        """For one call of a predict function: its predictions are recorded, with the time since now as latency."""
        begun = time.perf_counter()

        def record(predictions: list[Prediction], inputs: np.ndarray) -> None:
            facts: dict[str, Any] = {
                "source": self.source,
                "made_at": time.time(),
                "latency_ms": 1000 * (time.perf_counter() - begun),
            }
            for prediction, row in zip(predictions, inputs, strict=True):
                self._put("prediction", partial(prediction_row, prediction, row, **facts))

        return record

    def signal(self, signal: IndexSignal, hashes: Callable[[], dict[str, str]]) -> None:
        """Record an index signal and the hashes of what it was made of."""
        self._put("signal", partial(signal_row, signal, hashes, source=self.source, made_at=time.time()))


def prediction_row(
    prediction: Prediction, inputs: np.ndarray, *, source: str, made_at: float, latency_ms: float
) -> dict[str, Any]:
    """A prediction and the hash of the model inputs behind it (float32, little-endian) as a row."""
    return {
        "model": prediction.model.name,
        "version": prediction.model.version,
        "symbol": prediction.symbol,
        "bar_end": instant(prediction.as_of),
        "label_end": instant(prediction.predicts_for.end),
        "source": source,
        "features_hash": hashlib.sha256(np.ascontiguousarray(inputs, "<f4").tobytes()).hexdigest(),
        **prediction.probabilities,
        "action": prediction.action,
        "acted": prediction.policy.acted,
        "expected_score": prediction.expected_score,
        "confidence": prediction.confidence,
        "latency_ms": latency_ms,
        "made_at": made_at,
    }


def signal_row(
    signal: IndexSignal, hashes: Callable[[], dict[str, str]], *, source: str, made_at: float
) -> dict[str, Any]:
    """An index signal as a row; `record` holds all of it."""
    return {
        "model": signal.model.name,
        "version": signal.model.version,
        "index_name": signal.index,
        "bar_end": instant(signal.as_of),
        "source": source,
        "signal": signal.signal,
        "wss": signal.wss,
        "made_at": made_at,
        "record": json.dumps(as_json(signal)),
        "hashes": json.dumps(hashes()),
    }
