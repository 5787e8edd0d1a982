"""Bootstrap of trading days: circular blocks for intervals, permuted days for luck."""

from __future__ import annotations

import numpy as np

from market_master.domain import Array, Ints

SEED = 7
"""of every draw that is no model's own"""
BLOCK = 5
"""days that are drawn together"""
DRAWS = 2000
"""of a test, or of an interval that decides"""
RANDOM_PATHS = 200
"""of positions dealt to other days"""


def circular_blocks(count: int, block: int, draws: int, seed: int) -> Ints:
    """Days drawn in circular blocks: [draws, count] (Politis and Romano 1992)."""
    block = min(block, count)
    starts = np.random.default_rng(seed).integers(0, count, (draws, -(-count // block)))
    return ((starts[..., None] + np.arange(block)) % count).reshape(draws, -1)[:, :count]


def day_draws(days: int, *, draws: int, seed: int) -> Array:
    """How often each day is drawn: [draws, days], in circular blocks of `BLOCK` days."""
    drawn = np.arange(draws)[:, None] * days + circular_blocks(days, BLOCK, draws, seed)
    return np.bincount(drawn.ravel(), minlength=draws * days).reshape(draws, days).astype(float)


def permute_days(code: Ints, slot: Ints, session: Ints, random: np.random.Generator) -> Ints:
    """For each row the index of its counterpart: same symbol and slot, on the day that takes its day's place.

    A day keeps its shape and its cross-section; a row without a counterpart stays where it is.
    """
    days, day = np.unique(session, return_inverse=True)
    kinds, kind = np.unique(code * 10_000 + slot, return_inverse=True)
    key = day * len(kinds) + kind
    order = np.argsort(key, kind="stable")
    target = random.permutation(len(days))[day] * len(kinds) + kind
    at = np.minimum(np.searchsorted(key[order], target), len(key) - 1)
    counterpart = order[at]
    return np.where(key[counterpart] == target, counterpart, np.arange(len(key)))
