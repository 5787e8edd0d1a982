"""Purged splits of time by whole sessions, shared by all symbols."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from market_master.domain import Ints, Mask, TooFewBars

MIN_DEV_SESSIONS = 15


@dataclass(frozen=True, eq=False)
class Fold:
    """One train/test split in time, as masks over rows."""

    train: Mask
    test: Mask


@dataclass(frozen=True, eq=False)
class Zones:
    """Development rows, where everything is chosen, and hold-out rows, which only the gate reads."""

    dev: Mask
    holdout: Mask
    holdout_sessions: int
    short: bool
    """too little history for a full hold-out: the run can end provisional at most"""


@dataclass(frozen=True)
class PurgedWalkForward:
    """Walk-forward over sessions: training rows are those whose label was known before the test block began.

    The sessions are cut into `splits` + 1 blocks; fold k trains on the blocks before block k and tests on it, with
    `embargo` whole sessions left out between. Source: Lopez de Prado, Advances in Financial Machine Learning, ch. 7.
    """

    splits: int = 5
    embargo: int = 1
    train_sessions: int | None = None
    """of a rolling window; None = all before (expanding)"""

    def split(self, session: Ints, bar_end: Ints, label_end: Ints) -> Iterator[Fold]:
        """Masks of each fold in order of time, for rows with a session number, a bar_end and a label end."""
        days = np.unique(session)
        if len(days) < (self.splits + 1) * (self.embargo + 1) + self.splits:
            raise TooFewBars(
                f"{self.splits} folds with an embargo of {self.embargo} need at least "
                f"{(self.splits + 1) * (self.embargo + 1) + self.splits} sessions, {len(days)} were given.",
                given=len(days),
            )
        for block, before in zip(
            np.array_split(days, self.splits + 1)[1:],
            np.cumsum([len(b) for b in np.array_split(days, self.splits + 1)]),
            strict=False,
        ):
            test = (session >= block[0]) & (session <= block[-1])
            last = max(0, before - 1 - self.embargo)
            first = 0 if self.train_sessions is None else max(0, last + 1 - self.train_sessions)
            train = (session >= days[first]) & (session <= days[last]) & (label_end < bar_end[test].min())
            yield Fold(train, test)


@dataclass(frozen=True)
class CombinatorialPurged:
    """Every way of testing on `tests` of `groups` blocks of sessions: 6 over 2 gives 15 splits and 5 whole paths.

    It trains on the future of what it tests, so it is an audit of how much the order of history mattered, never the
    deciding score. Training rows whose label reaches into a test block, and `embargo` sessions after each, are left out.
    Source: Lopez de Prado, Advances in Financial Machine Learning, ch. 12.
    """

    groups: int = 6
    tests: int = 2
    embargo: int = 1

    @property
    def paths(self) -> int:
        """Whole histories that the splits add up to."""
        return len(list(combinations(range(self.groups), self.tests))) * self.tests // self.groups

    def split(self, session: Ints, bar_end: Ints, label_end: Ints) -> Iterator[tuple[tuple[int, ...], Fold]]:
        """The tested blocks and the masks of each split."""
        days = np.unique(session)
        if len(days) < self.groups * (self.embargo + 2):
            raise TooFewBars(
                f"{self.groups} blocks with an embargo of {self.embargo} need at least {self.groups * (self.embargo + 2)} "
                f"sessions, {len(days)} were given.",
                given=len(days),
            )
        blocks = np.array_split(days, self.groups)
        for chosen in combinations(range(self.groups), self.tests):
            test, train = np.zeros(len(session), dtype=bool), np.ones(len(session), dtype=bool)
            for number in chosen:
                inside = (session >= blocks[number][0]) & (session <= blocks[number][-1])
                past = np.searchsorted(days, blocks[number][-1]) + self.embargo
                reaches = (bar_end < bar_end[inside].min()) & (label_end >= bar_end[inside].min())
                after = (session > blocks[number][-1]) & (session <= days[min(past, len(days) - 1)])
                test |= inside
                train &= ~(inside | reaches | after)
            yield chosen, Fold(train, test)


def zones(session: Ints, label_end: Ints, bar_end: Ints, *, share: float, min_holdout: int, embargo: int) -> Zones:
    """Cut the hold-out off the end: `share` of the sessions, at least `least`.

    With fewer than 4 x `least` sessions it is 20 % of them, at least 5, and the history counts as short.
    Raises TooFewBars below 15 sessions, and where hold-out and embargo leave nothing to learn from.
    """
    days = np.unique(session)
    short = len(days) < 4 * min_holdout
    holdout_sessions = max(5, round(0.20 * len(days))) if short else max(min_holdout, round(share * len(days)))
    min_sessions = max(MIN_DEV_SESSIONS, holdout_sessions + embargo + 1)
    if len(days) < min_sessions:
        raise TooFewBars(
            f"Training needs at least {min_sessions} sessions, {len(days)} were given; fetch a longer history.",
            given=len(days),
            needed=min_sessions,
        )
    holdout = session >= days[-holdout_sessions]
    dev = (session <= days[-holdout_sessions - 1 - embargo]) & (label_end < bar_end[holdout].min())
    return Zones(dev, holdout, holdout_sessions, short)


def sample_timestamps(train: Mask, bar_end: Ints, limit: int) -> Mask:
    """Training rows thinned to at most `limit` by dropping whole timestamps, evenly over time."""
    count = int(train.sum())
    if count <= limit:
        return train
    instants, rows = np.unique(bar_end[train], return_counts=True)
    keep, saved = np.zeros(len(instants), dtype=bool), 0
    for index, here in enumerate(rows.tolist()):
        saved += here * limit
        if saved >= here * count:
            saved -= here * count
            keep[index] = True
    return train & np.isin(bar_end, instants[keep])
