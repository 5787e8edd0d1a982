"""Walk-forward fits of a recipe, each fold calibrated by what the folds before had taught."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.decision import calibration, policy
from market_master.decision.calibration import Calibration
from market_master.domain import Actions, Array, Bars, Ints, TooFewBars, model_inputs
from market_master.labels import LabelWindow
from market_master.models import BASELINE_COLUMNS
from market_master.models.pipeline import select_columns, soft_vote
from market_master.plugins import Plugin
from market_master.stats import metrics
from market_master.stats.bootstrap import SEED
from market_master.stats.daily import by_day
from market_master.training.dataset import Dataset, class_shares, new_labeler
from market_master.training.experiment import Experiment
from market_master.training.feature_table import FeatureTable
from market_master.training.fit_cache import FitCache, Result, hash_of
from market_master.training.folds import PurgedWalkForward, sample_timestamps
from market_master.training.runner import Runner


@dataclass(frozen=True)
class Recipe:
    """How one candidate or baseline is made: its plug-in, the parameters that are not defaults, the number of seeds."""

    plugin: Plugin
    parameters: dict[str, Any] = field(default_factory=dict)
    seeds: int = 1

    @property
    def name(self) -> str:
        """The plug-in's name."""
        return self.plugin.name

    @property
    def learns(self) -> bool:
        """A candidate, not a baseline."""
        return bool(self.plugin.metadata["kind"] == "model")

    def new(self, symbols: int, keep: Ints | None = None) -> Any:
        """An unfitted estimator; a candidate looks only at the columns of the inputs in `keep`."""
        seeds = range(SEED, SEED + self.seeds) if self.learns else range(SEED, SEED + 1)
        estimator = soft_vote([self.plugin.factory(symbols=symbols, seed=seed, **self.parameters) for seed in seeds])
        return estimator if keep is None or not self.learns else select_columns(estimator, keep.tolist())


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
    label_end: Ints


@dataclass(frozen=True, eq=False)
class FoldData:
    """The ground that every recipe runs over: the same rows, labels and inputs for all."""

    bars: Bars
    folds: tuple[FoldRows, ...]
    inputs: NDArray[np.float32]
    """the matrix of all rows, as the graph sees it"""
    baseline_inputs: tuple[NDArray[np.float32], ...]
    """for each fold what baselines look at, all rows"""
    weight: Array | None
    """of each training row; None = all alike"""
    max_train_rows: int
    runner: Runner
    rule: str
    """the policy's, which makes actions of answers"""
    overlap: int
    """sessions that neighbouring labels share"""
    keep: tuple[Ints | None, ...]
    """for each fold, then for all of them: the columns of `inputs` that candidates look at; None = all"""
    cache: FitCache | None = None
    """where the results of fits lie, to be found again; None = each is made anew"""

    def train_rows(self, recipe: Recipe, rows: Ints) -> Ints:
        """The rows it is trained on, thinned by whole timestamps."""
        mask = np.zeros(len(self.bars), dtype=bool)
        mask[rows] = True
        limit = min(recipe.plugin.metadata["max_rows"] or self.max_train_rows, self.max_train_rows)
        return np.flatnonzero(sample_timestamps(mask, self.bars.bar_end, limit))

    def job(self, recipe: Recipe, number: int) -> tuple[Any, ...]:
        """What `fit_and_answer` needs to run a recipe over fold `number`."""
        fold = self.folds[number]
        rows = self.train_rows(recipe, fold.train)
        baseline = None if recipe.learns else self.baseline_inputs[number][np.concatenate([rows, fold.test])]
        weight = None if self.weight is None or not recipe.learns else self.weight[rows]
        estimator = recipe.new(len(self.bars.symbols), self.keep[number])
        return estimator, rows, fold.action[rows], weight, fold.test, baseline

    def map(self, function: Callable[..., Result], jobs: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
        """function(inputs, *job) for each job, in order; what is kept is not made again."""
        run = partial(self.runner.map, shared=(self.inputs,))
        return self.cache.map(run, function, jobs, shared=self._inputs_hash) if self.cache else run(function, jobs)

    @cached_property
    def _inputs_hash(self) -> str:
        return hash_of(self.inputs)

    def narrowed(self, keep: Sequence[Ints | None]) -> FoldData:
        """The same course, where each fold's candidates look at fewer features."""
        return replace(self, keep=tuple(keep))


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

    @property
    def rps(self) -> Array:
        """Of each row."""
        return metrics.rps(self.probabilities, self.action)


def prepare_folds(experiment: Experiment, cache: FitCache | None = None) -> FoldData:
    """Lay out the folds of a run's development rows. Raises TooFewBars for folds with too little in them."""
    bars, table, settings = experiment.market.bars, experiment.features, experiment.settings
    folds = tuple(_fold_rows(experiment))
    return FoldData(
        bars=bars,
        folds=folds,
        inputs=model_inputs(table.values, bars.symbols, bars.code, bars.symbols),
        baseline_inputs=tuple(_baseline_inputs(bars, table, fold, settings.label.horizon) for fold in folds),
        weight=_weight(bars, experiment.dataset, settings.training.recency_sessions),
        max_train_rows=settings.folds.max_train_rows,
        runner=Runner(**settings.runner.model_dump()),
        rule=settings.policy.rule,
        overlap=experiment.dataset.overlap,
        keep=(None,) * (len(folds) + 1),
        cache=cache,
    )


def fit_predict_folds(
    recipes: Sequence[Recipe], fold_data: FoldData, numbers: Iterable[int]
) -> Iterator[tuple[int, int, Array, float]]:
    """Fit recipes on folds: (recipe's place, fold, raw test probabilities, seconds of the fit), fold by fold."""
    positions = [(index, number) for number in numbers for index in range(len(recipes))]
    jobs = (fold_data.job(recipes[index], number) for index, number in positions)
    results = fold_data.map(fit_predict, jobs)
    for (index, number), (probabilities, spent) in zip(positions, results, strict=True):
        yield index, number, probabilities, spent


def fit_predict(
    inputs: NDArray[np.float32],
    estimator: Any,
    train: Ints,
    action: Actions,
    weight: Array | None,
    test: Ints,
    baseline: NDArray[np.float32] | None,
) -> tuple[Array, float]:
    """Raw probabilities of the test rows, and the seconds the fit took; `seen` stands in for the inputs of a baseline."""
    train_inputs, test_inputs = (
        (inputs[train], inputs[test]) if baseline is None else (baseline[: len(train)], baseline[len(train) :])
    )
    start = time.perf_counter()
    fitted = (
        estimator.fit(train_inputs, action)
        if weight is None
        else estimator.fit(train_inputs, action, sample_weight=weight)
    )
    seconds = time.perf_counter() - start
    return np.asarray(fitted.predict_proba(test_inputs), dtype=float), seconds


def calibrate_out_of_fold(recipe: Recipe, raw: Sequence[Array], fold_data: FoldData) -> OutOfFold:
    """Answers of folds 2 and on, as many as there are, each calibrated and cut by what the folds before it taught."""
    probabilities, decided = [], []
    for number in range(1, len(raw)):
        learned = fit_calibration(raw, fold_data, range(number), fold_data.folds[number].prior)
        probabilities.append(learned.apply(raw[number]) if recipe.learns else raw[number])
        decided.append(policy.assign_actions(probabilities[-1], fold_data.rule, learned.cuts))
    scored = fold_data.folds[1 : len(raw)]
    return OutOfFold(
        rows=np.concatenate([fold.test for fold in scored]),
        action=np.concatenate([fold.action[fold.test] for fold in scored]),
        z=np.concatenate([fold.z[fold.test] for fold in scored]),
        prior=np.concatenate([np.tile(fold.prior, (len(fold.test), 1)) for fold in scored]),
        probabilities=np.concatenate(probabilities),
        decided=np.concatenate(decided),
    )


def fit_calibration(raw: Sequence[Array], fold_data: FoldData, numbers: range, prior: Array) -> Calibration:
    """What the raw answers of some folds teach."""
    probabilities = np.concatenate([raw[k] for k in numbers])
    action = np.concatenate([fold_data.folds[k].action[fold_data.folds[k].test] for k in numbers])
    return calibration.fit(probabilities, action, prior)


def daily_rps(oof: OutOfFold, bars: Bars) -> Array:
    """Mean RPS of each scored session."""
    return by_day(oof.rps, bars.session[oof.rows])


def _fold_rows(experiment: Experiment) -> Iterator[FoldRows]:
    bars, settings = experiment.market.bars, experiment.settings
    dev = np.flatnonzero(experiment.dataset.zones.dev & experiment.features.complete)
    splitter = PurgedWalkForward(settings.folds.splits, settings.folds.embargo_sessions, settings.folds.train_sessions)
    window_end = LabelWindow(settings.label.target, settings.label.horizon).end(bars)
    for number, fold in enumerate(splitter.split(bars.session[dev], bars.bar_end[dev], window_end[dev])):
        train = np.zeros(len(bars), dtype=bool)
        train[dev[fold.train]] = True
        labels = new_labeler(settings).fit(bars, train).transform(bars)
        if not np.array_equal(labels.label_end, window_end):
            ended = list(splitter.split(bars.session[dev], bars.bar_end[dev], labels.label_end[dev]))[number]
            train[dev[ended.train]] = True
        trained = np.flatnonzero(train & labels.known)
        tested = dev[fold.test][labels.known[dev[fold.test]]]
        if len(trained) < 100 or len(tested) < 20:
            raise TooFewBars(
                f"A fold has {len(trained)} training and {len(tested)} test rows with a label; at least 100 and 20 are needed. "
                "Fetch a longer history or lower folds.splits.",
                train=len(trained),
                test=len(tested),
            )
        yield FoldRows(trained, tested, labels.action, labels.z, class_shares(labels.action[trained]), labels.label_end)


def _baseline_inputs(bars: Bars, table: FeatureTable, fold: FoldRows, horizon: int) -> NDArray[np.float32]:
    """What the rules look at: the newest class and z whose window has closed with the bar, volatility, and the slot."""
    row = np.arange(len(bars))
    before = np.maximum(row - horizon, 0)
    closed = (row >= horizon) & (bars.code[before] == bars.code) & (fold.label_end[before] <= bars.bar_end)
    last_class = np.where(closed, fold.action[before], -1.0)
    last_z = np.where(closed & np.isfinite(fold.z[before]), fold.z[before], 0.0)
    columns = {"last_class": last_class, "last_z": last_z, "slot": bars.next_slot}
    columns["volatility_ratio"] = table.values[:, table.names.index("volatility_ratio")]
    return np.column_stack([columns[name] for name in BASELINE_COLUMNS]).astype(np.float32)


def _weight(bars: Bars, dataset: Dataset, halflife: int | None) -> Array | None:
    """How much each training row counts: less where labels overlap, half with every `halflife` sessions; None = all alike."""
    if halflife is None:
        return dataset.weight
    days, day = np.unique(bars.session, return_inverse=True)
    recency = np.asarray(0.5 ** ((len(days) - 1 - day) / halflife))
    return recency if dataset.weight is None else recency * dataset.weight
