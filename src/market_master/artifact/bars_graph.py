"""Bars graph: from raw bars to calibrated probabilities, the form of a served model.

NumPy and onnxruntime only: this is the request path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.artifact.onnx_graph import open_session
from market_master.domain import FIGURES, OHLCV, Array, Ints, ModelError

BAR_COLUMNS = (*OHLCV, "slot", "next_slot", "session", *FIGURES)
"""float64 [symbols, required_bars], oldest first; of each bar, of where the calendar has it, or of
its company as known at its end, 0 where nothing was"""
HISTORY = "history"
"""int64 [symbols, 1]: bars of the symbol there are, the older ones are filled up"""
BARS_AGO = "bars_ago"
"""int64 [symbols, required_bars]: how many of the market's bars are newer; -1 where the market has no such bar"""
MEMBER = "member"
"""bool [symbols, 1]: makes the market"""
SYMBOL = "symbol"
"""int64 [symbols, 1]: place in the card's symbols, -1 for one it was not trained on"""
FACTS = "market_master"
"""key of the graph's metadata"""
FEATURES, MODEL_INPUTS, PROBABILITIES, EXPECTED_SCORE = "features", "model_inputs", "probabilities", "expected_score"
RawColumns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class FeatureFacts:
    """What a graph says of one of its features."""

    name: str
    set: str
    unit: str
    warmup: int
    """earlier bars it needs"""
    summary: str
    group: str
    """it is explained with"""
    fingerprint: str
    """of the code it was traced from"""


class BarsGraph:
    """A loaded graph that turns the newest bars of some symbols into predictions; threads may share it."""

    def __init__(self, content: bytes) -> None:
        """Load a serialised graph on one thread. Raises ModelError when it is none, or does not say what it was made of."""
        self._session = open_session(content)
        facts = self._session.get_modelmeta().custom_metadata_map.get(FACTS)
        if facts is None:
            raise ModelError(f"The {len(content)} bytes given are a graph, but not one from raw bars; train anew.")
        self.sha256 = hashlib.sha256(content).hexdigest()
        try:
            known = json.loads(facts)
            self.features: tuple[FeatureFacts, ...] = tuple(FeatureFacts(**feature) for feature in known["features"])
            """in the order of the columns"""
            self.required_bars = int(known["required_bars"])
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"What the graph says of its features can't be read: {error!r}; the version was altered."
            ) from error
        self.inputs: tuple[str, ...] = tuple(given.name for given in self._session.get_inputs())
        self.needs_market = BARS_AGO in self.inputs
        self.needs_fundamentals = not set(FIGURES).isdisjoint(self.inputs)

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """Hash of the code that each feature was traced from, by its name."""
        return {feature.name: feature.fingerprint for feature in self.features}

    @cached_property
    def warmups(self) -> Ints:
        """Earlier bars that each feature needs."""
        return np.array([feature.warmup for feature in self.features])

    @cached_property
    def groups(self) -> dict[str, Ints]:
        """The columns of the features of each group that an explanation speaks of."""
        of = [feature.group for feature in self.features]
        return {group: np.flatnonzero([name == group for name in of]) for group in dict.fromkeys(of)}

    def feature_values(self, columns: RawColumns) -> Array:
        """The features of each symbol's newest bar, float64 [symbols, features]."""
        values: Array = self._session.run([FEATURES], self._feed(columns))[0]
        return values

    def predict(self, columns: RawColumns) -> tuple[NDArray[np.float32], Array]:
        """The model inputs of each symbol's newest bar [symbols, features + 1], and its calibrated probabilities [symbols, 5]."""
        inputs, probabilities = self._session.run([MODEL_INPUTS, PROBABILITIES], self._feed(columns))
        return inputs, probabilities

    def _feed(self, columns: RawColumns) -> dict[str, NDArray[Any]]:
        return {name: columns[name] for name in self.inputs}
