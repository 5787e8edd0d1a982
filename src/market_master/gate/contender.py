"""Contender: one side of a comparison, its probabilities and scores on some rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master import features
from market_master.artifact.bars_graph import BarsGraph
from market_master.artifact.bundle import ModelVersion
from market_master.decision import policy
from market_master.decision.calibration import Calibration
from market_master.domain import Array, Bars, Ints, Scorecard, iso, model_inputs, without_direction
from market_master.export.estimator import to_onnx
from market_master.export.version_graph import version_graph
from market_master.labels import Labeler, Labels, labeler_from_state
from market_master.stats import metrics
from market_master.training import Comparison, Dataset, Experiment


@dataclass(frozen=True, eq=False)
class Contender:
    """A frozen model with all that makes its answers."""

    candidate: str
    version: str
    """'' before it is registered"""
    features: tuple[str, ...]
    symbols: tuple[str, ...]
    calibration: Calibration
    rule: str
    """the policy's"""
    labeler: Labeler
    labels_known: str
    """end of the last label it learned from"""
    raw: Callable[[NDArray[np.float32]], Any]
    """inputs to probabilities"""
    bars_graph: BarsGraph
    """what serves it"""

    def values(self, experiment: Experiment) -> Array:
        """The features it looks at, of all bars."""
        if self.features == experiment.features.names:
            return experiment.features.values
        return features.compute(experiment.market.bars, self.features, members=experiment.market.members)

    def probabilities(self, values: Array, rows: Ints, bars: Bars) -> Array:
        """Its calibrated answers on some rows."""
        inputs = model_inputs(values[rows], bars.symbols, bars.code[rows], self.symbols)
        return self.calibration.apply(np.asarray(self.raw(inputs), dtype=float))


@dataclass(frozen=True, eq=False)
class ScoredPredictions:
    """What became of a contender's answers on some rows, by some labels."""

    rps: Array
    direction: Array
    """RPS saved by direction, row by row"""
    prior: Array
    """RPS of the contender's prior, row by row"""
    decided: NDArray[np.int64]
    card: Scorecard


def of_version(model: ModelVersion) -> Contender:
    """A registered version, as it would be served."""
    card = model.card
    return Contender(
        candidate=card.candidate,
        version=model.version,
        features=card.features,
        symbols=card.symbols,
        calibration=Calibration.from_state(card.calibration),
        rule=card.settings["policy"]["rule"],
        labeler=labeler_from_state(card.label),
        labels_known=card.label_known,
        raw=model.graph.probabilities,
        bars_graph=model.bars_graph,
    )


def of_comparison(experiment: Experiment, comparison: Comparison) -> Contender:
    """The winner of a comparison, before it is registered."""
    return Contender(
        candidate=comparison.winner,
        version="",
        features=experiment.features.names,
        symbols=experiment.market.bars.symbols,
        calibration=comparison.calibration,
        rule=experiment.settings.policy.rule,
        labeler=experiment.dataset.labeler,
        labels_known=iso(labels_known(experiment.dataset)),
        raw=comparison.estimator.predict_proba,
        bars_graph=BarsGraph(
            version_graph(
                experiment.features.names,
                experiment.market.bars.timetable.seconds,
                to_onnx(comparison.estimator, comparison.inputs.shape[1]),
                comparison.calibration,
            )
        ),
    )


def labels_known(dataset: Dataset) -> int:
    """When the last label of the development rows was known."""
    return int(dataset.labels.label_end[dataset.zones.dev & dataset.labels.known].max())


def score_model(
    contender: Contender, values: Array, rows: Ints, bars: Bars, labels: Labels, overlap: int = 0
) -> ScoredPredictions:
    """A contender's answers on some rows with a label, and their scorecard."""
    action = labels.action[rows]
    probabilities = contender.probabilities(values, rows, bars)
    prior, scores = np.tile(contender.calibration.prior, (len(rows), 1)), metrics.rps(probabilities, action)
    decided = policy.assign_actions(probabilities, contender.rule, contender.calibration.cuts)
    card = metrics.scorecard(
        contender.candidate,
        "model",
        probabilities=probabilities,
        prior=prior,
        decided=decided,
        action=action,
        z=labels.z[rows],
        session=bars.session[rows],
        fit_seconds=0.0,
        folds=1,
        bar_end=bars.bar_end[rows],
        overlap=overlap,
    )
    direction = metrics.rps(without_direction(probabilities, prior), action) - scores
    return ScoredPredictions(scores, direction, metrics.rps(prior, action), decided, card)
