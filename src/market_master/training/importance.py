"""Which features matter: how much worse the answers get when a feature's days are dealt out anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.domain.arrays import Array, Ints
from market_master.stats import metrics
from market_master.stats.daily import by_day, days_permuted, newey_west_se
from market_master.training.folds import sample_timestamps
from market_master.training.walk_forward import SEED, FoldData, Recipe

FITTED_ON = 20_000
"""rows of each fold that the recipe is fitted on for this: which features matter shows in fewer rows than how much"""
ROWS = 3000
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
    recipe: Recipe, course: FoldData, names: Sequence[str], numbers: Sequence[int]
) -> tuple[Importance, ...]:
    """The importance of each feature to a recipe on the test rows of some folds, most important first.

    Whole days are permuted, so that a day keeps its shape and its cross-section (Breiman 2001, by blocks of days).
    """
    daily = np.concatenate(_losses(recipe, course, len(names), numbers))
    found = [Importance(name, float(own.mean()), newey_west_se(own)) for name, own in zip(names, daily.T, strict=True)]
    return tuple(sorted(found, key=lambda one: -one.loss))


def select_features(course: FoldData, recipe: Recipe, names: Sequence[str], keep: int) -> FoldData:
    """The course on which each fold's candidates see the `keep` features most important on the folds before it.

    The first fold, which only teaches calibration, keeps all; the registered model sees those of all folds.
    """
    losses = _losses(recipe, course, len(names), range(len(course.folds)))
    chosen: list[Ints | None] = [None]
    for number in range(1, len(course.folds) + 1):
        order = np.argsort(-np.concatenate(losses[:number]).mean(axis=0), kind="stable")
        chosen.append(np.append(np.sort(order[:keep]), len(names)))
    return course.narrowed(chosen)


def _losses(recipe: Recipe, course: FoldData, features: int, numbers: Sequence[int]) -> list[Array]:
    """For each fold [test days, features]."""
    course = replace(course, max_train_rows=min(course.max_train_rows, FITTED_ON))
    jobs = []
    for number in numbers:
        fold, bars = course.folds[number], course.bars
        asked = np.zeros(len(bars), dtype=bool)
        asked[fold.test] = True
        asked &= sample_timestamps(asked, bars.bar_end, ROWS)
        test = np.flatnonzero(asked)
        estimator, rows, action, weight, _, _ = course.job(recipe, number)
        random = np.random.default_rng([SEED, number])
        other = days_permuted(bars.code[test], bars.slot[test], bars.session[test], random)
        facts = (
            fold.action[test],
            bars.session[test],
            features,
            float(metrics.rps(np.tile(fold.prior, (len(test), 1)), fold.action[test]).mean()),
        )
        jobs.append((estimator, rows, action, weight, test, other, *facts))
    return [losses for (losses,) in course.map(_fit_and_permute, jobs)]


def _fit_and_permute(
    inputs: NDArray[np.float32],
    estimator: Any,
    train: Ints,
    action: NDArray[np.int8],
    weight: Array | None,
    test: Ints,
    other: Ints,
    came: NDArray[np.int8],
    session: Ints,
    features: int,
    reference: float,
) -> tuple[Array]:
    extra = {} if weight is None else {"sample_weight": weight}
    fitted = estimator.fit(inputs[train], action, **extra)
    asked = inputs[test]
    usual = metrics.rps(np.asarray(fitted.predict_proba(asked), dtype=float), came)
    lost = []
    for column in range(features):
        changed = asked.copy()
        changed[:, column] = asked[other, column]
        answered = np.asarray(fitted.predict_proba(changed), dtype=float)
        lost.append(by_day(metrics.rps(answered, came) - usual, session) / reference)
    return (np.stack(lost, axis=1),)
