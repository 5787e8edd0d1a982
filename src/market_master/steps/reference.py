"""Reference: keep beside a version what it learned from and how it answered, for monitoring to compare with."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from market_master.drift.reference import FILE, SESSIONS, Reference, sample
from market_master.registry.versions import Versions
from market_master.steps.contender import of_version
from market_master.steps.features import FeatureTable
from market_master.steps.fetch import Market
from market_master.steps.label import Labelled
from market_master.steps.train_compare import Comparison


def reference(
    market: Market,
    table: FeatureTable,
    labelled: Labelled,
    comparison: Comparison,
    version: str,
    model: str,
    home: Path,
) -> Reference:
    """Training window and hold-out of a judged version, with the answers it gave where it had not learned."""
    versions, bars, labels = Versions(home, model), market.bars, labelled.labels
    loaded = versions.load(version)
    contender, oof = of_version(loaded), comparison.out_of_fold[comparison.winner]
    usable = np.flatnonzero((labelled.zones.dev | labelled.zones.holdout) & labels.known & table.complete)
    usable = usable[bars.session[usable] >= np.unique(bars.session[usable])[-SESSIONS:][0]]
    rows = usable[sample(bars.session[usable])]
    rows = rows[np.argsort(bars.bar_end[rows], kind="stable")]
    probabilities = np.full((len(bars), 5), np.nan)
    probabilities[oof.rows] = oof.probabilities
    seen = rows[labelled.zones.holdout[rows]]
    probabilities[seen] = contender.probabilities(contender.values(market, table), seen, bars)
    kept = Reference(
        names=np.array(table.names),
        values=table.values[rows].astype(np.float32),
        session=bars.session[rows],
        learned=labelled.zones.dev[rows],
        action=labels.action[rows],
        z=labels.z[rows],
        probabilities=probabilities[rows],
        prior=np.asarray(contender.calibration.prior),
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        file.write_bytes(kept.to_bytes())
        versions.keep_beside(version, file)
    return kept
