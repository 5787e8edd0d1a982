"""Pictures of a model's out-of-sample answers: confusion, calibration, precision-recall and ROC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market_master.domain.actions import CLASSES
from market_master.domain.bars import Array


def draw(
    folder: Path, name: str, *, probabilities: Array, decided: NDArray[np.integer], action: NDArray[np.integer]
) -> list[Path]:
    """Four PNG files of one candidate in a folder: confusion matrix, reliability, precision-recall, ROC."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from sklearn.calibration import CalibrationDisplay
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
                CalibrationDisplay.from_predictions(hit, p, n_bins=10, strategy="quantile", name=label, ax=axes)
            elif picture == "precision_recall":
                PrecisionRecallDisplay.from_predictions(hit, p, name=label, ax=axes)
            elif picture == "roc":
                RocCurveDisplay.from_predictions(hit, p, name=label, ax=axes)
        if picture == "calibration":
            top = float(np.quantile(probabilities, 0.999)) * 1.1
            axes.set(xlim=(0, top), ylim=(0, top))
        axes.set_title(f"{name}: {picture.replace('_', ' ')}, out of sample")
        file = folder / f"{name}_{picture}.png"
        figure.savefig(file, dpi=90)
        pyplot.close(figure)
        files.append(file)
    return files
