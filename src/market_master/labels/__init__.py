"""Labels: an action cut from the return of the next bars.

Training only; predicting may not import this room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from market_master.domain import DAY, Array, Bars, Ints, Mask, ModelError, TooFewBars
from market_master.plugins import load_family

STALE_JUMP = 0.25
"""A bar's return beyond this, with no corporate action on record, is not trusted as a label."""


@dataclass(frozen=True, eq=False)
class Labels:
    """For each bar, what its next bars brought; `action` is -1 and the floats NaN where there is none."""

    action: NDArray[np.int8]
    z: Array
    """forward return in units of the scale known at the bar"""
    forward_return: Array
    """log return over the horizon"""
    label_end: Ints
    """when the label was known: the end of the bar that decided it"""
    crosses_session: Mask
    """that bar lies in another session"""

    @property
    def known(self) -> Mask:
        """Rows that have a label."""
        return self.action >= 0


class Labeler(Protocol):
    """Learns thresholds on training rows; cuts actions for any rows."""

    @property
    def window(self) -> LabelWindow:
        """Over what it looks."""
        ...

    def fit(self, bars: Bars, train: Mask) -> Labeler:
        """A labeler whose state comes from the training rows (a mask over the bars) only."""
        ...

    def transform(self, bars: Bars) -> Labels:
        """Labels of all rows; the last bars of each symbol have none."""
        ...

    def state(self) -> dict[str, Any]:
        """What was learned, as plain values for the model card; `restored` makes the labeler of it again."""
        ...


def labeler_from_state(state: dict[str, Any]) -> Labeler:
    """The labeler a model card holds. Raises ModelError for a kind that is no more."""
    known = load_family("labels")
    if state.get("kind") not in known:
        raise ModelError(f"The card's label is '{state.get('kind')}'; there are {', '.join(known)}.")
    labeler: Labeler = known[state["kind"]].factory(**{name: value for name, value in state.items() if name != "kind"})
    return labeler


@dataclass(frozen=True)
class LabelWindow:
    """Over what a label looks: from the next open, or this close, to the close `horizon` bars on.

    A trade at the next open, left at that close, earns the first. The night is in no label of an intraday bar: a window
    with a gap of the calendar inside is not used, so with `close_to_close` a session's last bars have no label.
    """

    target: str = "open_to_close"
    horizon: int = 1

    def returns(self, bars: Bars) -> Array:
        """Log return of each bar's window; NaN where a bar is missing, not trusted, or the night lies inside."""
        last = np.minimum(np.arange(len(bars)) + self.horizon, len(bars) - 1)
        value = np.log(bars.close[last] / self._entry(bars))
        return np.where(self._complete(bars), value, np.nan)

    def bar_returns(self, bars: Bars) -> Array:
        """The same return over each bar itself (a window of one bar that ends with it), for measuring volatility."""
        value = np.log(bars.close / bars.open)
        if self.target == "close_to_close":
            value[1:] = np.where(self._next(bars)[:-1] & ~self._gap(bars)[:-1], np.diff(np.log(bars.close)), np.nan)
            value[:1] = np.nan
        stale = (bars.volume == 0) & (bars.high == bars.low)
        return np.where(stale | (np.abs(value) > STALE_JUMP), np.nan, value)

    def end(self, bars: Bars) -> Ints:
        """When each bar's window closes, by the calendar."""
        if self.horizon == 1:
            return bars.next_end
        schedule = bars.timetable.between(int(bars.bar_end.min()), bars.newest + 4 * self.horizon * DAY)
        return schedule.end[schedule.by_end(bars.bar_end) + self.horizon]

    def _entry(self, bars: Bars) -> Array:
        return bars.close if self.target == "close_to_close" else np.append(bars.open[1:], np.nan)

    def _complete(self, bars: Bars) -> Mask:
        """Rows whose window has all its bars, each trusted, and no night inside."""
        follows, gap, sound = self._next(bars), self._gap(bars), np.isfinite(self.bar_returns(bars))
        complete = np.ones(len(bars), dtype=bool)
        for ahead in range(self.horizon):
            step = np.append(follows[ahead:], np.zeros(ahead, dtype=bool))
            night = np.append(gap[ahead:], np.zeros(ahead, dtype=bool))
            trusted = np.append(sound[ahead + 1 :], np.zeros(ahead + 1, dtype=bool))
            complete &= step & trusted & ~(night & (ahead > 0 or self.target == "close_to_close"))
        return complete

    def _next(self, bars: Bars) -> Mask:
        """Rows whose next row is the same symbol's next bar by the calendar."""
        follows = np.zeros(len(bars), dtype=bool)
        follows[:-1] = (bars.code[1:] == bars.code[:-1]) & (bars.bar_end[1:] == bars.next_end[:-1])
        return follows

    def _gap(self, bars: Bars) -> Mask:
        """Rows after which trading pauses; a daily bar's night belongs to it."""
        return (bars.next_start > bars.bar_end) & (bars.timetable.interval != "1d")


def assign_labels(bars: Bars, z: Array, ahead: Array, weak: Array, strong: Array, label_end: Ints) -> Labels:
    """Labels from forward returns and two thresholds (log returns) for each row: symmetric, ties go to hold."""
    known = np.isfinite(ahead) & np.isfinite(z) & np.isfinite(weak)
    size = (np.abs(ahead) > weak).astype(np.int8) + (np.abs(ahead) > strong)
    action = np.where(known, 2 + np.sign(np.where(known, ahead, 0)) * size, -1).astype(np.int8)
    return labels_of(bars, action, z, ahead, label_end)


def labels_of(bars: Bars, action: NDArray[np.int8], z: Array, ahead: Array, label_end: Ints) -> Labels:
    """Labels whose numbers are NaN wherever the action is -1."""
    known = action >= 0
    schedule = bars.timetable.between(int(bars.bar_end.min()), int(label_end.max()))
    return Labels(
        action=action,
        z=np.where(known, z, np.nan),
        forward_return=np.where(known, ahead, np.nan),
        label_end=label_end,
        crosses_session=known & (schedule.session[schedule.by_end(label_end)] != bars.session),
    )


def uniqueness(bars: Bars, labels: Labels) -> Array:
    """How much of each label is its own news: the mean, over the bars it spans, of 1 / labels that span the bar.

    1 for labels that never overlap. Lopez de Prado, Advances in Financial Machine Learning, ch. 4.
    """
    weight = np.ones(len(bars))
    for _, rows in bars:
        ends, known = bars.bar_end[rows], labels.known[rows]
        first = np.arange(len(ends)) + 1
        stop = np.searchsorted(ends, labels.label_end[rows], "right")
        stop = np.maximum(np.minimum(stop, len(ends)), np.minimum(first, len(ends)))
        change = np.zeros(len(ends) + 2)
        np.add.at(change, first[known], 1.0)
        np.add.at(change, stop[known], -1.0)
        shared = np.concatenate([[0.0], np.cumsum(1 / np.maximum(np.cumsum(change)[: len(ends)], 1.0))])
        first = np.minimum(first, len(ends))
        weight[rows] = np.where(known, (shared[stop] - shared[first]) / np.maximum(stop - first, 1), 1.0)
    return weight


def require_rows(count: int, needed: int = 100) -> None:
    """Refuse to learn thresholds from too few returns."""
    if count < needed:
        raise TooFewBars(
            f"Label thresholds need at least {needed} scaled returns, {count} were given.", given=count, needed=needed
        )
