"""Tune: search a candidate's parameters on the development folds; a find has to beat the defaults beyond chance."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from market_master.config import Settings
from market_master.domain.arrays import Array
from market_master.plugins import Plugin
from market_master.progress import report_progress
from market_master.stats.daily import newey_west_se
from market_master.training import hyperparameter_search
from market_master.training.hyperparameter_search import Trial
from market_master.training.walk_forward import FoldData, Recipe, calibrate_out_of_fold, daily_rps, fit_predict_folds

PARTS = {"features", "label", "folds", "training"}
"""of the settings that make another study, beside the size of its batches"""


@dataclass(frozen=True, eq=False)
class Search:
    """What was tried for a candidate, and which recipe goes on."""

    recipe: Recipe
    trials: tuple[Trial, ...]
    why: str


def tune(recipe: Recipe, course: FoldData, settings: Settings, key: str, home: Path | None) -> Search:
    """The defaults, unless a trial's mean RPS is lower by more than one standard error of the daily difference.

    `key` names the data and features; the study lies in `home`/data/optuna.db, or in memory.
    """
    space = recipe.plugin.metadata["space"]
    if not space or not settings.tuning.trials:
        return Search(recipe, (), "not tuned")
    usual = defaults(recipe.plugin)
    told = [key, recipe.name, recipe.seeds, space, usual, settings.tuning.batch]
    told += [settings.model_dump(mode="json", include=PARTS)]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()

    def evaluate(asked: Sequence[dict[str, Any]], stop: Callable[[int, int, float], bool]) -> list[Array | None]:
        return _evaluate([replace(recipe, parameters=one) for one in asked], course, stop)

    trials = hyperparameter_search.search(
        f"{recipe.name}-{digest[:16]}",
        space,
        usual,
        evaluate,
        trials=settings.tuning.trials,
        batch=settings.tuning.batch,
        seconds=settings.tuning.seconds,
        store=home / "data" / "optuna.db" if home else None,
    )
    return _chosen(recipe, trials, usual)


def defaults(plugin: Plugin) -> dict[str, Any]:
    """What the parameters that may be tuned are when they are not."""
    known = inspect.signature(plugin.factory).parameters
    return {name: known[name].default for name in plugin.metadata["space"]}


def _evaluate(
    recipes: Sequence[Recipe], course: FoldData, stop: Callable[[int, int, float], bool]
) -> list[Array | None]:
    """Daily RPS of each recipe, fold by fold; None for those told to stop."""
    raw: list[list[Array]] = [[] for _ in recipes]
    alive = list(range(len(recipes)))
    for number in range(len(course.folds)):
        for place, _, probabilities, _ in fit_predict_folds([recipes[k] for k in alive], course, [number]):
            raw[alive[place]].append(probabilities)
        report_progress("tune", number + 1, len(course.folds))
        if number:
            means = {
                k: float(daily_rps(calibrate_out_of_fold(recipes[k], raw[k], course), course.bars).mean())
                for k in alive
            }
            last = number == len(course.folds) - 1
            alive = [k for k in alive if not stop(k, number, means[k]) or last]
    return [
        daily_rps(calibrate_out_of_fold(recipe, raw[k], course), course.bars) if k in alive else None
        for k, recipe in enumerate(recipes)
    ]


def _chosen(recipe: Recipe, trials: Sequence[Trial], usual: dict[str, Any]) -> Search:
    scored = [(trial, trial.daily) for trial in trials if trial.daily is not None]
    first, before = next(pair for pair in scored if pair[0].parameters == usual)
    best, daily = min(scored, key=lambda pair: (float(pair[1].mean()), pair[0].number))
    said = f"of {len(trials)} trials of {recipe.name} ({len(trials) - len(scored)} pruned)"
    if best is first:
        return Search(recipe, tuple(trials), f"The defaults are the best {said}.")
    gained = before - daily
    error = newey_west_se(gained)
    verdict = f"trial {best.number} gains {gained.mean():.6f} of RPS a day on the defaults, standard error {error:.6f}"
    if gained.mean() <= error:
        return Search(recipe, tuple(trials), f"The defaults stay: {said}, {verdict}.")
    return Search(replace(recipe, parameters=best.parameters), tuple(trials), f"Tuned: {said}, {verdict}.")
