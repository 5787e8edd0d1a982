"""Distances between a window of sessions and a reference.

And the same distances of the reference's own past blocks.

Bars follow each other, so a window differs from its reference even where nothing has changed, by as much as its
autocorrelation makes it. What is usual is read off blocks of the reference that are as long as the window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market_master.domain import Array, Ints

FINE, DECILES = 50, 10
"""bins of equal count in the reference, for the Wasserstein distance (of what lies between the outermost edges, the 2nd and
98th percentile) and for the population stability index"""
STATISTICS = ("psi", "wasserstein")
FAR = 4.0
"""standard deviations beyond the mean of the past blocks; with few blocks their largest alone is too easily passed"""


@dataclass(frozen=True, eq=False)
class Counts:
    """How the rows of each session fall into bins of equal count in the reference: [sessions, columns, bins]."""

    edges: Array
    """[columns, bins - 1]"""
    spread: Array
    """standard deviation in the reference"""
    by_session: NDArray[np.float64]

    @classmethod
    def of(cls, values: Array, session: Ints) -> Counts:
        """The reference's own, its sessions in order."""
        edges = np.quantile(values, np.arange(1, FINE) / FINE, axis=0).T
        bare = cls(edges, np.maximum(values.std(axis=0), 1e-12), np.empty(0))
        return cls(bare.edges, bare.spread, bare.counted(values, session))

    def counted(self, values: Array, session: Ints) -> NDArray[np.float64]:
        """Other rows in the same bins."""
        days, day = np.unique(session, return_inverse=True)
        counts = np.empty((len(days), len(self.edges), FINE))
        for column, edges in enumerate(self.edges):
            which = day * FINE + np.searchsorted(edges, values[:, column], side="right")
            counts[:, column] = np.bincount(which, minlength=len(days) * FINE).reshape(len(days), FINE)
        return counts

    def past(self, sessions: int) -> Array:
        """Distances of every block of so many sessions from all the others: [blocks, columns, statistics]."""
        blocks = windows(self.by_session, sessions)
        return self._distances(blocks, self.by_session.sum(axis=0) - blocks)

    def now(self, counts: NDArray[np.float64], sessions: int, evaluations: int) -> Array:
        """Distances of the newest windows from the reference, oldest window first: [windows, columns, statistics]."""
        newest = windows(counts, sessions)[-evaluations:]
        return self._distances(newest, self.by_session.sum(axis=0)[None])

    def _distances(self, window: Array, reference: Array) -> Array:
        shares = [part / np.maximum(part.sum(axis=-1, keepdims=True), 1) for part in (window, reference)]
        gap = np.abs(shares[0].cumsum(axis=-1) - shares[1].cumsum(axis=-1))[..., :-1]
        return np.stack([_psi(window, reference), (gap * self._widths).sum(axis=-1) / self.spread], axis=-1)

    @property
    def _widths(self) -> Array:
        """How much of the axis each edge stands for."""
        steps = np.diff(self.edges, axis=1) / 2
        return np.pad(steps, ((0, 0), (0, 1))) + np.pad(steps, ((0, 0), (1, 0)))


def windows(by_session: NDArray[np.float64], sessions: int) -> NDArray[np.float64]:
    """Sums over every run of so many sessions, oldest first."""
    total = np.concatenate([np.zeros((1, *by_session.shape[1:])), by_session.cumsum(axis=0)])
    return np.asarray(total[sessions:] - total[:-sessions]) if len(by_session) >= sessions else total[:0]


def unusual(past: Array, now: Array) -> tuple[Array, Array, float]:
    """The most unusual column of each past block and of each window, and the limit for it.

    How unusual is told on the log scale in standard deviations of that column's own past; so a hundred columns are one
    family, and one alarm. The limit is the largest of the past blocks, and at least `FAR` deviations above their mean.
    """
    logs = [np.log(np.maximum(part, 1e-6)) for part in (past, now)]
    mean, spread = logs[0].mean(axis=0), np.maximum(logs[0].std(axis=0), 0.1)
    worst = [((log - mean) / spread).max(axis=(1, 2)) for log in logs]
    return worst[0], worst[1], float(max(worst[0].max(), worst[0].mean() + FAR * worst[0].std()))


def _psi(window: Array, reference: Array) -> Array:
    """Population stability index over deciles; half a row in each bin keeps the logarithm finite."""
    coarse = [
        part.reshape(*part.shape[:-1], DECILES, FINE // DECILES).sum(axis=-1) + 0.5 for part in (window, reference)
    ]
    p, q = (part / part.sum(axis=-1, keepdims=True) for part in coarse)
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=-1))
