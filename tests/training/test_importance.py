"""Importance: permuting a feature's days hurts where the feature is used, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from market_master.domain import clock
from market_master.market_data import ingest
from market_master.plugins import load_family
from market_master.stats.bootstrap import permute_days
from market_master.training.experiment import build_experiment
from market_master.training.importance import permutation_importance, select_features
from market_master.training.walk_forward import FoldData, Recipe, prepare_folds
from tests.support.random_bars import random_bars
from tests.support.trained_home import settings_of


@pytest.fixture
def ground(home: Path) -> tuple[FoldData, tuple[str, ...]]:
    """The folds of a small market with a strong edge, which shows in the volume."""
    settings = settings_of("test", MM_PROVIDER__EDGE="0.5")
    market = ingest.fetch(settings, home, clock.now())
    experiment = build_experiment(market, settings)
    return prepare_folds(experiment), experiment.features.names


def test_a_permuted_day_is_a_whole_other_day() -> None:
    """Rows of one day go to rows of one other day, same symbol and slot; every row is used at most once."""
    bars = random_bars(2, symbols=3, sessions=12, missing=0.05)
    rows = np.flatnonzero(bars.session >= bars.session[20])
    other = permute_days(bars.code[rows], bars.slot[rows], bars.session[rows], np.random.default_rng(1))
    moved = other != np.arange(len(rows))
    assert moved.mean() > 0.5
    assert (bars.code[rows[other]] == bars.code[rows]).all()
    assert (bars.slot[rows[other]] == bars.slot[rows])[moved].all()
    for day in np.unique(bars.session[rows]):
        assert len(set(bars.session[rows[other]][(bars.session[rows] == day) & moved])) <= 1


def test_what_carries_the_edge_is_most_important(ground: tuple[FoldData, tuple[str, ...]]) -> None:
    """On a market whose edge shows in the volume, a feature of volume leads by more than two standard errors."""
    place, names = ground
    found = permutation_importance(Recipe(load_family("models")["logistic"]), place, names, range(1, len(place.folds)))
    assert len(found) == len(names)
    assert "volume" in found[0].feature
    assert found[0].loss > 2 * found[0].error


@pytest.mark.long
def test_a_feature_no_candidate_sees_has_none(ground: tuple[FoldData, tuple[str, ...]]) -> None:
    """Screened to five, the others lose nothing when permuted; the first fold, which nothing came before, keeps all."""
    place, names = ground
    narrow = select_features(place, Recipe(load_family("models")["lightgbm"]), names, 5)
    assert narrow.keep[0] is None
    assert all(keep is not None and len(keep) == 6 and keep[-1] == len(names) for keep in narrow.keep[1:])
    found = permutation_importance(Recipe(load_family("models")["logistic"]), narrow, names, [1])
    assert sum(one.loss != 0 for one in found) <= 5


@pytest.mark.long
def test_a_fold_is_screened_by_the_folds_before_it_only(ground: tuple[FoldData, tuple[str, ...]]) -> None:
    """Other labels in a fold change the features of later folds, never its own."""
    from dataclasses import replace

    place, names = ground
    recipe = Recipe(load_family("models")["lightgbm"])
    last = place.folds[-1]
    mixed = replace(last, action=np.random.default_rng(1).permutation(last.action))
    other = replace(place, folds=(*place.folds[:-1], mixed))
    one, two = (select_features(ground, recipe, names, 5).keep for ground in (place, other))
    for mine, theirs in zip(one[1:-1], two[1:-1], strict=True):
        assert np.array_equal(mine, theirs)
