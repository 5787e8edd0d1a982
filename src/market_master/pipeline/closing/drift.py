"""Drift page of the judged version: hold-out against training window, by Evidently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from market_master.decision.calibration import Calibration
from market_master.decision.policy import assign_actions
from market_master.domain import Ints
from market_master.pipeline.closing import JudgedRun, closing_step
from market_master.registry.versions import Versions
from market_master.reports import write_index
from market_master.reports.evidently import page_table, sample_rows, write_page


@closing_step(name="report", order=1, report="drift", title="Evidently: hold-out against training window")
def write_drift_page(judged: JudgedRun) -> Path:
    """Write data/reports/<run>-drift.html and keep it with the run: reference = training rows, current = hold-out."""
    experiment, model = judged.experiment, judged.experiment.settings.registry.model
    table, dataset = experiment.features, experiment.dataset
    challenger = Versions(judged.home, model).load(judged.version)
    calibration = Calibration.from_state(challenger.card.calibration)
    usable = dataset.labels.known & table.complete

    def sampled(rows: Ints) -> pd.DataFrame:
        rows = rows[sample_rows(len(rows))]
        probabilities = calibration.apply(challenger.graph.probabilities(judged.comparison.inputs[rows]))
        action = assign_actions(probabilities, challenger.card.settings["policy"]["rule"], calibration.cuts)
        return page_table(table.names, table.values[rows], dataset.labels.action[rows], action)

    file = write_page(
        sampled(np.flatnonzero(dataset.zones.holdout & usable)),
        sampled(judged.comparison.train_rows),
        judged.home / "data" / "reports" / f"{judged.run.id}-drift.html",
        name=f"{model} version {judged.version}: hold-out against training window",
    )
    judged.run.file(file, "reports")
    write_index(file.parent)
    return file
