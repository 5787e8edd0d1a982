"""Tuning of a candidate on the development folds; it has to beat the defaults beyond chance."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from market_master.config import Settings
from market_master.domain import Array
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


def tune(recipe: Recipe, fold_data: FoldData, settings: Settings, key: str, home: Path | None) -> Search:
    """The defaults, unless a trial's mean RPS is lower by more than one standard error of the daily difference.

    `key` names the data and features; the study lies in `home`/data/optuna.db, or in memory.
    """
    space = recipe.plugin.metadata["space"]
    if not space or not settings.tuning.trials:
        return Search(recipe, (), "not tuned")
    defaults_of_recipe = defaults(recipe.plugin)
    key_parts = [key, recipe.name, recipe.seeds, space, defaults_of_recipe, settings.tuning.batch]
    key_parts += [settings.model_dump(mode="json", include=PARTS)]
    digest = hashlib.sha256(json.dumps(key_parts, sort_keys=True, default=str).encode()).hexdigest()

    def evaluate(batch: Sequence[dict[str, Any]], stop: Callable[[int, int, float], bool]) -> list[Array | None]:
        return _evaluate([replace(recipe, parameters=parameters) for parameters in batch], fold_data, stop)

    trials = hyperparameter_search.search(
        f"{recipe.name}-{digest[:16]}",
        space,
        defaults_of_recipe,
        evaluate,
        trials=settings.tuning.trials,
        batch=settings.tuning.batch,
        seconds=settings.tuning.seconds,
        store=home / "data" / "optuna.db" if home else None,
    )
    return choose_trial(recipe, trials, defaults_of_recipe)


def defaults(plugin: Plugin) -> dict[str, Any]:
    """What the parameters that may be tuned are when they are not."""
    known = inspect.signature(plugin.factory).parameters
    return {name: known[name].default for name in plugin.metadata["space"]}


def _evaluate(
    recipes: Sequence[Recipe], fold_data: FoldData, stop: Callable[[int, int, float], bool]
) -> list[Array | None]:
    """Daily RPS of each recipe, fold by fold; None for those told to stop."""
    raw: list[list[Array]] = [[] for _ in recipes]
    alive = list(range(len(recipes)))
    for number in range(len(fold_data.folds)):
        for index, _, probabilities, _ in fit_predict_folds([recipes[k] for k in alive], fold_data, [number]):
            raw[alive[index]].append(probabilities)
        report_progress("tune", number + 1, len(fold_data.folds))
        if number:
            means = {
                k: float(daily_rps(calibrate_out_of_fold(recipes[k], raw[k], fold_data), fold_data.bars).mean())
                for k in alive
            }
            last = number == len(fold_data.folds) - 1
            alive = [k for k in alive if not stop(k, number, means[k]) or last]
    return [
        daily_rps(calibrate_out_of_fold(recipe, raw[k], fold_data), fold_data.bars) if k in alive else None
        for k, recipe in enumerate(recipes)
    ]


def choose_trial(recipe: Recipe, trials: Sequence[Trial], defaults_of_recipe: dict[str, Any]) -> Search:
    """The best trial if it beats the defaults by more than one standard error of the daily gain, else the defaults."""
    scored = [(trial, trial.daily) for trial in trials if trial.daily is not None]
    default, default_daily = next(pair for pair in scored if pair[0].parameters == defaults_of_recipe)
    best, daily = min(scored, key=lambda pair: (float(pair[1].mean()), pair[0].number))
    counts = f"of {len(trials)} trials of {recipe.name} ({len(trials) - len(scored)} pruned)"
    if best is default:
        return Search(recipe, tuple(trials), f"The defaults are the best {counts}.")
    gained = default_daily - daily
    error = newey_west_se(gained)
    verdict = f"trial {best.number} gains {gained.mean():.6f} of RPS a day on the defaults, standard error {error:.6f}"
    if gained.mean() <= error:
        return Search(recipe, tuple(trials), f"The defaults stay: {counts}, {verdict}.")
    return Search(replace(recipe, parameters=best.parameters), tuple(trials), f"Tuned: {counts}, {verdict}.")
