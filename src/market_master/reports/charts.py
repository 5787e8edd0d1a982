"""Charts of predictions: PNG files for MLflow, SVG text for self-contained pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.domain import CLASSES, Array

COLOURS = ("#b2182b", "#ef8a62", "#777777", "#67a9cf", "#2166ac")
"""of the five actions, from strong_sell to strong_buy"""


def write_charts(
    folder: Path,
    name: str,
    *,
    probabilities: Array,
    decided: NDArray[np.integer],
    action: NDArray[np.integer],
    reliability: Array,
) -> list[Path]:
    """Four PNG files of one candidate in a folder: confusion matrix, reliability, precision-recall, ROC."""
    pyplot = _pyplot()
    from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, RocCurveDisplay

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for picture in ("confusion", "calibration", "precision_recall", "roc"):
        figure, axes = pyplot.subplots(figsize=(6, 5), layout="constrained")
        if picture == "confusion":
            ConfusionMatrixDisplay.from_predictions(
                action, decided, labels=np.arange(5), display_labels=CLASSES, normalize="true",
                values_format=".2f", cmap="Blues", ax=axes, xticks_rotation=30, colorbar=False,
            )  # fmt: skip
        for number, label in enumerate(CLASSES):
            hit, p = action == number, probabilities[:, number]
            if picture == "calibration":
                _plot_reliability(axes, reliability[number], COLOURS[number], label)
            elif picture == "precision_recall":
                PrecisionRecallDisplay.from_predictions(hit, p, name=label, ax=axes)
            elif picture == "roc":
                RocCurveDisplay.from_predictions(hit, p, name=label, ax=axes)
        if picture == "calibration":
            axes.legend(fontsize=7)
        axes.set_title(f"{name}: {picture.replace('_', ' ')}, out of sample")
        file = folder / f"{name}_{picture}.png"
        figure.savefig(file, dpi=90)
        pyplot.close(figure)
        files.append(file)
    return files


def reliability_svg(reliability: Array) -> str:
    """Stated against come true for each action, with the band of a bootstrap of days: [5, bins, 4]."""
    figure, rows = _pyplot().subplots(1, len(CLASSES), figsize=(13, 2.9), layout="constrained")
    for number, label in enumerate(CLASSES):
        _plot_reliability(rows[number], reliability[number], COLOURS[number], label)
        rows[number].set_title(label, fontsize=9)
    rows[0].set_ylabel("came true")
    return _svg(figure)


def intervals_svg(named: dict[str, tuple[float, float, float]], title: str, mark: str = "") -> str:
    """One line a name: value and the ends of its interval, as shares; `mark` is drawn bold."""
    figure, axes = _pyplot().subplots(figsize=(8, 0.7 + 0.27 * len(named)), layout="constrained")
    for row, (name, (value, low, high)) in enumerate(reversed(named.items())):
        colour = COLOURS[4] if name == mark else "#555555"
        axes.plot([low * 100, high * 100], [row, row], color=colour, lw=2)
        axes.plot([value * 100], [row], "o", color=colour)
    axes.axvline(0, color="#bbbbbb", lw=1)
    axes.set_yticks(range(len(named)), list(reversed(named)), fontsize=8)
    axes.set_title(title, fontsize=9)
    return _svg(figure)


def paths_svg(series: Mapping[str, Sequence[float]], title: str) -> str:
    """Running sums of daily values, in per cent."""
    figure, axes = _pyplot().subplots(figsize=(8, 2.8), layout="constrained")
    for colour, (name, values) in zip((COLOURS[4], COLOURS[0], "#555555"), series.items(), strict=False):
        axes.plot(np.cumsum(values) * 100, label=name, color=colour)
    axes.axhline(0, color="#bbbbbb", lw=1)
    axes.legend(fontsize=8)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("session of the hold-out", fontsize=8)
    return _svg(figure)


def _plot_reliability(axes: Any, values: Array, colour: str, label: str) -> None:
    stated, observed, low, high = values.T
    axes.fill_between(stated, low, high, color=colour, alpha=0.25, lw=0)
    axes.plot(stated, observed, "o-", color=colour, ms=3, lw=1, label=label)
    ends = [min(np.nanmin(stated), np.nanmin(low)), max(np.nanmax(stated), np.nanmax(high))]
    axes.plot(ends, ends, color="#bbbbbb", lw=1, zorder=0)
    axes.set_xlabel("stated", fontsize=8)
    axes.tick_params(labelsize=7)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "market-master"
    from matplotlib import pyplot

    return pyplot


def _svg(figure: Any) -> str:
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    _pyplot().close(figure)
    return re.sub(r"^.*?(?=<svg)", "", text.getvalue(), flags=re.S)
