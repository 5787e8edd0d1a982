"""Evidently's HTML page: data drift and classification quality, current against reference."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from market_master.domain import CLASSES, Array, Ints
from market_master.files import write_atomic

MAX_ROWS = 4000
"""of each table; the page's time and size grow with it"""


def write_page(current: pd.DataFrame, reference: pd.DataFrame, file: Path, *, name: str) -> Path:
    """Write one self-contained HTML page about two tables with the same columns.

    Columns: features (floats), `label` and `action` (class names). It is a view, not an alarm: on autocorrelated
    features its tests call unchanged data drifted.
    """
    write_atomic(file, render_page(current, reference, name).encode())
    return file


def render_page(current: pd.DataFrame, reference: pd.DataFrame, name: str) -> str:
    """The page as HTML; nine tenths of the time are Evidently's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, MulticlassClassification, Report
        from evidently.presets import ClassificationPreset, DataDriftPreset

        numbers = [column for column in current.columns if column not in ("label", "action")]
        definition = DataDefinition(
            numerical_columns=numbers,
            categorical_columns=["label", "action"],
            classification=[MulticlassClassification(target="label", prediction_labels="action")],
        )
        report = Report(
            [DataDriftPreset(columns=[*numbers, "action"]), ClassificationPreset()], metadata={"page": name}
        )
        snapshot = report.run(
            Dataset.from_pandas(current, data_definition=definition),
            Dataset.from_pandas(reference, data_definition=definition),
        )
        return str(snapshot.get_html_str(as_iframe=False))


def sample_rows(count: int) -> Ints:
    """At most MAX_ROWS of so many rows, evenly."""
    return np.linspace(0, count - 1, min(MAX_ROWS, count)).astype(int)


def page_table(names: Sequence[str], values: Array, label: np.ndarray, action: np.ndarray) -> pd.DataFrame:
    """A table as `write_page` wants it: features by name, label and action (positions in CLASSES) as class names."""
    class_names = np.array(CLASSES, dtype=object)
    return pd.DataFrame(values.astype(float), columns=list(names)).assign(
        label=class_names[label], action=class_names[action]
    )
