"""Checks of recipes: labels, models and calibration, fitted on other data to see their use."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from market_master import features, leakage
from market_master.decision import calibration
from market_master.decision.calibration import Calibration
from market_master.domain import Array, Bars, expected_score, model_inputs, without_direction
from market_master.leakage import Finding, LeakProbe
from market_master.leakage.subject import MAX_T, SEED, TRAINED_ON, AuditedPipeline, thin_rows
from market_master.market_data.ingest import fetch
from market_master.progress import report_progress
from market_master.stats.bootstrap import permute_days
from market_master.stats.daily import day_t
from market_master.stats.metrics import ic, ic_terms, rps
from market_master.training import build_experiment
from market_master.training.feature_table import FeatureTable
from market_master.training.folds import CombinatorialPurged
from market_master.training.walk_forward import (
    FoldData,
    OutOfFold,
    Recipe,
    calibrate_out_of_fold,
    fit_predict_folds,
    prepare_folds,
)

PLANTED = {"kind": "simulated", "seed": 11, "symbols": 30, "edge": 0.15}
PLANTED_SESSIONS, BARS_A_SESSION = 231, 7
"""sessions to learn and judge from, after those that the features look back over first"""

MAX_SIGN = 0.55


def cpcv_path_scores(pipeline: AuditedPipeline) -> list[float]:
    """RPSS of the winner's recipe on each whole path of combinatorial purged cross-validation: an audit, never a score."""
    experiment = pipeline.experiment
    bars, labels, table = experiment.market.bars, experiment.dataset.labels, experiment.features
    dev = experiment.dev_rows
    splitter = CombinatorialPurged(embargo=experiment.settings.folds.embargo_sessions)
    scores: list[list[Array]] = [[] for _ in range(splitter.groups)]
    inputs = model_inputs(table.values, bars.symbols, bars.code, bars.symbols)
    for chosen, fold in splitter.split(bars.session[dev], bars.bar_end[dev], labels.label_end[dev]):
        train, test = thin_rows(bars, dev[fold.train], TRAINED_ON), dev[fold.test]
        prior = np.bincount(labels.action[train], minlength=5) / len(train)
        fitted = pipeline.comparison.recipe.new(len(bars.symbols)).fit(inputs[train], labels.action[train])
        raw = np.asarray(fitted.predict_proba(inputs[test]), dtype=float)
        probabilities = replace(pipeline.comparison.calibration, prior=tuple(prior.tolist()), cuts=None).apply(raw)
        losses = np.column_stack(
            [rps(probabilities, labels.action[test]), rps(np.tile(prior, (len(test), 1)), labels.action[test])]
        )
        blocks = np.array_split(np.unique(bars.session[dev]), splitter.groups)
        for number in chosen:
            inside = np.isin(bars.session[test], blocks[number])
            scores[number].append(losses[inside].sum(axis=0))
        report_progress("audit", len(scores[-1]), splitter.paths)
    totals = np.array(scores).sum(axis=0)
    return [float(1 - loss / prior_loss) for loss, prior_loss in totals]


def check_ic_ceiling(pipeline: AuditedPipeline, table: FeatureTable | None = None) -> list[Finding]:
    """L5: no feature's IC with the next z, on development rows, beyond what the market can hold."""
    experiment, table = pipeline.experiment, table or pipeline.experiment.features
    dataset, manifest = experiment.dataset, experiment.market.manifest
    rows = np.flatnonzero(dataset.zones.dev & dataset.labels.known & table.complete)
    z, session = dataset.labels.z[rows], experiment.market.bars.session[rows]
    findings = []
    for column, name in enumerate(table.names):
        value = table.values[rows, column]
        value_ic, limit = ic(value, z), experiment.settings.gate.max_ic
        if "ic" in manifest:
            t = day_t(ic_terms(value, z), session)
            limit = float(manifest["ic"]) + MAX_T * (abs(value_ic / t) if t else 0.0)
        centred = value - np.median(value)
        sides = (centred != 0) & (z != 0)
        hit = float((np.sign(centred) == np.sign(z))[sides].mean()) if sides.any() else 0.5
        note = f"IC {value_ic:+.4f}, limit {limit:.4f}; sign accuracy {max(hit, 1 - hit):.1%}"
        note += ": look into it" if max(hit, 1 - hit) > MAX_SIGN else ""
        findings.append(Finding("L5", "feature", name, abs(value_ic) <= limit, None, note))
    return findings


def check_shuffled_labels(pipeline: AuditedPipeline) -> list[Finding]:
    """L6: with the labels of whole days dealt to other days, the recipe learns nothing."""
    fold_data = _small(pipeline)
    random = np.random.default_rng(SEED)
    shuffled = []
    for fold in fold_data.folds:
        action, z = fold.action.copy(), fold.z.copy()
        for rows in (fold.train, fold.test):
            permuted = rows[
                permute_days(fold_data.bars.code[rows], fold_data.bars.slot[rows], fold_data.bars.session[rows], random)
            ]
            action[rows], z[rows] = fold.action[permuted], fold.z[permuted]
        shuffled.append(replace(fold, action=action, z=z))
    recipe = pipeline.comparison.recipe
    oof, learned = _walk(recipe, replace(fold_data, folds=tuple(shuffled)))
    direction, information = _skill_t(oof, fold_data.bars)
    passed = abs(direction) < MAX_T and abs(information) < MAX_T
    note = f"DIR t {direction:+.2f}, IC t {information:+.2f} (limits {MAX_T:.0f}), lambda {learned.shrinkage:.2f}"
    return [Finding("L6", "recipe", recipe.name, passed, None, note)]


def check_planted_edge(pipeline: AuditedPipeline) -> list[Finding]:
    """L7: on a market whose edge is known, features, label, folds and calibration find it, and no more."""
    settings = pipeline.experiment.settings
    sessions = PLANTED_SESSIONS + math.ceil(features.warmup(pipeline.experiment.features.names) / BARS_A_SESSION)
    planted = settings.model_copy(
        update={
            "provider": type(settings)(name="planted", provider={**PLANTED, "sessions": sessions}).provider,
            "interval": "1h",
            "calendar": "XNYS",
            "universe": type(settings.universe)(),
            "label": type(settings.label)(),
        }
    )
    with TemporaryDirectory() as folder:
        market = fetch(planted, Path(folder), 2**33)
    fold_data = replace(prepare_folds(build_experiment(market, planted)), max_train_rows=20_000)
    oof, _ = _walk(pipeline.comparison.recipe, fold_data)
    measured, edge = ic(expected_score(oof.probabilities), oof.z), float(market.manifest["ic"])
    direction, information = _skill_t(oof, market.bars)
    error = abs(measured / information) if information else 0.0
    low, high = 0.6 * edge - MAX_T * error, edge + MAX_T * error
    note = f"IC {measured:.4f} of a planted {edge:.4f} ({low:.4f} to {high:.4f}), DIR t {direction:+.2f} (above {MAX_T:.0f})"
    name = pipeline.comparison.recipe.name
    return [Finding("L7", "recipe", name, low <= measured <= high and direction > MAX_T, None, note)]


def check_planted_leaks(pipeline: AuditedPipeline) -> list[Finding]:
    """L8: the next z with noise, and a z-score over the whole sample, must be caught by the other laws."""
    bars, labeler = pipeline.bars, pipeline.experiment.dataset.labeler

    def next_z(perturbed: Bars) -> Array:
        noise = np.random.default_rng(SEED).standard_normal(len(bars))
        return (np.nan_to_num(labeler.transform(perturbed).z) + 3 * noise[: len(perturbed)])[:, None]

    def whole_sample(perturbed: Bars) -> Array:
        return ((perturbed.close - perturbed.close.mean()) / perturbed.close.std())[:, None]

    findings = []
    for name, leak in (("next z and noise", next_z), ("z-score of the whole sample", whole_sample)):
        caught = leakage.check_lookahead(LeakProbe("planted leak", (name,), leak), bars, pipeline.instants[:3])
        proof = next((finding.proof for finding in caught if not finding.passed), None)
        note = f"caught by {', '.join(finding.law for finding in caught if not finding.passed) or 'no law'}"
        findings.append(Finding("L8", "planted leak", name, proof is not None, proof, note))
    return findings


def _small(pipeline: AuditedPipeline) -> FoldData:
    """The run's own folds, trained on fewer rows."""
    return replace(pipeline.comparison.fold_data, max_train_rows=3 * TRAINED_ON, cache=None)


def _walk(recipe: Recipe, fold_data: FoldData) -> tuple[OutOfFold, Calibration]:
    raw = [
        probabilities for *_, probabilities, _ in fit_predict_folds([recipe], fold_data, range(len(fold_data.folds)))
    ]
    action = np.concatenate([fold.action[fold.test] for fold in fold_data.folds])
    return calibrate_out_of_fold(recipe, raw, fold_data), calibration.fit(
        np.concatenate(raw), action, fold_data.folds[-1].prior
    )


def _skill_t(oof: OutOfFold, bars: Bars) -> tuple[float, float]:
    """Day-level t of the directional part and of the IC."""
    session = bars.session[oof.rows]
    gained = rps(without_direction(oof.probabilities, oof.prior), oof.action) - rps(oof.probabilities, oof.action)
    gained = np.where(np.abs(gained) < 1e-12, 0.0, gained)
    return day_t(gained, session), day_t(ic_terms(expected_score(oof.probabilities), oof.z), session)
