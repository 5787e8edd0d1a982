"""Time is cut by whole sessions, for all symbols at once, and nothing learned from was unknown when testing began."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from market_master.cli.common import exit_code
from market_master.domain.errors import TooFewBars
from market_master.training.folds import CombinatorialPurged, Fold, PurgedWalkForward, sample_timestamps, zones
from tests.support.random_bars import random_bars

DAY, HOUR = 86_400, 3600
law = settings(max_examples=80, derandomize=True, database=None, deadline=None)


class Panel(NamedTuple):
    """Rows of a ragged market in any order."""

    session: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    label_end: NDArray[np.int64]

    def shuffled(self, seed: int) -> tuple[Panel, NDArray[np.int64]]:
        """The same rows in another order, and that order."""
        order = np.random.default_rng(seed).permutation(len(self.end))
        return Panel(*(column[order] for column in self)), order


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    """Sessions of any length (24 slots leave no night), symbols that start late, stop early and miss bars."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sessions, slots, symbols = draw(st.integers(20, 60)), draw(st.sampled_from([1, 2, 5, 24])), draw(st.integers(1, 4))
    days = np.cumsum(random.choice([1, 1, 1, 3], sessions)) if slots < 24 else np.arange(sessions)
    start = (days[:, None] * DAY + np.arange(slots) * HOUR).ravel()
    session, end = np.repeat(days, slots), start + HOUR
    label_end = np.append(end[1:], end[-1] + DAY)
    kept = random.random((symbols, len(start))) >= draw(st.sampled_from([0.0, 0.2, 0.7]))
    for row in kept[1:]:
        row[: random.integers(0, len(start))] = False
        row[len(start) - random.integers(0, len(start) // 2 + 1) :] = False
    at = np.concatenate([np.flatnonzero(row) for row in kept])
    return Panel(session[at], start[at], end[at], label_end[at])


def folds(panel: Panel, splits: int, embargo: int) -> list[Fold] | None:
    """The folds, or None where there are too few sessions."""
    try:
        return list(PurgedWalkForward(splits, embargo).split(panel.session, panel.end, panel.label_end))
    except TooFewBars:
        assert len(np.unique(panel.session)) < (splits + 1) * (embargo + 1) + splits
        return None


@law
@given(panels(), st.integers(2, 6), st.integers(0, 3))
def test_training_knew_nothing_of_the_test(panel, splits, embargo) -> None:
    """Every label learned from had ended before the test's first bar did, and by the time that bar began."""
    for fold in folds(panel, splits, embargo) or []:
        assert fold.train.any()
        assert panel.label_end[fold.train].max() < panel.end[fold.test].min()
        assert panel.label_end[fold.train].max() <= panel.start[fold.test].min()
        if embargo:
            assert panel.label_end[fold.train].max() < panel.start[fold.test].min()


@law
@given(panels(), st.integers(2, 6), st.integers(0, 3))
def test_an_instant_is_on_one_side_for_all_symbols(panel, splits, embargo) -> None:
    """No timestamp is in both parts, and none is partly in one."""
    for fold in folds(panel, splits, embargo) or []:
        for side in (fold.train, fold.test):
            assert not np.isin(panel.end[~side], panel.end[side]).any()
        assert not np.isin(panel.session[fold.test], panel.session[fold.train]).any()


@law
@given(panels(), st.integers(2, 6), st.integers(0, 3))
def test_tests_follow_each_other_and_training_grows(panel, splits, embargo) -> None:
    """As many folds as asked; the tests are all sessions after the first block, each once; training only grows."""
    found = folds(panel, splits, embargo)
    if found is None:
        return
    days = np.unique(panel.session)
    tested = [np.unique(panel.session[fold.test]) for fold in found]
    assert len(found) == splits
    assert np.array_equal(np.concatenate(tested), days[-sum(map(len, tested)) :])
    assert max(map(len, tested)) - min(map(len, tested)) <= 1
    assert all((later.train | ~earlier.train).all() for earlier, later in pairwise(found))


@law
@given(panels(), st.integers(2, 6), st.integers(0, 3))
def test_the_embargo_is_whole_sessions(panel, splits, embargo) -> None:
    """Between the last day learned from and the first tested lie at least that many sessions of the market."""
    days = np.unique(panel.session)
    for fold in folds(panel, splits, embargo) or []:
        last, first = panel.session[fold.train].max(), panel.session[fold.test].min()
        assert np.searchsorted(days, first) - np.searchsorted(days, last) > embargo


@law
@given(panels(), st.integers(2, 5), st.integers(0, 2), st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(panel, splits, embargo, seed) -> None:
    """Shuffled rows fall into the same parts."""
    other, order = panel.shuffled(seed)
    pairs = zip(folds(panel, splits, embargo) or [], folds(other, splits, embargo) or [], strict=True)
    for one, two in pairs:
        assert np.array_equal(one.train[order], two.train)
        assert np.array_equal(one.test[order], two.test)


@law
@given(panels(), st.integers(2, 5), st.integers(0, 2), st.integers(1, 30))
def test_a_rolling_window_is_the_newest_part_of_the_expanding_one(panel, splits, embargo, kept) -> None:
    """The same tests; of the training rows those of the last so many sessions."""
    if folds(panel, splits, embargo) is None:
        return
    rolling = PurgedWalkForward(splits, embargo, kept).split(panel.session, panel.end, panel.label_end)
    days = np.unique(panel.session)
    for one, other in zip(folds(panel, splits, embargo), rolling, strict=True):
        assert np.array_equal(one.test, other.test)
        assert not (other.train & ~one.train).any()
        first = days[max(0, np.searchsorted(days, panel.session[one.train].max()) + 1 - kept)]
        assert not (one.train & ~other.train & (panel.session > first)).any()
        assert len(np.unique(panel.session[other.train])) <= kept


@law
@given(panels(), st.integers(0, 2))
def test_combinations_purge_on_both_sides_of_each_test(panel, embargo) -> None:
    """15 splits of 6 blocks add up to 5 whole paths; no training label reaches into a test block, nor sits just after."""
    splitter = CombinatorialPurged(6, 2, embargo)
    days = np.unique(panel.session)
    if len(days) < 6 * (embargo + 2):
        with pytest.raises(TooFewBars):
            list(splitter.split(panel.session, panel.end, panel.label_end))
        return
    found = list(splitter.split(panel.session, panel.end, panel.label_end))
    assert (len(found), splitter.paths) == (15, 5)
    assert (sum(fold.test.astype(int) for _, fold in found) == 5).all()
    for chosen, fold in found:
        assert not (fold.train & fold.test).any()
        for block in (np.array_split(days, 6)[number] for number in chosen):
            inside = (panel.session >= block[0]) & (panel.session <= block[-1])
            earlier = fold.train & (panel.session < block[0])
            assert panel.label_end[earlier].max(initial=0) < panel.end[inside].min()
            near = days[np.searchsorted(days, block[-1]) + 1 :][:embargo]
            assert not np.isin(panel.session[fold.train], near).any()


def test_too_few_sessions_for_the_folds_are_refused_with_both_numbers() -> None:
    """Five folds with an embargo of one need 17 sessions."""
    day = np.arange(16)
    with pytest.raises(TooFewBars, match=r"17 sessions, 16 were given"):
        list(PurgedWalkForward(5, 1).split(day, day * DAY, day * DAY + 1))
    day = np.arange(17)
    assert len(list(PurgedWalkForward(5, 1).split(day, day * DAY, day * DAY + 1))) == 5


@pytest.mark.parametrize(
    ("sessions", "held", "short"),
    [(15, 5, True), (20, 5, True), (25, 5, True), (100, 20, True), (239, 48, True),
     (240, 60, False), (300, 60, False), (301, 60, False), (400, 80, False), (1000, 200, False)],
)  # fmt: skip
def test_the_hold_out_has_the_size_of_ruling_7(sessions, held, short) -> None:
    """20 % and at least 60 sessions; with fewer than 4 x 60, 20 % and at least 5, and that is called short."""
    day = np.repeat(np.arange(sessions), 2)
    end = np.arange(2 * sessions) * 12 * HOUR
    cut = zones(day, end + 12 * HOUR, end, share=0.20, min_holdout=60, embargo=1)
    assert (cut.holdout_sessions, cut.short) == (held, short)
    assert np.unique(day[cut.holdout]).tolist() == list(range(sessions - held, sessions))
    assert np.unique(day[cut.dev]).tolist() == list(range(sessions - held - 1))


@pytest.mark.parametrize(
    ("sessions", "embargo", "needed"), [(14, 1, 15), (1, 1, 15), (0, 1, 15), (20, 15, 21), (15, 40, 46)]
)
def test_too_short_a_history_is_refused_with_both_numbers(sessions, embargo, needed) -> None:
    """Below 15 sessions, or where the embargo leaves nothing to learn from."""
    day = np.arange(sessions)
    with pytest.raises(TooFewBars, match="longer history") as caught:
        zones(day, day * DAY + DAY, day * DAY, share=0.20, min_holdout=60, embargo=embargo)
    assert exit_code(caught.value) == 3
    assert caught.value.numbers == {"given": sessions, "needed": needed}


@law
@given(panels(), st.integers(0, 3), st.integers(5, 20), st.sampled_from([0.1, 0.2, 0.4]))
def test_development_knew_nothing_of_the_hold_out(panel, embargo, least, share) -> None:
    """The folds' laws hold for the zones: by time, by session, for all symbols."""
    if len(np.unique(panel.session)) < 15:
        return
    cut = zones(panel.session, panel.label_end, panel.end, share=share, min_holdout=least, embargo=embargo)
    assert cut.dev.any()
    assert panel.label_end[cut.dev].max() < panel.end[cut.holdout].min()
    assert panel.label_end[cut.dev].max() <= panel.start[cut.holdout].min()
    assert len(np.unique(panel.session[cut.holdout])) == cut.holdout_sessions
    days = np.unique(panel.session)
    gap = np.searchsorted(days, panel.session[cut.holdout].min()) - np.searchsorted(days, panel.session[cut.dev].max())
    assert gap > embargo


def test_real_calendars_keep_the_laws() -> None:
    """Half-days, nights and holes: the labels of bars of real sessions end before the hold-out begins."""
    bars = random_bars(1, symbols=3, sessions=40, missing=0.1)
    cut = zones(bars.session, bars.next_end, bars.bar_end, share=0.2, min_holdout=10, embargo=1)
    assert bars.next_end[cut.dev].max() < bars.bar_start[cut.holdout].min()
    for fold in PurgedWalkForward(3, 1).split(bars.session, bars.bar_end, bars.next_end):
        assert bars.next_end[fold.train].max() < bars.bar_start[fold.test].min()


@law
@given(panels(), st.integers(1, 300))
def test_thinning_keeps_whole_timestamps_and_the_limit(panel, limit) -> None:
    """Of each instant all training rows or none; at most `limit` rows, and few less than could be."""
    train = panel.session <= np.quantile(panel.session, 0.8)
    kept = sample_timestamps(train, panel.end, limit)
    assert not (kept & ~train).any()
    assert not np.isin(panel.end[kept], panel.end[train & ~kept]).any()
    widest = int(np.unique(panel.end[train], return_counts=True)[1].max())
    if train.sum() <= limit:
        assert np.array_equal(kept, train)
    else:
        assert limit - widest < kept.sum() <= limit


def test_thinning_is_even_over_time() -> None:
    """A third of the rows is every third instant, from the beginning to the end."""
    end = np.repeat(np.arange(900) * HOUR, 4)
    kept = np.unique(end[sample_timestamps(np.ones(len(end), dtype=bool), end, 1200)]) // HOUR
    assert set(np.diff(kept)) <= {2, 3, 4}
    assert len(kept) == 300
    assert kept[0] < 4
    assert kept[-1] > 895
