"""Permutation importance of features by whole days, and selection of features by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.domain import Array, Ints
from market_master.stats import metrics
from market_master.stats.bootstrap import permute_days
from market_master.stats.daily import by_day, newey_west_se
from market_master.training.folds import sample_timestamps
from market_master.training.walk_forward import SEED, FoldData, Recipe

MAX_TRAIN_ROWS = 20_000
"""rows of each fold that the recipe is fitted on for this: which features matter shows in fewer rows than how much"""
MAX_TEST_ROWS = 3000
"""of each fold's test rows that are asked, by whole timestamps"""
SCREENER = "lightgbm"
"""the candidate that screens features inside the folds"""


@dataclass(frozen=True)
class Importance:
    """RPS lost, as a share of the prior's, when one feature's days are permuted; mean of test days, with its error."""

    feature: str
    loss: float
    error: float


def permutation_importance(
    recipe: Recipe, fold_data: FoldData, names: Sequence[str], numbers: Sequence[int]
) -> tuple[Importance, ...]:
    """The importance of each feature to a recipe on the test rows of some folds, most important first.

    Whole days are permuted, so that a day keeps its shape and its cross-section (Breiman 2001, by blocks of days).
    """
    daily = np.concatenate(_losses(recipe, fold_data, len(names), numbers))
    importances = [
        Importance(name, float(losses.mean()), newey_west_se(losses))
        for name, losses in zip(names, daily.T, strict=True)
    ]
    return tuple(sorted(importances, key=lambda importance: -importance.loss))


def select_features(fold_data: FoldData, recipe: Recipe, names: Sequence[str], keep: int) -> FoldData:
    """The course on which each fold's candidates see the `keep` features most important on the folds before it.

    The first fold, which only teaches calibration, keeps all; the registered model sees those of all folds.
    """
    losses = _losses(recipe, fold_data, len(names), range(len(fold_data.folds)))
    chosen: list[Ints | None] = [None]
    for number in range(1, len(fold_data.folds) + 1):
        order = np.argsort(-np.concatenate(losses[:number]).mean(axis=0), kind="stable")
        chosen.append(np.append(np.sort(order[:keep]), len(names)))
    return fold_data.narrowed(chosen)


def _losses(recipe: Recipe, fold_data: FoldData, features: int, numbers: Sequence[int]) -> list[Array]:
    """For each fold [test days, features]."""
    fold_data = replace(fold_data, max_train_rows=min(fold_data.max_train_rows, MAX_TRAIN_ROWS))
    jobs = []
    for number in numbers:
        fold, bars = fold_data.folds[number], fold_data.bars
        sampled = np.zeros(len(bars), dtype=bool)
        sampled[fold.test] = True
        sampled &= sample_timestamps(sampled, bars.bar_end, MAX_TEST_ROWS)
        test = np.flatnonzero(sampled)
        estimator, rows, action, weight, _, _ = fold_data.job(recipe, number)
        random = np.random.default_rng([SEED, number])
        permuted = permute_days(bars.code[test], bars.slot[test], bars.session[test], random)
        facts = (
            fold.action[test],
            bars.session[test],
            features,
            float(metrics.rps(np.tile(fold.prior, (len(test), 1)), fold.action[test]).mean()),
        )
        jobs.append((estimator, rows, action, weight, test, permuted, *facts))
    return [losses for (losses,) in fold_data.map(_fit_and_permute, jobs)]


def _fit_and_permute(
    inputs: NDArray[np.float32],
    estimator: Any,
    train: Ints,
    action: NDArray[np.int8],
    weight: Array | None,
    test: Ints,
    permuted: Ints,
    outcome: NDArray[np.int8],
    session: Ints,
    features: int,
    reference: float,
) -> tuple[Array]:
    extra = {} if weight is None else {"sample_weight": weight}
    fitted = estimator.fit(inputs[train], action, **extra)
    test_inputs = inputs[test]
    unpermuted = metrics.rps(np.asarray(fitted.predict_proba(test_inputs), dtype=float), outcome)
    lost = []
    for column in range(features):
        permuted_inputs = test_inputs.copy()
        permuted_inputs[:, column] = test_inputs[permuted, column]
        probabilities = np.asarray(fitted.predict_proba(permuted_inputs), dtype=float)
        lost.append(by_day(metrics.rps(probabilities, outcome) - unpermuted, session) / reference)
    return (np.stack(lost, axis=1),)
