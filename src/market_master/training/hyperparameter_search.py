"""Hyperparameter search by Optuna, in fixed batches so that its trials are reproducible."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from market_master.domain import Array
from market_master.stats.bootstrap import SEED

Space = Mapping[str, tuple[int, int] | tuple[float, float]]
Parameters = dict[str, Any]
Evaluate = Callable[[Sequence[Parameters], Callable[[int, int, float], bool]], list[Array | None]]
"""Scores some parameter sets fold by fold: tells (place in the batch, fold, mean so far) after each fold, drops those it
is told to stop, and returns each survivor's daily scores"""


@dataclass(frozen=True, eq=False)
class Trial:
    """One parameter set that was tried."""

    number: int
    parameters: Parameters
    daily: Array | None
    """score of each day, lower is better; None when it was pruned"""

    @property
    def value(self) -> float | None:
        """Mean daily score."""
        return None if self.daily is None else float(self.daily.mean())


def search(
    name: str,
    space: Space,
    defaults: Parameters,
    evaluate: Evaluate,
    *,
    trials: int,
    batch: int,
    seconds: float | None,
    store: Path | None,
) -> list[Trial]:
    """All trials of a study, the defaults first; a study found in `store` (an SQLite file) goes on where it stopped.

    The sampler of a batch is seeded by the number of finished trials, so an interrupted search asks what an
    uninterrupted one would have. A trial whose mean after a fold is above the median of earlier ones is pruned.
    """
    import optuna

    start = time.monotonic()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=name,
        storage=_storage(store),
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
    )
    done = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    for unfinished in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(unfinished.number, state=optuna.trial.TrialState.FAIL)
    while (finished := len(study.get_trials(states=done))) < trials:
        if seconds is not None and finished and time.monotonic() - start > seconds:
            break
        study.sampler = _sampler(finished)
        if not finished:
            study.enqueue_trial(defaults)
        batch_trials = [study.ask(_distributions(space)) for _ in range(min(batch, trials - finished))]

        def stop(index: int, fold: int, mean: float, batch_trials: list[Any] = batch_trials) -> bool:
            batch_trials[index].report(mean, fold)
            return bool(batch_trials[index].should_prune())

        scores = evaluate([{**defaults, **trial.params} for trial in batch_trials], stop)
        for trial, daily in zip(batch_trials, scores, strict=True):
            if daily is None:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                trial.set_user_attr("daily", daily.tolist())
                study.tell(trial, float(daily.mean()))
    return [_trial(trial, defaults) for trial in study.get_trials(states=done)]


def _trial(trial: Any, defaults: Parameters) -> Trial:
    daily = trial.user_attrs.get("daily")
    return Trial(trial.number, {**defaults, **trial.params}, None if daily is None else np.array(daily))


def _sampler(finished: int) -> Any:
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=SEED + finished, n_startup_trials=8, constant_liar=True, multivariate=True
        )


def _distributions(space: Space) -> dict[str, Any]:
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        name: IntDistribution(low, high, log=True)
        if isinstance(low, int) and isinstance(high, int)
        else FloatDistribution(low, high, log=True)
        for name, (low, high) in space.items()
    }


def _storage(store: Path | None) -> Any:
    import optuna

    if store is None:
        return None
    store.parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.RDBStorage(f"sqlite:///{store}")
