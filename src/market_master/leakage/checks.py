"""Proofs: each law of the leak suite, put to the objects of one configured pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master import features, leakage
from market_master.artifact.bars_graph import BarsGraph
from market_master.artifact.raw_columns import newest_rows, raw_columns
from market_master.decision import calibration, policy
from market_master.decision.wss import weighted_by_bar
from market_master.domain import SCORES, Array, Bars, model_inputs
from market_master.export.version_graph import feature_graph
from market_master.leakage import Finding, LeakProbe
from market_master.leakage.recipe_checks import (
    check_ic_ceiling,
    check_planted_edge,
    check_planted_leaks,
    check_shuffled_labels,
)
from market_master.leakage.subject import AuditedPipeline, fit_thinned, predict_exactly, present_members
from market_master.market_data.ingest import Market
from market_master.progress import report_progress
from market_master.stats.regimes import REGIMES, regimes
from market_master.training.dataset import new_labeler


def run_checks(pipeline: AuditedPipeline, laws: Sequence[str]) -> Iterator[Finding]:
    """What some laws say about every object of the pipeline."""
    parts: list[tuple[set[str], Callable[[AuditedPipeline], list[Finding]]]] = [
        ({"L1", "L2"}, _check_lookahead),
        ({"L3"}, _check_live_parity),
        ({"L4"}, _check_isolation),
        ({"L9"}, _check_splits),
        ({"L10"}, _check_sensitivity),
        ({"L11"}, _check_units),
        ({"L5"}, check_ic_ceiling),
        ({"L6"}, check_shuffled_labels),
        ({"L7"}, check_planted_edge),
        ({"L8"}, check_planted_leaks),
    ]
    todo = [check for of, check in parts if of & set(laws)]
    for done, check in enumerate(todo):
        yield from check(pipeline)
        report_progress("audit", done + 1, len(todo))


def _check_lookahead(pipeline: AuditedPipeline) -> list[Finding]:
    findings = []
    for probe in (_features(pipeline), _label(pipeline), _regime(pipeline)):
        findings += leakage.check_lookahead(probe, pipeline.bars, pipeline.instants)
    fitted, instants = _pipeline(pipeline)
    return findings + leakage.check_lookahead(fitted, pipeline.bars, instants)


def _check_live_parity(pipeline: AuditedPipeline) -> list[Finding]:
    needed = features.warmup(pipeline.experiment.features.names) + 1
    names, members = pipeline.experiment.features.names, pipeline.experiment.market.members
    graph = BarsGraph(feature_graph(names, pipeline.bars.timetable.seconds))

    def served(bars: Bars) -> Array:
        """The features that the graph makes of each symbol's newest bar; NaN elsewhere."""
        values = np.full((len(bars), len(names)), np.nan)
        present = newest_rows(bars)
        present = present[present >= 0]
        columns = raw_columns(graph, bars, present, members=present_members(members, bars))
        complete = bars.age[present][:, None] >= graph.warmups
        values[present] = np.where(complete, graph.feature_values(columns), np.nan)
        return values

    instants = pipeline.instants[-4:]
    findings = leakage.check_live_parity(_features(pipeline), pipeline.bars, needed, instants, served)
    return findings + leakage.check_live_parity(_predictions(pipeline), pipeline.bars, needed, instants)


def _check_isolation(pipeline: AuditedPipeline) -> list[Finding]:
    of_symbol = tuple(name for name in pipeline.experiment.features.names if not features.needs_market((name,)))
    probe = _features(pipeline, of_symbol)
    return leakage.check_symbol_isolation(probe, pipeline.bars, of_symbol, pipeline.bars.symbols[:3])


def _check_splits(pipeline: AuditedPipeline) -> list[Finding]:
    """The very folds and zones of the run."""
    bars, zones, labels = (
        pipeline.experiment.market.bars,
        pipeline.experiment.dataset.zones,
        pipeline.experiment.dataset.labels,
    )
    findings = [leakage.split_in_time("development and hold-out", bars, zones.dev, zones.holdout, labels.label_end)]
    for number, fold in enumerate(pipeline.comparison.fold_data.folds):
        train, test = np.zeros(len(bars), dtype=bool), np.zeros(len(bars), dtype=bool)
        train[fold.train], test[fold.test] = True, True
        findings.append(leakage.split_in_time(f"fold {number + 1}", bars, train, test, fold.label_end))
    return findings


def _check_sensitivity(pipeline: AuditedPipeline) -> list[Finding]:
    blind = [name for name in pipeline.experiment.features.names if features.reads_no_bar(name)]
    return leakage.check_sensitivity(_features(pipeline), pipeline.bars, pipeline.instants[:2], blind)


def _check_units(pipeline: AuditedPipeline) -> list[Finding]:
    probes = (_features(pipeline), _label(pipeline), _predictions(pipeline))
    return [finding for probe in probes for finding in leakage.check_unit_invariance(probe, pipeline.bars)]


def _features(pipeline: AuditedPipeline, names: tuple[str, ...] | None = None) -> LeakProbe:
    names, members = names or pipeline.experiment.features.names, pipeline.experiment.market.members
    return LeakProbe(
        "feature", names, lambda bars: features.compute(bars, names, members=present_members(members, bars))
    )


def _label(pipeline: AuditedPipeline) -> LeakProbe:
    labeler = pipeline.experiment.dataset.labeler
    window = new_labeler(pipeline.experiment.settings)

    def columns(bars: Bars) -> Array:
        labels = labeler.transform(bars)
        return np.column_stack([labels.action, labels.z])

    return LeakProbe("label", ("action", "z"), columns, window.window.end)


def _regime(pipeline: AuditedPipeline) -> LeakProbe:
    members = pipeline.experiment.market.members

    def columns(bars: Bars) -> Array:
        return np.searchsorted(np.sort(REGIMES), regimes(bars, members)).astype(float)[:, None]

    return LeakProbe("regime", ("regime",), columns)


def _predictions(pipeline: AuditedPipeline) -> LeakProbe:
    """The fitted winner's calibrated answers."""
    names, known, comparison = (
        pipeline.experiment.features.names,
        pipeline.experiment.market.bars.symbols,
        pipeline.comparison,
    )
    members = pipeline.experiment.market.members

    def columns(bars: Bars) -> Array:
        values = features.compute(bars, names, members=present_members(members, bars))
        ready = np.isfinite(values).all(axis=1)
        out = np.full((len(bars), 5), np.nan)
        if ready.any():
            inputs = model_inputs(np.round(values[ready], 7), bars.symbols, bars.code[ready], known)
            raw = predict_exactly(comparison.estimator, inputs)
            out[ready] = np.round(comparison.calibration.apply(raw), 6)
        return out

    return LeakProbe("prediction", ("strong_sell", "sell", "hold", "buy", "strong_buy"), columns)


def _pipeline(pipeline: AuditedPipeline) -> tuple[LeakProbe, list[int]]:
    """Everything that is fitted, fitted anew on the bars up to a cut, and what it answers before and after."""
    settings, market = pipeline.experiment.settings, pipeline.experiment.market
    times = np.unique(pipeline.bars.bar_end)
    cut = int(times[int(0.7 * len(times))])
    recipe, members = pipeline.comparison.recipe, pipeline.experiment.market.members
    state = ("temperature", "shrinkage", "cut 1", "cut 2", "cut 3", "cut 4", "weak", "strong")
    names = ("scale", *state, "strong_sell", "sell", "hold", "buy", "strong_buy", "action", "wss", "equity")

    def columns(bars: Bars) -> Array:
        values = features.compute(bars, pipeline.experiment.features.names, members=present_members(members, bars))
        labeler = new_labeler(settings)
        closed = labeler.window.end(bars) <= cut
        labeler = labeler.fit(bars, closed)
        labels = labeler.transform(bars)
        usable = np.asarray(np.isfinite(values).all(axis=1))
        train = np.flatnonzero(closed & usable & labels.known)
        inputs = model_inputs(np.nan_to_num(values), bars.symbols, bars.code, bars.symbols)
        later = bars.session[train] >= np.quantile(bars.session[train], 0.6)
        ended = labels.label_end[train] < bars.bar_end[train][later].min()
        early, late = train[~later & ended], train[later]
        prior = np.bincount(labels.action[train], minlength=5) / len(train)
        learned = calibration.fit(
            fit_thinned(recipe, inputs, early, labels.action, bars)(inputs[late]), labels.action[late], prior
        )
        probabilities = learned.apply(fit_thinned(recipe, inputs, train, labels.action, bars)(inputs))
        action = policy.assign_actions(probabilities, settings.policy.rule, learned.cuts)
        measure: Any = getattr(labeler, "scale", None)
        scale = measure(bars) if callable(measure) else np.full(len(bars), np.nan)
        facts = [learned.temperature, learned.shrinkage, *(learned.cuts or (0.0,) * 4)]
        facts += [float(labeler.state().get(name, 0.0)) for name in ("k1", "k2")]
        wss, equity = _index(bars, np.where(usable, SCORES[action], 0.0), usable, market, settings.costs.bps / 1e4)
        probabilities[~usable] = np.nan
        return np.column_stack([scale, np.tile(facts, (len(bars), 1)), probabilities, action, wss, equity])

    return LeakProbe("pipeline", names, columns), [
        cut,
        *(int(t) for t in times[[int(0.8 * len(times)), int(0.93 * len(times))]]),
    ]


def _index(bars: Bars, score: Array, usable: NDArray[np.bool_], market: Market, cost: float) -> tuple[Array, Array]:
    """WSS at each row's instant, and the compounded equity of positions held over the bar that ends there."""
    weight = np.array([market.weights.by_symbol.get(symbol, 0.0) for symbol in bars.symbols])[bars.code] * usable
    by_bar = weighted_by_bar(bars.bar_end, weight, score)
    bar_of_row, wss = by_bar.bar_of_row, np.where(by_bar.covered > 0, by_bar.means[0], 0.0)
    position = np.concatenate([[0.0], np.where(bars.code[1:] == bars.code[:-1], score[:-1] / 2, 0.0)])
    previous = np.concatenate([[0.0], np.where(bars.code[1:] == bars.code[:-1], position[:-1], 0.0)])
    earned = position * (bars.close / bars.open - 1) - cost * np.abs(position - previous)
    share = 1 / np.bincount(bar_of_row)
    equity = np.cumsum(np.log1p(np.bincount(bar_of_row, weights=earned) * share))
    return wss[bar_of_row], equity[bar_of_row]
