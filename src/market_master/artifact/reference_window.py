"""Reference window: a sample of training and hold-out rows, for drift readings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market_master import files
from market_master.domain import Array, Ints, ModelError

REFERENCE_FILE = "reference.npz"
MAX_SESSIONS, MAX_SESSION_ROWS = 260, 400
"""the newest sessions, and of each at most so many rows"""


@dataclass(frozen=True, eq=False)
class Reference:
    """Rows with all features and a label, in order of time."""

    names: NDArray[np.str_]
    values: NDArray[np.float32]
    session: Ints
    learned: NDArray[np.bool_]
    """of the training window; the others are of the hold-out"""
    action: NDArray[np.int8]
    """the label"""
    z: Array
    probabilities: Array
    """answers to rows that had not been learned from: out of fold, or on the hold-out; NaN where there are none"""
    prior: Array
    """[5]: class shares the version compares itself with"""

    def to_bytes(self) -> bytes:
        """As a file's content."""
        return files.to_npz(self)

    @classmethod
    def read(cls, folder: Path) -> Reference:
        """What lies beside a version. Raises ModelError when it has none."""
        try:
            return files.from_npz(cls, folder / REFERENCE_FILE)
        except (OSError, KeyError, ValueError) as error:
            raise ModelError(
                f"The version has no readable {REFERENCE_FILE} to compare with ({error!r}); it was made before references "
                "were kept: train anew."
            ) from error


def sample(session: Ints) -> Ints:
    """At most `MAX_SESSION_ROWS` rows of each session, in order; which ones depends on the session alone."""
    order = np.argsort(session, kind="stable")
    days, first = np.unique(session[order], return_index=True)
    picked = [
        rows
        if len(rows) <= MAX_SESSION_ROWS
        else rows[np.random.default_rng(abs(day)).permutation(len(rows))[:MAX_SESSION_ROWS]]
        for day, rows in zip(days.tolist(), np.split(order, first[1:]), strict=True)
    ]
    return np.sort(np.concatenate(picked)) if picked else order
