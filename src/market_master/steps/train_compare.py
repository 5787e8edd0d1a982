"""Train and compare: every candidate and baseline on the same purged folds; the winner becomes the challenger."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master import calibration, metrics, policy
from market_master.calibration import Calibration
from market_master.config import Settings
from market_master.domain.actions import expected_score
from market_master.domain.bars import Array, Bars
from market_master.domain.days import by_day, newey_west_se
from market_master.domain.errors import ConfigError, TooFewBars
from market_master.domain.inputs import model_inputs
from market_master.domain.records import Scorecard
from market_master.domain.sessions import Ints
from market_master.folds import PurgedWalkForward, sample_timestamps
from market_master.models import BASELINE_COLUMNS
from market_master.plugins import Plugin, family
from market_master.runner import run_all
from market_master.steps.features import FeatureTable
from market_master.steps.fetch import Market
from market_master.steps.label import Labelled, class_shares, new_labeler
from market_master.steps.progress import tell

SEED = 7
Actions = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class FoldRows:
    """One fold as row numbers, with the labels its own labeler gives."""

    train: Ints
    test: Ints
    action: Actions
    """labels of all rows by this fold's labeler"""
    z: Array
    prior: Array
    """class shares of the training rows"""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """A candidate's answers on the scored test rows, calibrated with what earlier folds had taught."""

    rows: Ints
    action: Actions
    z: Array
    prior: Array
    """[n, 5]: class shares each row's fold was trained on"""
    probabilities: Array
    decided: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """The leaderboard, the winner fitted on all development rows, and the out-of-fold answers behind both."""

    leaderboard: tuple[Scorecard, ...]
    """best first; candidates and baselines"""
    winner: str
    why: str
    estimator: Any
    calibration: Calibration
    out_of_fold: dict[str, OutOfFold]
    vol_only_excess: float
    """winner's RPS above vol_only's, in standard errors of the daily difference"""
    wss_expected_sd: float | None
    train_rows: Ints
    inputs: NDArray[np.float32]
    """the matrix of all rows, as the graph sees it"""
    class_shares: tuple[dict[str, Any], ...]
    """of each fold: training and test rows, shares of the labels"""


def train_compare(market: Market, table: FeatureTable, labelled: Labelled, settings: Settings) -> Comparison:
    """Score everything by walk-forward (fold 1 only teaches calibration) and fit the winner. Nothing reads the hold-out."""
    bars = market.bars
    plugins = _contestants(settings.candidates)
    inputs = model_inputs(table.values, bars.symbols, bars.code, bars.symbols)
    folds = _fold_rows(bars, table, labelled, settings)
    raw, seconds = _fit_all(plugins, folds, inputs, bars, table, settings)
    out_of_fold = {name: _calibrated(plugins[name], raw[name], folds, settings) for name in plugins}
    cards = [
        metrics.scorecard(
            name,
            plugins[name].facts["kind"],
            probabilities=oof.probabilities,
            prior=oof.prior,
            decided=oof.decided,
            action=oof.action,
            z=oof.z,
            session=bars.session[oof.rows],
            fit_seconds=seconds[name],
            folds=len(folds) - 1,
        )
        for name, oof in out_of_fold.items()
    ]
    winner, why = _winner([plugins[name] for name in settings.candidates], out_of_fold, bars.session)
    fitted = _calibration_of(raw[winner], folds, range(len(folds)), _shares(labelled.labels.action, labelled.zones.dev))
    rows = _train_rows(plugins[winner], labelled.zones.dev & labelled.labels.known & table.complete, bars, settings)
    tell("train_compare", 1, 1)
    estimator = _new(plugins[winner], bars).fit(inputs[rows], labelled.labels.action[rows])
    return Comparison(
        leaderboard=tuple(sorted(cards, key=lambda card: card.rps)),
        winner=winner,
        why=why,
        estimator=estimator,
        calibration=fitted,
        out_of_fold=out_of_fold,
        vol_only_excess=_excess(out_of_fold[winner], out_of_fold["vol_only"], bars.session),
        wss_expected_sd=_wss_expected_sd(out_of_fold[winner], market),
        train_rows=rows,
        inputs=inputs,
        class_shares=tuple(_fold_summary(fold, bars) for fold in folds),
    )


def _contestants(candidates: Sequence[str]) -> dict[str, Plugin]:
    known = family("models")
    models = [name for name, plugin in known.items() if plugin.facts["kind"] == "model"]
    for name in candidates:
        if name not in models:
            raise ConfigError(f"candidates names '{name}'; there are {', '.join(models)}.")
    return {
        name: known[name] for name in (*candidates, *(n for n, p in known.items() if p.facts["kind"] == "baseline"))
    }


def _fold_rows(bars: Bars, table: FeatureTable, labelled: Labelled, settings: Settings) -> list[FoldRows]:
    dev = np.flatnonzero(labelled.zones.dev & table.complete)
    splitter = PurgedWalkForward(settings.folds.splits, settings.folds.embargo_sessions)
    folds = []
    for fold in splitter.split(bars.session[dev], bars.bar_end[dev], bars.next_end[dev]):
        train = np.zeros(len(bars), dtype=bool)
        train[dev[fold.train]] = True
        labels = new_labeler(settings).fit(bars, train).transform(bars)
        taught = np.flatnonzero(train & labels.known)
        asked = dev[fold.test][labels.known[dev[fold.test]]]
        if len(taught) < 100 or len(asked) < 20:
            raise TooFewBars(
                f"A fold has {len(taught)} training and {len(asked)} test rows with a label; at least 100 and 20 are needed. "
                "Fetch a longer history or lower folds.splits.",
                train=len(taught),
                test=len(asked),
            )
        shares = class_shares(labels.action[taught])
        folds.append(FoldRows(taught, asked, labels.action, labels.z, shares))
    return folds


def _fit_all(
    plugins: dict[str, Plugin],
    folds: list[FoldRows],
    inputs: NDArray[np.float32],
    bars: Bars,
    table: FeatureTable,
    settings: Settings,
) -> tuple[dict[str, list[Array]], dict[str, float]]:
    """Raw test probabilities of every contestant by fold, and its mean seconds for a fit."""
    owners = [name for _ in folds for name in plugins]
    raw: dict[str, list[Array]] = {name: [] for name in plugins}
    seconds = dict.fromkeys(plugins, 0.0)
    results = run_all(_fit, _jobs(plugins, folds, inputs, bars, table, settings), workers=settings.runner.workers)
    for done, (name, (probabilities, spent)) in enumerate(zip(owners, results, strict=True)):
        raw[name].append(probabilities)
        seconds[name] += spent / len(folds)
        tell("train_compare", done + 1, len(owners) + 1)
    return raw, seconds


def _jobs(
    plugins: dict[str, Plugin],
    folds: list[FoldRows],
    inputs: NDArray[np.float32],
    bars: Bars,
    table: FeatureTable,
    settings: Settings,
) -> Iterator[tuple[Any, ...]]:
    for fold in folds:
        rules_see = _baseline_inputs(bars, table, fold)
        for plugin in plugins.values():
            mask = np.zeros(len(bars), dtype=bool)
            mask[fold.train] = True
            train = _train_rows(plugin, mask, bars, settings)
            seen = inputs if plugin.facts["kind"] == "model" else rules_see
            yield _new(plugin, bars), seen[train], fold.action[train], seen[fold.test]


def _fit(estimator: Any, train: NDArray, action: Actions, test: NDArray) -> tuple[Array, float]:
    begun = time.perf_counter()
    estimator.fit(train, action)
    spent = time.perf_counter() - begun
    return np.asarray(estimator.predict_proba(test), dtype=float), spent


def _new(plugin: Plugin, bars: Bars) -> Any:
    return plugin.make(symbols=len(bars.symbols), seed=SEED)


def _train_rows(plugin: Plugin, mask: NDArray[np.bool_], bars: Bars, settings: Settings) -> Ints:
    limit = min(plugin.facts.get("max_rows") or settings.folds.max_train_rows, settings.folds.max_train_rows)
    return np.flatnonzero(sample_timestamps(mask, bars.bar_end, limit))


def _baseline_inputs(bars: Bars, table: FeatureTable, fold: FoldRows) -> NDArray[np.float32]:
    """What the rules look at: the bar's own class and z (the label of the row before), volatility, and the slot."""
    follows = np.zeros(len(bars), dtype=bool)
    follows[1:] = (bars.code[1:] == bars.code[:-1]) & (bars.bar_end[1:] == bars.next_end[:-1])
    last_class, last_z = np.full(len(bars), -1.0), np.zeros(len(bars))
    last_class[1:] = np.where(follows[1:], fold.action[:-1], -1)
    last_z[1:] = np.where(follows[1:] & np.isfinite(fold.z[:-1]), fold.z[:-1], 0.0)
    columns = {"last_class": last_class, "last_z": last_z, "slot": bars.next_slot}
    columns["volatility_ratio"] = table.values[:, table.names.index("volatility_ratio")]
    return np.column_stack([columns[name] for name in BASELINE_COLUMNS]).astype(np.float32)


def _calibrated(plugin: Plugin, raw: list[Array], folds: list[FoldRows], settings: Settings) -> OutOfFold:
    """Answers of folds 2 and on, each calibrated and cut by what the folds before it taught."""
    probabilities, decided = [], []
    for number in range(1, len(folds)):
        prior = folds[number].prior
        learned = _calibration_of(raw, folds, range(number), prior)
        if plugin.facts["kind"] == "baseline":
            probabilities.append(raw[number])
        else:
            probabilities.append(learned.apply(raw[number]))
        decided.append(policy.act(probabilities[-1], settings.policy.rule, learned.cuts))
    scored = folds[1:]
    return OutOfFold(
        rows=np.concatenate([fold.test for fold in scored]),
        action=np.concatenate([fold.action[fold.test] for fold in scored]),
        z=np.concatenate([fold.z[fold.test] for fold in scored]),
        prior=np.concatenate([np.tile(fold.prior, (len(fold.test), 1)) for fold in scored]),
        probabilities=np.concatenate(probabilities),
        decided=np.concatenate(decided),
    )


def _calibration_of(raw: list[Array], folds: list[FoldRows], which: range, prior: Array) -> Calibration:
    answers = np.concatenate([raw[k] for k in which])
    actions = np.concatenate([folds[k].action[folds[k].test] for k in which])
    return calibration.fit(answers, actions, prior)


def _shares(action: Actions, mask: NDArray[np.bool_]) -> Array:
    return class_shares(action[mask & (action >= 0)])


def _winner(candidates: list[Plugin], out_of_fold: dict[str, OutOfFold], session: Ints) -> tuple[str, str]:
    """The simplest candidate within one standard error of the lowest mean RPS."""
    mean = {p.name: float(_rps(out_of_fold[p.name]).mean()) for p in candidates}
    best = min(candidates, key=lambda plugin: mean[plugin.name])
    close = [p for p in candidates if _excess(out_of_fold[p.name], out_of_fold[best.name], session) <= 1.0]
    chosen = min(close, key=lambda plugin: (plugin.facts["complexity"], mean[plugin.name]))
    if chosen is best:
        return (
            chosen.name,
            f"{chosen.name} has the lowest RPS ({mean[chosen.name]:.5f}), and none as simple comes within one SE.",
        )
    return chosen.name, (
        f"{chosen.name} (RPS {mean[chosen.name]:.5f}) is the simplest of {len(close)} candidates within one standard error "
        f"of the best, {best.name} ({mean[best.name]:.5f})."
    )


def _rps(oof: OutOfFold) -> Array:
    return metrics.rps(oof.probabilities, oof.action)


def _excess(one: OutOfFold, other: OutOfFold, session: Ints) -> float:
    """How far one's RPS lies above another's, in standard errors of the daily difference."""
    daily = by_day(_rps(one) - _rps(other), session[one.rows])
    se = newey_west_se(daily)
    return float(daily.mean() / se) if se > 0 else 0.0


def _wss_expected_sd(oof: OutOfFold, market: Market) -> float | None:
    """Spread over time of the weighted expected score, out of fold; None when it never moves."""
    weight = np.array([market.weights.by_symbol.get(symbol, 0.0) for symbol in market.bars.symbols])[
        market.bars.code[oof.rows]
    ]
    _, place = np.unique(market.bars.bar_end[oof.rows], return_inverse=True)
    covered = np.bincount(place, weights=weight)
    total = np.bincount(place, weights=weight * expected_score(oof.probabilities))
    spread = float(np.std(total[covered > 0] / covered[covered > 0]))
    return spread if spread > 1e-12 else None


def _fold_summary(fold: FoldRows, bars: Bars) -> dict[str, Any]:
    return {
        "train_rows": len(fold.train),
        "test_rows": len(fold.test),
        "crossing_session": float((bars.next_slot[fold.test] == 0).mean()),
        "train_shares": fold.prior.round(4).tolist(),
        "test_shares": (np.bincount(fold.action[fold.test], minlength=5) / len(fold.test)).round(4).tolist(),
    }
