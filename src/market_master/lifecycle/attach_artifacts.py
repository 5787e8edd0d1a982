"""Artifacts beside a version: reference window, out-of-sample predictions, track record."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market_master.artifact import out_of_sample
from market_master.artifact.out_of_sample import HOLDOUT, OutOfSample
from market_master.artifact.reference_window import MAX_SESSIONS, REFERENCE_FILE, Reference, sample
from market_master.decision import policy
from market_master.domain import Array
from market_master.gate.contender import Contender, of_version
from market_master.lifecycle.track_records import track_record_files
from market_master.registry.versions import Versions
from market_master.training import Comparison, Experiment


def attach_artifacts(experiment: Experiment, comparison: Comparison, version: str, home: Path) -> Reference:
    """Training window and hold-out of a judged version, with the answers it gave where it had not learned.

    All of these answers go into out_of_sample.npz beside it; a sample, with the features, is the reference of monitoring.
    What patterns, rules and candidates were worth goes into its track record, with the graph that sees them.
    """
    versions = Versions(home, experiment.settings.registry.model)
    contender = of_version(versions.load(version))
    predictions = _out_of_sample_predictions(experiment, comparison, contender)
    prior = np.asarray(contender.calibration.prior)
    reference = _reference_window(experiment, predictions, prior)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (
            (out_of_sample.OUT_OF_SAMPLE_FILE, _stored_predictions(experiment, predictions).to_bytes()),
            (REFERENCE_FILE, reference.to_bytes()),
            *track_record_files(experiment, comparison).items(),
        ):
            file = Path(folder) / name
            file.write_bytes(content)
            versions.attach_file(version, file)
    return reference


@dataclass(frozen=True, eq=False)
class _Predictions:
    """Of all bars: who answered (-1 = nobody), and what."""

    fold: NDArray[np.int8]
    probabilities: Array
    decided: NDArray[np.int8]


def _out_of_sample_predictions(experiment: Experiment, comparison: Comparison, contender: Contender) -> _Predictions:
    """The winner's answers out of fold, and the registered graph's on the hold-out, whether or not the label is known."""
    bars, oof = experiment.market.bars, comparison.out_of_fold[comparison.winner]
    holdout = np.flatnonzero(experiment.dataset.zones.holdout & experiment.features.complete)
    fold, decided = np.full(len(bars), -1, np.int8), np.zeros(len(bars), np.int8)
    probabilities = np.full((len(bars), 5), np.nan)
    for number, part in enumerate(comparison.fold_data.folds[1:], start=2):
        fold[part.test] = number
    fold[holdout] = HOLDOUT
    probabilities[oof.rows], decided[oof.rows] = oof.probabilities, oof.decided
    probabilities[holdout] = contender.probabilities(contender.values(experiment), holdout, bars)
    decided[holdout] = policy.assign_actions(probabilities[holdout], contender.rule, contender.calibration.cuts)
    return _Predictions(fold, probabilities, decided)


def _stored_predictions(experiment: Experiment, predictions: _Predictions) -> OutOfSample:
    bars, rows = experiment.market.bars, np.flatnonzero(predictions.fold >= 0)
    rows = rows[np.lexsort((bars.code[rows], bars.bar_end[rows]))]
    return OutOfSample(
        symbols=np.array(bars.symbols),
        code=bars.code[rows],
        bar_end=bars.bar_end[rows],
        session=bars.session[rows],
        fold=predictions.fold[rows],
        probabilities=predictions.probabilities[rows],
        decided=predictions.decided[rows],
        label=experiment.dataset.labels.action[rows],
        z=experiment.dataset.labels.z[rows],
    )


def _reference_window(experiment: Experiment, predictions: _Predictions, prior: Array) -> Reference:
    bars, table = experiment.market.bars, experiment.features
    zones, labels = experiment.dataset.zones, experiment.dataset.labels
    usable = np.flatnonzero((zones.dev | zones.holdout) & labels.known & table.complete)
    usable = usable[bars.session[usable] >= np.unique(bars.session[usable])[-MAX_SESSIONS:][0]]
    rows = usable[sample(bars.session[usable])]
    rows = rows[np.argsort(bars.bar_end[rows], kind="stable")]
    return Reference(
        names=np.array(table.names),
        values=table.values[rows].astype(np.float32),
        session=bars.session[rows],
        learned=zones.dev[rows],
        action=labels.action[rows],
        z=labels.z[rows],
        probabilities=predictions.probabilities[rows],
        prior=prior,
    )
