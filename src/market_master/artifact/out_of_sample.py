"""Out-of-sample predictions of a version: all that a backtest may trade on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market_master import files
from market_master.domain import Array, Ints, ModelError

OUT_OF_SAMPLE_FILE = "out_of_sample.npz"
HOLDOUT = 0
"""the fold of hold-out rows"""


@dataclass(frozen=True, eq=False)
class OutOfSample:
    """Rows of bars with all features, in order of (bar_end, symbol)."""

    symbols: NDArray[np.str_]
    code: Ints
    """place of a row's symbol in `symbols`"""
    bar_end: Ints
    session: Ints
    fold: NDArray[np.int8]
    """the walk-forward fold whose model answered, from 2 on; 0 for the hold-out, answered by the registered graph"""
    probabilities: Array
    """[n, 5], calibrated by what came before"""
    decided: NDArray[np.int8]
    """the policy rule's action, before any filter"""
    label: NDArray[np.int8]
    """the action that was right, -1 where it is not known"""
    z: Array
    """the scaled return behind the label"""

    def to_bytes(self) -> bytes:
        """As a file's content."""
        return files.to_npz(self)

    @classmethod
    def read(cls, folder: Path) -> OutOfSample:
        """What lies beside a version. Raises ModelError when it has none."""
        try:
            return files.from_npz(cls, folder / OUT_OF_SAMPLE_FILE)
        except (OSError, KeyError, ValueError) as error:
            raise ModelError(
                f"The version has no readable {OUT_OF_SAMPLE_FILE} ({error!r}): what it answered out of sample was not kept "
                "when it was made. Train anew."
            ) from error
