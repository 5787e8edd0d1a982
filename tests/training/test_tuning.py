"""Tuning: what is asked does not depend on where it is computed, an interrupted search goes on, chance is not a find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market_master.domain import clock
from market_master.domain.arrays import Array
from market_master.market_data import ingest
from market_master.plugins import load_family
from market_master.training import hyperparameter_search, walk_forward
from market_master.training import tuning as tune
from market_master.training.compare import compare
from market_master.training.experiment import build_experiment
from market_master.training.hyperparameter_search import Trial
from market_master.training.walk_forward import Recipe
from tests.support.nightly import nightly_after
from tests.support.trained_home import settings_of

SPACE = {"width": (1, 100), "pace": (0.01, 1.0)}
DEFAULTS = {"width": 10, "pace": 0.1}
DAYS = 40


def _bowl(asked: Sequence[dict[str, Any]], stop: Callable[[int, int, float], bool]) -> list[Array | None]:
    """Scores least at width 30 and pace .03; told by fold, so that the bad may be dropped."""
    found: list[Array | None] = []
    for place, one in enumerate(asked):
        height = (np.log(one["width"] / 30)) ** 2 + (np.log(one["pace"] / 0.03)) ** 2
        dropped = any(stop(place, fold, height) for fold in (1, 2, 3))
        found.append(None if dropped else np.full(DAYS, height))
    return found


def _search(trials: int, where: Path | None = None, **changes: Any) -> list[Trial]:
    facts = {"batch": 4, "seconds": None, "store": where, **changes}
    return hyperparameter_search.search("bowl", SPACE, DEFAULTS, _bowl, trials=trials, **facts)


def _asked(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    return [trial.parameters for trial in trials]


def test_the_defaults_are_the_first_trial() -> None:
    """What a candidate ships with is always among what was tried."""
    assert _asked(_search(1)) == [DEFAULTS]


def test_a_limit_in_trials_is_reproducible() -> None:
    """Two searches ask the same, and every trial lies in the space, whole numbers whole."""
    one, other = _search(16), _search(16)
    assert _asked(one) == _asked(other)
    assert len(one) == 16
    for parameters in _asked(one):
        assert isinstance(parameters["width"], int)
        assert all(low <= parameters[name] <= high for name, (low, high) in SPACE.items())


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    """Twelve trials at once, and eight and then four from the file, ask the same; a finished search asks nothing."""
    assert _asked(_search(8, tmp_path / "optuna.db")) == _asked(_search(12))[:8]
    resumed = _search(12, tmp_path / "optuna.db")
    assert _asked(resumed) == _asked(_search(12))

    def refuse(*_: Any) -> list[Array | None]:
        raise AssertionError("nothing is left to try")

    again = hyperparameter_search.search(
        "bowl", SPACE, DEFAULTS, refuse, trials=12, batch=4, seconds=None, store=tmp_path / "optuna.db"
    )
    assert [trial.value for trial in again] == [trial.value for trial in resumed]


def test_a_batch_cut_off_by_a_crash_is_asked_anew(tmp_path: Path) -> None:
    """Trials that were under way when the process died count as failed, and the search ends with as many as asked."""

    def crash(asked: Sequence[dict[str, Any]], _: Any) -> list[Array | None]:
        if asked[0] != DEFAULTS:
            raise KeyboardInterrupt
        return [np.full(DAYS, 9.0)] * len(asked)

    with pytest.raises(KeyboardInterrupt):
        hyperparameter_search.search(
            "bowl", SPACE, DEFAULTS, crash, trials=8, batch=4, seconds=None, store=tmp_path / "optuna.db"
        )
    assert len(_search(8, tmp_path / "optuna.db")) == 8


def test_bad_trials_are_dropped_by_fold_and_counted() -> None:
    """Pruned trials have no score, and are still among what was tried."""
    trials = _search(40)
    pruned = [trial for trial in trials if trial.value is None]
    assert len(trials) == 40
    assert 5 <= len(pruned) < 30


def test_the_search_finds_what_is_there() -> None:
    """After 40 trials the best is far better than the defaults."""
    trials = _search(40)
    assert min(trial.value for trial in trials if trial.value is not None) < 0.2 * float(trials[0].value or 0)


def test_time_ends_a_search_after_a_batch() -> None:
    """With no time at all the first batch, the defaults in it, is still done."""
    assert len(_search(40, seconds=1e-9)) == 4


def _trial(number: int, daily: Array | None, pace: float) -> Trial:
    return Trial(number, {"pace": pace}, daily)


def test_a_find_within_one_standard_error_is_chance() -> None:
    """The defaults stay unless a trial beats them by more than one standard error of the daily difference."""
    recipe, noise = Recipe(load_family("models")["logistic"]), np.random.default_rng(1).standard_normal(100)
    usual = np.full(100, 0.5)
    lucky = usual + 0.01 * (noise - noise.mean()) - 0.0002
    better = usual + 0.01 * (noise - noise.mean()) - 0.01
    kept = tune.choose_trial(recipe, [_trial(0, usual, 0.1), _trial(1, lucky, 0.2)], {"pace": 0.1})
    assert kept.recipe == recipe
    assert "The defaults stay: of 2 trials of logistic (0 pruned), trial 1 gains 0.000200" in kept.why
    found = tune.choose_trial(
        recipe, [_trial(0, usual, 0.1), _trial(1, None, 0.3), _trial(2, better, 0.2)], {"pace": 0.1}
    )
    assert found.recipe.parameters == {"pace": 0.2}
    assert "Tuned: of 3 trials of logistic (1 pruned), trial 2 gains 0.010000" in found.why


def test_every_space_holds_its_defaults() -> None:
    """What a candidate says may be tuned are parameters it has, with defaults inside the bounds and of their type."""
    for plugin in load_family("models").values():
        for name, (low, high) in plugin.metadata["space"].items():
            default = tune.defaults(plugin)[name]
            assert 0 < low <= default <= high, (plugin.name, name)
            assert type(default) is type(low) is type(high), (plugin.name, name)


@pytest.mark.long
def test_a_tuned_run_is_the_same_on_one_worker_and_on_two(home: Path) -> None:
    """The same trials, the same recipe, the same leaderboard; each trial is counted."""
    found = []
    for workers in ("1", "2"):
        settings = settings_of("test", MM_TUNING__TRIALS="6", MM_RUNNER__WORKERS=workers, MM_CANDIDATES="[logistic]")
        market = ingest.fetch(settings, home, clock.now())
        found.append(compare(build_experiment(market, settings)))
    one, other = found
    assert _asked(one.searches["logistic"].trials) == _asked(other.searches["logistic"].trials)
    assert one.recipe.parameters == other.recipe.parameters
    assert [card.rps for card in one.leaderboard] == [card.rps for card in other.leaderboard]
    assert one.trials == 6
    assert one.daily.shape[1] == sum(trial.daily is not None for trial in one.searches["logistic"].trials)


@pytest.mark.long
@pytest.mark.parametrize(
    "environ",
    nightly_after(
        1,
        [
            {"MM_FEATURES__KEEP": "10", "MM_CANDIDATES": "[lightgbm]"},
            {"MM_TRAINING__SEEDS": "2", "MM_CANDIDATES": "[extra_trees]"},
            {"MM_TRAINING__RECENCY_SESSIONS": "20", "MM_CANDIDATES": "[lightgbm]"},
        ],
    ),
    ids=lambda environ: next(iter(environ)),
)
def test_an_option_of_training_changes_the_fit_and_nothing_of_the_ground(home: Path, environ: dict[str, str]) -> None:
    """Seeds, recency and screening give other answers on the same rows and labels."""
    found = []
    for told in ({"MM_CANDIDATES": environ["MM_CANDIDATES"]}, environ):
        settings = settings_of("test", **told)
        market = ingest.fetch(settings, home, clock.now())
        found.append(compare(build_experiment(market, settings)))
    plain, other = (comparison.out_of_fold[comparison.winner] for comparison in found)
    assert np.array_equal(plain.rows, other.rows)
    assert np.array_equal(plain.action, other.action)
    assert not np.array_equal(plain.probabilities, other.probabilities)
    assert len(found[1].selected) == int(environ.get("MM_FEATURES__KEEP", len(found[0].selected)))
    assert set(found[1].selected) <= set(found[0].selected)


def test_recency_halves_the_weight_with_every_half_life(home: Path) -> None:
    """A row as old as the half-life weighs half as much as one of the last session."""
    settings = settings_of("test", MM_TRAINING__RECENCY_SESSIONS="20")
    market = ingest.fetch(settings, home, clock.now())
    weight = walk_forward.prepare_folds(build_experiment(market, settings)).weight
    assert weight is not None
    days = np.unique(market.bars.session)
    assert weight[market.bars.session == days[-1]] == pytest.approx(1.0)
    assert weight[market.bars.session == days[-21]] == pytest.approx(0.5)
