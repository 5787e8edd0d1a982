"""Comparison of all candidates and baselines on the same purged folds, and the winner's fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master import features
from market_master.config import Settings
from market_master.decision.calibration import Calibration
from market_master.decision.wss import weighted_by_bar
from market_master.domain import Array, Bars, ConfigError, Ints, Scorecard, expected_score
from market_master.market_data.ingest import Market
from market_master.plugins import load_family
from market_master.progress import report_progress
from market_master.provenance import environment_fingerprint
from market_master.stats import metrics
from market_master.stats.daily import by_day, day_t, newey_west_se
from market_master.stats.regimes import regimes
from market_master.training.dataset import class_shares, shares_by
from market_master.training.experiment import Experiment
from market_master.training.fit_cache import FitCache
from market_master.training.importance import SCREENER, Importance, permutation_importance, select_features
from market_master.training.tuning import Search, tune
from market_master.training.walk_forward import (  # fmt: skip
    FoldData,
    FoldRows,
    OutOfFold,
    Recipe,
    calibrate_out_of_fold,
    daily_rps,
    fit_calibration,
    fit_predict_folds,
    prepare_folds,
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """The leaderboard, the winner fitted on all development rows, and the out-of-fold answers behind both."""

    leaderboard: tuple[Scorecard, ...]
    """best first; candidates and baselines"""
    winner: str
    why: str
    recipe: Recipe
    """the winner's"""
    searches: dict[str, Search]
    """what tuning tried for each candidate"""
    importance: tuple[Importance, ...]
    """of the winner's features, most important first"""
    selected: tuple[str, ...]
    """the features the winner looks at"""
    estimator: Any
    calibration: Calibration
    out_of_fold: dict[str, OutOfFold]
    daily: NDArray[np.float64]
    """[scored sessions, candidates and finished trials]: RPS of everything that was tried"""
    trials: int
    """how many recipes were tried, pruned ones included"""
    excess: dict[str, float]
    """winner's RPS above each baseline's, in standard errors of the daily difference"""
    fold_data: FoldData
    """the folds that all of this ran over"""
    wss_expected_sd: float | None
    train_rows: Ints
    inputs: NDArray[np.float32]
    """the matrix of all rows, as the graph sees it"""
    class_shares: dict[str, Any]
    """shares of the labels, by fold (with its rows), slot and regime"""


def compare(experiment: Experiment, home: Path | None = None) -> Comparison:
    """Score everything by walk-forward (fold 1 only teaches calibration) and fit the winner. Nothing reads the hold-out.

    Studies of tuning and results of fits are kept in `home`; without one they are forgotten.
    """
    market, table, settings = experiment.market, experiment.features, experiment.settings
    bars = market.bars
    candidates, baselines = _recipes(settings)
    cache = FitCache(home / "data" / "steps", environment_fingerprint()) if home else None
    fold_data = prepare_folds(experiment, cache)
    if settings.features.keep is not None:
        fold_data = select_features(
            fold_data, Recipe(load_family("models")[SCREENER]), table.names, settings.features.keep
        )
    key = f"{market.data_hash} {features.combined(features.fingerprint(table.names))}"
    searches = {recipe.name: tune(recipe, fold_data, settings, key, home) for recipe in candidates}
    tuned = [searches[recipe.name].recipe for recipe in candidates]
    raw, seconds = _fit_all([*tuned, *baselines], fold_data)
    out_of_fold = {
        recipe.name: calibrate_out_of_fold(recipe, raw[recipe.name], fold_data) for recipe in (*tuned, *baselines)
    }
    winner, why = _winner(tuned, out_of_fold, bars.session)
    fitted = fit_calibration(raw[winner.name], fold_data, range(len(fold_data.folds)), _class_shares_of_dev(experiment))
    estimator, rows = fit(winner, fold_data, experiment)
    cards = [
        _card(recipe, out_of_fold[recipe.name], seconds[recipe.name], fold_data, market)
        for recipe in (*tuned, *baselines)
    ]
    keep = fold_data.keep[-1]
    return Comparison(
        leaderboard=tuple(sorted(cards, key=lambda card: card.rps)),
        winner=winner.name,
        why=why,
        recipe=winner,
        searches=searches,
        importance=permutation_importance(winner, fold_data, table.names, range(1, len(fold_data.folds))),
        selected=table.names if keep is None else tuple(table.names[k] for k in keep[:-1]),
        estimator=estimator,
        calibration=fitted,
        out_of_fold=out_of_fold,
        daily=_everything_tried(tuned, searches, out_of_fold, bars),
        trials=sum(max(1, len(search.trials)) for search in searches.values()),
        excess={
            one.name: _loss_gap_t(out_of_fold[winner.name], out_of_fold[one.name], bars.session) for one in baselines
        },
        fold_data=fold_data,
        wss_expected_sd=_wss_expected_sd(out_of_fold[winner.name], market),
        train_rows=rows,
        inputs=fold_data.inputs,
        class_shares=_class_shares(fold_data, experiment),
    )


def fit(recipe: Recipe, fold_data: FoldData, experiment: Experiment) -> tuple[Any, Ints]:
    """The recipe fitted on all development rows, and which rows it saw."""
    rows = fold_data.train_rows(recipe, experiment.dev_rows)
    extra = {} if fold_data.weight is None else {"sample_weight": fold_data.weight[rows]}
    estimator = recipe.new(len(fold_data.bars.symbols), fold_data.keep[-1])
    return estimator.fit(fold_data.inputs[rows], experiment.dataset.labels.action[rows], **extra), rows


def _recipes(settings: Settings) -> tuple[list[Recipe], list[Recipe]]:
    """Candidates as configured, and every baseline."""
    known = load_family("models")
    models = [name for name, plugin in known.items() if plugin.metadata["kind"] == "model"]
    for name in settings.candidates:
        if name not in models:
            raise ConfigError(f"candidates names '{name}'; there are {', '.join(models)}.")
    candidates = [Recipe(known[name], seeds=settings.training.seeds) for name in settings.candidates]
    return candidates, [Recipe(plugin) for plugin in known.values() if plugin.metadata["kind"] == "baseline"]


def _fit_all(recipes: Sequence[Recipe], fold_data: FoldData) -> tuple[dict[str, list[Array]], dict[str, float]]:
    """Raw test probabilities of every recipe by fold, and its mean seconds for a fit."""
    raw: dict[str, list[Array]] = {recipe.name: [] for recipe in recipes}
    seconds = {recipe.name: 0.0 for recipe in recipes}
    total = len(recipes) * len(fold_data.folds)
    for done, (index, _, probabilities, fit_seconds) in enumerate(
        fit_predict_folds(recipes, fold_data, range(len(fold_data.folds)))
    ):
        raw[recipes[index].name].append(probabilities)
        seconds[recipes[index].name] += fit_seconds / len(fold_data.folds)
        report_progress("train_compare", done + 1, total + 1)
    return raw, seconds


def _card(recipe: Recipe, oof: OutOfFold, seconds: float, fold_data: FoldData, market: Market) -> Scorecard:
    bars = market.bars
    card = metrics.scorecard(
        recipe.name,
        recipe.plugin.metadata["kind"],
        probabilities=oof.probabilities,
        prior=oof.prior,
        decided=oof.decided,
        action=oof.action,
        z=oof.z,
        session=bars.session[oof.rows],
        fit_seconds=seconds,
        folds=len(fold_data.folds) - 1,
        bar_end=bars.bar_end[oof.rows],
        overlap=fold_data.overlap,
    )
    predicted, realised, session = _index_series(oof, market)
    return replace(
        card,
        wss_ic=metrics.ic(predicted, realised),
        wss_ic_t=day_t(metrics.ic_terms(predicted, realised), session, fold_data.overlap),
    )


def _class_shares_of_dev(experiment: Experiment) -> Array:
    action = experiment.dataset.labels.action
    return class_shares(action[experiment.dataset.zones.dev & (action >= 0)])


def _winner(candidates: Sequence[Recipe], out_of_fold: dict[str, OutOfFold], session: Ints) -> tuple[Recipe, str]:
    """The simplest candidate within one standard error of the lowest mean RPS."""
    mean = {recipe.name: float(out_of_fold[recipe.name].rps.mean()) for recipe in candidates}
    best = min(candidates, key=lambda recipe: mean[recipe.name])
    close = [r for r in candidates if _loss_gap_t(out_of_fold[r.name], out_of_fold[best.name], session) <= 1.0]
    chosen = min(close, key=lambda recipe: (recipe.plugin.metadata["complexity"], mean[recipe.name]))
    if chosen is best:
        return chosen, (
            f"{chosen.name} has the lowest RPS ({mean[chosen.name]:.5f}), and none as simple comes within one SE."
        )
    return chosen, (
        f"{chosen.name} (RPS {mean[chosen.name]:.5f}) is the simplest of {len(close)} candidates within one standard error "
        f"of the best, {best.name} ({mean[best.name]:.5f})."
    )


def _everything_tried(
    tuned: Sequence[Recipe], searches: dict[str, Search], out_of_fold: dict[str, OutOfFold], bars: Bars
) -> Array:
    columns = []
    for recipe in tuned:
        finished = [trial.daily for trial in searches[recipe.name].trials if trial.daily is not None]
        columns += finished or [daily_rps(out_of_fold[recipe.name], bars)]
    return np.stack(columns, axis=1)


def _loss_gap_t(oof: OutOfFold, reference: OutOfFold, session: Ints) -> float:
    """How far one's RPS lies above another's, in standard errors of the daily difference."""
    daily = by_day(oof.rps - reference.rps, session[oof.rows])
    se = newey_west_se(daily)
    return float(daily.mean() / se) if se > 0 else 0.0


def _index_series(oof: OutOfFold, market: Market) -> tuple[Array, Array, Ints]:
    """At each instant the weighted expected score and the weighted z that came, and the instant's session."""
    weight = np.array([market.weights.by_symbol.get(symbol, 0.0) for symbol in market.bars.symbols])[
        market.bars.code[oof.rows]
    ]
    by_bar = weighted_by_bar(market.bars.bar_end[oof.rows], weight, expected_score(oof.probabilities), oof.z)
    covered = by_bar.covered > 0
    level, z = by_bar.means
    return level[covered], z[covered], market.bars.session[oof.rows][by_bar.first_row][covered]


def _wss_expected_sd(oof: OutOfFold, market: Market) -> float | None:
    """Spread over time of the weighted expected score, out of fold; None when it never moves."""
    spread = float(np.std(_index_series(oof, market)[0]))
    return spread if spread > 1e-12 else None


def _class_shares(fold_data: FoldData, experiment: Experiment) -> dict[str, Any]:
    bars, labels, dev = experiment.market.bars, experiment.dataset.labels, experiment.dataset.zones.dev
    return {
        "fold": [_fold_summary(fold, bars) for fold in fold_data.folds],
        "slot": shares_by(labels, dev, bars.next_slot),
        "regime": shares_by(labels, dev, regimes(bars, experiment.market.members)),
    }


def _fold_summary(fold: FoldRows, bars: Bars) -> dict[str, Any]:
    return {
        "train_rows": len(fold.train),
        "test_rows": len(fold.test),
        "crossing_session": float((bars.next_slot[fold.test] == 0).mean()),
        "train_shares": fold.prior.round(4).tolist(),
        "test_shares": (np.bincount(fold.action[fold.test], minlength=5) / len(fold.test)).round(4).tolist(),
    }
