"""Recipe evidence: challenger's and champion's recipes, fitted on the same folds."""

from __future__ import annotations

from typing import Any

import numpy as np

from market_master import config, features
from market_master.artifact.model_card import ModelCard
from market_master.domain import Array, MarketMasterError, without_direction
from market_master.gate.evidence import MAX_ROWS_LOST, PairedComparison
from market_master.gate.head_to_head import paired_comparison
from market_master.plugins import load_family
from market_master.stats import metrics
from market_master.stats.daily import by_day
from market_master.training import Comparison, Experiment, label_bars
from market_master.training.feature_table import FeatureTable
from market_master.training.importance import SCREENER, select_features
from market_master.training.walk_forward import (
    OutOfFold,
    Recipe,
    calibrate_out_of_fold,
    fit_predict_folds,
    prepare_folds,
)


def compare_recipes(
    experiment: Experiment, comparison: Comparison, champion: ModelCard | None
) -> tuple[PairedComparison | None, str, Array]:
    """Recipe evidence, why there is none, and the daily losses that a search had to beat: the champion's, or the prior's."""
    bars = experiment.market.bars
    challenger, prior = comparison.out_of_fold[comparison.winner], comparison.out_of_fold["prior"]
    if champion is None:
        return None, "there is no champion.", by_day(prior.rps, bars.session[prior.rows])
    try:
        refitted = champion_out_of_fold(experiment, comparison, champion)
    except (MarketMasterError, KeyError, TypeError) as error:
        return None, f"its recipe can't be fitted anew here: {error}", np.zeros(0)
    shared, new_rows, old_rows = np.intersect1d(challenger.rows, refitted.rows, return_indices=True)
    action, session = challenger.action[new_rows], bars.session[shared]
    rows_lost = 1 - len(shared) / len(challenger.rows)
    if rows_lost > MAX_ROWS_LOST:
        return None, f"its recipe can't answer {rows_lost:.1%} of the development rows.", np.zeros(0)
    scores, directions = [], []
    for oof, rows in ((challenger, new_rows), (refitted, old_rows)):
        scores.append(metrics.rps(oof.probabilities[rows], action))
        flat = without_direction(oof.probabilities[rows], oof.prior[rows])
        directions.append(metrics.rps(flat, action) - scores[-1])
    prior_rps, overlap = metrics.rps(challenger.prior[new_rows], action), experiment.dataset.overlap
    gain = paired_comparison(scores[1] - scores[0], directions[0] - directions[1], prior_rps, session, overlap)
    return gain, "", by_day(scores[1], session)


def champion_out_of_fold(experiment: Experiment, comparison: Comparison, card: ModelCard) -> OutOfFold:
    """The champion's recipe fitted anew over this run's folds: its features, label, candidate and parameters."""
    settings, market = experiment.settings, experiment.market
    champion_settings = config.build(card.settings, "the champion's card", {})
    sections: dict[str, Any] = {
        name: getattr(champion_settings, name) for name in ("features", "label", "training", "costs")
    }
    recipe = Recipe(load_family("models")[card.candidate], card.tuned, champion_settings.training.seeds)
    alike = (
        all(getattr(settings, name) == part for name, part in sections.items())
        and card.features == experiment.features.names
    )
    search = comparison.searches.get(card.candidate)
    if alike and search and search.recipe.parameters == card.tuned:
        return comparison.out_of_fold[card.candidate]
    settings = settings.model_copy(update=sections)
    values = features.compute(market.bars, card.features, members=market.members)
    table = FeatureTable(card.features, values, {})
    refitted = Experiment(market, table, label_bars(market.bars, settings), settings)
    fold_data = prepare_folds(refitted, comparison.fold_data.cache)
    if settings.features.keep is not None:
        fold_data = select_features(
            fold_data, Recipe(load_family("models")[SCREENER]), table.names, settings.features.keep
        )
    raw = [
        probabilities for *_, probabilities, _ in fit_predict_folds([recipe], fold_data, range(len(fold_data.folds)))
    ]
    return calibrate_out_of_fold(recipe, raw, fold_data)
