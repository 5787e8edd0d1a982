"""Report: the challenger's hold-out beside its training window, as a page a reviewer can open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from market_master.decision.calibration import Calibration
from market_master.decision.policy import assign_actions
from market_master.registry.tracking import Run
from market_master.registry.versions import Versions
from market_master.reports import write_index
from market_master.reports.evidently import page_table, sample_rows, write_page
from market_master.training.compare import Comparison
from market_master.training.experiment import Experiment


def write_drift_page(run: Run, experiment: Experiment, comparison: Comparison, version: str, home: Path) -> Path:
    """Write data/reports/<run>-drift.html and keep it with the run: reference = training rows, current = hold-out."""
    table, dataset, model = experiment.features, experiment.dataset, experiment.settings.registry.model
    challenger = Versions(home, model).load(version)
    learned = Calibration.from_state(challenger.card.calibration)
    usable = dataset.labels.known & table.complete

    def shown(rows: np.ndarray) -> pd.DataFrame:
        rows = rows[sample_rows(len(rows))]
        probabilities = learned.apply(challenger.graph.probabilities(comparison.inputs[rows]))
        decided = assign_actions(probabilities, challenger.card.settings["policy"]["rule"], learned.cuts)
        return page_table(table.names, table.values[rows], dataset.labels.action[rows], decided)

    file = write_page(
        shown(np.flatnonzero(dataset.zones.holdout & usable)),
        shown(comparison.train_rows),
        home / "data" / "reports" / f"{run.id}-drift.html",
        name=f"{model} version {version}: hold-out against training window",
    )
    run.file(file, "reports")
    write_index(file.parent)
    return file
