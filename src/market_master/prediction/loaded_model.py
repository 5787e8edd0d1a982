"""Loaded model: a verified version with its settings, ready to predict."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market_master.artifact.bars_graph import BarsGraph
from market_master.artifact.bundle import PRODUCTION, ModelVersion
from market_master.artifact.model_card import ModelCard
from market_master.config import Settings, build
from market_master.decision import policy
from market_master.decision.calibration import Calibration
from market_master.domain import Array, IntervalMismatch, ModelError, ModelRef, preload_sessions
from market_master.market_data.store import Store


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A registered version, verified, with the settings it predicts under."""

    artifact: ModelVersion
    settings: Settings
    calibration: Calibration

    @property
    def card(self) -> ModelCard:
        """Its model card."""
        return self.artifact.card

    @property
    def bars_graph(self) -> BarsGraph:
        """What it is served by."""
        return self.artifact.bars_graph

    @property
    def needs_market(self) -> bool:
        """Some of its features look at all symbols at the same bar."""
        return self.bars_graph.needs_market

    @property
    def required_bars(self) -> int:
        """Bars of a symbol that a prediction from the newest needs: the warm-up and that one."""
        return self.card.required_bars

    @cached_property
    def confidence_filter(self) -> policy.ConfidenceFilter:
        """Which of its predictions are acted upon. Raises ModelError for a rank where its card knows none."""
        rule, sizes = self.settings.policy, self.card.score_sizes
        if rule.confidence_rank is None:
            return policy.ConfidenceFilter(rule.min_confidence)
        if not sizes:
            raise ModelError(
                f"policy.confidence_rank is {rule.confidence_rank}, and the card of version {self.artifact.version} holds no "
                "percentiles of its out-of-sample answers; leave it empty, or train and promote a new version."
            )
        return policy.ConfidenceFilter(rule.min_confidence, policy.abs_score_at_rank(rule.confidence_rank, sizes))

    def probabilities(self, inputs: NDArray[np.float32]) -> Array:
        """Calibrated class probabilities [n, 5] of model inputs."""
        return self.calibration.apply(self.artifact.graph.probabilities(inputs))

    def actions(self, probabilities: Array) -> policy.PolicyActions:
        """The actions that the policy makes of calibrated probabilities."""
        return policy.apply_policy(
            probabilities, self.settings.policy.rule, self.calibration.cuts, self.confidence_filter
        )

    @cached_property
    def ref(self) -> ModelRef:
        """How predictions name it."""
        return ModelRef(
            self.artifact.name,
            self.artifact.version,
            PRODUCTION,
            self.artifact.run_id,
            self.artifact.outcome == "provisional",
        )

    def store(self, home: Path) -> Store:
        """The bars it was trained on, and goes on with."""
        return Store(home / "data", self.card.source, self.card.timetable["interval"])


def load_model(version: ModelVersion, settings: Settings | None = None) -> LoadedModel:
    """A version ready to predict: its graphs and their stored examples verified, its calendar at hand.

    It is served under the settings it was trained and judged with, unless others are given. Raises FingerprintMismatch,
    ModelError, or IntervalMismatch when given settings speak of other bars.
    """
    verify_model(version)
    preload_sessions(version.calendar)
    trained = version.card.settings
    chosen = settings or build(trained, "model card", {})
    if (chosen.interval, chosen.calendar) != (trained["interval"], trained["calendar"]):
        raise IntervalMismatch(
            f"The champion answers {trained['interval']} bars of {trained['calendar']}, the config '{chosen.name}' speaks of "
            f"{chosen.interval} bars of {chosen.calendar}; use the config it was trained with, '{trained['name']}'."
        )
    model = LoadedModel(version, chosen, Calibration.from_state(version.card.calibration))
    _ = model.confidence_filter
    return model


def verify_model(version: ModelVersion) -> None:
    """Raise FingerprintMismatch or ModelError unless the traced features, the graphs and their answers are the card's."""
    version.card.verify_graphs(version.graph, version.bars_graph)
    version.check_example()
