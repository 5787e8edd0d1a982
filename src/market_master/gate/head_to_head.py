"""Challenger and champion on the hold-out's rows that both can answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.artifact.model_card import ModelCard
from market_master.domain import Array, Ints
from market_master.gate.contender import Contender, ScoredPredictions, score_model
from market_master.gate.evidence import PairedComparison
from market_master.stats.daily import by_day
from market_master.training import Experiment


@dataclass(frozen=True, eq=False)
class Champion:
    """The version in production; one that can't be met has no contender, but the reason."""

    version: str | None = None
    card: ModelCard | None = None
    contender: Contender | None = None
    reason: str = "there is none."


@dataclass(frozen=True, eq=False)
class HeadToHead:
    """Both models' scores on the same rows."""

    rows: Ints
    challenger: ScoredPredictions
    champion: ScoredPredictions
    by_challenger_labels: PairedComparison
    by_champion_labels: PairedComparison
    rows_lost: float
    """share of the hold-out's rows that the champion can't answer"""


def compare_on_holdout(experiment: Experiment, challenger: Contender, values: Array, champion: Contender) -> HeadToHead:
    """Score both frozen models, by the challenger's labels and by the champion's; `values` are the challenger's features."""
    bars, overlap, rows = experiment.market.bars, experiment.dataset.overlap, experiment.holdout_rows
    champion_values = champion.values(experiment)
    answerable = np.isfinite(champion_values[rows]).all(axis=1)
    scores, comparisons = [], []
    for labels in (experiment.dataset.labels, champion.labeler.transform(bars)):
        shared = rows[answerable][labels.known[rows[answerable]]]
        new = score_model(challenger, values, shared, bars, labels, overlap)
        old = score_model(champion, champion_values, shared, bars, labels, overlap)
        scores.append((shared, new, old))
        comparisons.append(
            paired_comparison(
                old.rps - new.rps, new.direction - old.direction, new.prior, bars.session[shared], overlap
            )
        )
    by_challenger_labels, by_champion_labels = comparisons
    return HeadToHead(*scores[0], by_challenger_labels, by_champion_labels, 1 - float(answerable.mean()))


def paired_comparison(
    rps_gain: Array, direction_gain: Array, prior_rps: Array, session: Ints, overlap: int
) -> PairedComparison:
    """Daily gains from gains by row, as shares of the prior's mean RPS."""
    reference = float(prior_rps.mean())
    return PairedComparison.of(
        by_day(rps_gain, session) / reference, by_day(direction_gain, session) / reference, overlap
    )
