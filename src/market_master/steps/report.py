"""Report: the challenger's hold-out beside its training window, as a page a reviewer can open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from market_master.calibration import Calibration
from market_master.domain.actions import CLASSES
from market_master.drift.page import write_page
from market_master.policy import act
from market_master.registry.tracking import Run
from market_master.registry.versions import Versions
from market_master.reports import write_index
from market_master.steps.features import FeatureTable
from market_master.steps.label import Labelled
from market_master.steps.train_compare import Comparison

ROWS = 4000
"""of each table; the page's time and size grow with it"""


def report(
    run: Run, table: FeatureTable, labelled: Labelled, comparison: Comparison, version: str, model: str, home: Path
) -> Path:
    """Write data/reports/<run>-drift.html and keep it with the run: reference = training rows, current = hold-out."""
    challenger = Versions(home, model).load(version)
    learned = Calibration.from_state(challenger.card.calibration)
    usable = labelled.labels.known & table.complete

    def frame(rows: np.ndarray) -> pd.DataFrame:
        rows = rows[np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int)]
        probabilities = learned.apply(challenger.graph.probabilities(comparison.inputs[rows]))
        data = pd.DataFrame(table.values[rows], columns=list(table.names))
        names = np.array(CLASSES, dtype=object)
        data["label"] = names[labelled.labels.action[rows]]
        data["action"] = names[act(probabilities, challenger.card.settings["policy"]["rule"], learned.cuts)]
        return data

    file = write_page(
        frame(np.flatnonzero(labelled.zones.holdout & usable)),
        frame(comparison.train_rows),
        home / "data" / "reports" / f"{run.id}-drift.html",
        name=f"{model} version {version}: hold-out against training window",
    )
    run.file(file, "reports")
    write_index(file.parent)
    return file
