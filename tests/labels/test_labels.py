"""A label says what the next bar brought, learns on training rows only, and is missing where nothing is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from market_master.domain.bars import Bars
from market_master.domain.errors import ConfigError, ModelError, TooFewBars
from market_master.labels import Labeler, Labels, LabelWindow, assign_labels, labeler_from_state, uniqueness
from market_master.plugins import load_family
from tests.support.random_bars import changed, random_bars, scaled, shaken

KINDS = sorted(name for name, plugin in load_family("labels").items() if "min_horizon" not in plugin.metadata)
every_kind = pytest.mark.parametrize("kind", KINDS)


def learned(kind: str, bars: Bars, train: NDArray[np.bool_] | None = None, **facts: float) -> Labeler:
    """A labeler with its own defaults, fitted on some rows (all, if none are named)."""
    labeler: Labeler = load_family("labels")[kind].factory(**facts)
    return labeler.fit(bars, np.ones(len(bars), dtype=bool) if train is None else train)


def everything(bars: Bars) -> NDArray[np.bool_]:
    """A mask over all rows."""
    return np.ones(len(bars), dtype=bool)


def moves(bars: Bars, body: NDArray[np.float64]) -> Bars:
    """The same bars with other in-bar log returns, ranges made to fit."""
    close = bars.open * np.exp(body)
    return changed(
        bars,
        everything(bars),
        close=close,
        high=np.maximum(bars.open, close) * 1.001,
        low=np.minimum(bars.open, close) * 0.999,
    )


def same(one: Labels, other: Labels, rows: NDArray[np.bool_], of: NDArray[np.bool_] | None = None) -> bool:
    """Are the labels of some rows the same to the last bit?"""
    there = rows if of is None else of
    return all(
        np.array_equal(getattr(one, name)[rows], getattr(other, name)[there], equal_nan=name in ("z", "forward_return"))
        for name in ("action", "z", "forward_return", "label_end", "crosses_session")
    )


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Three symbols over forty sessions, with a half-day, a clock change and holes."""
    return random_bars(3, symbols=3, sessions=40, missing=0.05)


@every_kind
def test_a_label_is_the_next_bars_move_from_open_to_close(kind, bars) -> None:
    """What a fill at the next open and an exit at that bar's close earns; z has its sign, the action its size."""
    labels = learned(kind, bars).transform(bars)
    rows = np.flatnonzero(labels.known)
    assert len(rows) > 0.7 * len(bars)
    assert np.array_equal(labels.forward_return[rows], np.log(bars.close[rows + 1] / bars.open[rows + 1]))
    assert (np.sign(labels.z[rows]) == np.sign(labels.forward_return[rows])).all()
    assert (labels.label_end[rows] == bars.bar_end[rows + 1]).all()
    assert set(np.unique(labels.action)) == {-1, 0, 1, 2, 3, 4}
    assert ((labels.action[rows] - 2) * labels.forward_return[rows] >= 0).all()


@every_kind
def test_what_comes_after_the_cut_changes_nothing_before_it(kind, bars) -> None:
    """State and training labels are bit-identical when all later bars are others, or not there at all."""
    moment = int(np.quantile(bars.bar_end, 0.6))
    train = bars.next_end <= moment
    one = learned(kind, bars, train)
    for other_bars in (shaken(bars, bars.bar_end > moment), bars.until(moment)):
        known = other_bars.next_end <= moment
        other = learned(kind, other_bars, known)
        assert other.state() == one.state()
        assert same(one.transform(bars), other.transform(other_bars), train, known)


@every_kind
def test_a_label_depends_on_no_bar_after_the_next(kind, bars) -> None:
    """With the bars up to any instant, labels known by then are final, and all others are missing."""
    labeler = learned(kind, bars)
    whole = labeler.transform(bars)
    for moment in np.unique(bars.bar_end)[np.random.default_rng(1).integers(60, 260, 9)]:
        early = bars.until(int(moment))
        labels = labeler.transform(early)
        final = early.next_end <= moment
        assert same(labels, whole, final, (bars.bar_end <= moment) & (bars.next_end <= moment))
        assert not labels.known[~final].any()
        assert same(labeler.transform(shaken(bars, bars.bar_end > moment)), whole, bars.next_end <= moment)


@every_kind
def test_the_last_bar_of_each_symbol_has_no_label(kind, bars) -> None:
    """Missing is -1 and NaN, never hold and 0."""
    labels = learned(kind, bars).transform(bars)
    last = bars.offsets[1:] - 1
    assert (labels.action[last] == -1).all()
    assert np.isnan(labels.z[last]).all()
    assert np.isnan(labels.forward_return[last]).all()
    assert not labels.crosses_session[last].any()


@every_kind
def test_a_missing_next_bar_gives_no_label(kind, bars) -> None:
    """The bar after a hole is not the next bar: a label spans one bar of the calendar, never two."""
    labels = learned(kind, bars).transform(bars)
    follows = np.zeros(len(bars), dtype=bool)
    follows[:-1] = (bars.next_end[:-1] == bars.bar_end[1:]) & (bars.code[:-1] == bars.code[1:])
    assert not follows[:-1].all()
    assert not labels.known[~follows].any()
    assert (np.isfinite(labels.forward_return) == labels.known).all()
    assert (np.isfinite(labels.z) == labels.known).all()


@every_kind
def test_a_next_bar_that_can_not_be_trusted_gives_no_label(kind) -> None:
    """No trade at all, or a move beyond 25 %, is no outcome; a trade without volume on record is one."""
    bars = random_bars(4, symbols=1, sessions=40)
    dead, jump, silent = 200, 210, 220
    bars = changed(bars, np.array([dead]), volume=0.0, open=9.0, high=9.0, low=9.0, close=9.0)
    bars = changed(bars, np.array([jump]), close=bars.open[jump] * 1.30, high=bars.open[jump] * 1.31)
    bars = changed(bars, np.array([silent]), volume=0.0)
    action = learned(kind, bars).transform(bars).action
    assert (action[[dead - 1, jump - 1]] == -1).all()
    assert (np.delete(action[100:-1], [dead - 101, jump - 101]) >= 0).all()


@every_kind
@pytest.mark.parametrize("factor", [10.0, 0.5])
def test_the_unit_of_price_is_in_no_label(kind, bars, factor) -> None:
    """Prices in cents, or after a split, give the same actions."""
    other = scaled(bars, factor)
    one, two = learned(kind, bars).transform(bars), learned(kind, other).transform(other)
    assert np.array_equal(one.action, two.action)
    assert np.allclose(one.z, two.z, rtol=1e-9, equal_nan=True)


@every_kind
def test_the_night_is_in_no_label(kind, bars) -> None:
    """Any gap between sessions, a split's too, leaves all labels as they were."""
    gaps = 2.0 ** np.random.default_rng(5).integers(-3, 4, bars.session.max() + 1)[bars.session]
    other = changed(
        bars, everything(bars), **{name: getattr(bars, name) * gaps for name in ("open", "high", "low", "close")}
    )
    one, two = learned(kind, bars), learned(kind, other)
    assert one.state() == two.state()
    assert same(one.transform(bars), two.transform(other), everything(bars))


@every_kind
def test_a_label_that_lies_in_another_session_is_flagged(kind, bars) -> None:
    """The last bar of a day predicts the next day's first: kept, and told."""
    labels = learned(kind, bars).transform(bars)
    rows = np.flatnonzero(labels.known)
    assert np.array_equal(labels.crosses_session[rows], bars.session[rows + 1] != bars.session[rows])
    assert 0.1 < labels.crosses_session[rows].mean() < 0.2


@every_kind
def test_buying_and_selling_are_mirror_images(kind, bars) -> None:
    """In the market turned upside down (prices 1/p) every buy is a sell of the same strength."""
    other = changed(
        bars, everything(bars), open=1 / bars.open, high=1 / bars.low, low=1 / bars.high, close=1 / bars.close
    )
    one, two = learned(kind, bars).transform(bars), learned(kind, other).transform(other)
    assert np.array_equal(one.known, two.known)
    assert np.array_equal(one.action[one.known], 4 - two.action[two.known])


@every_kind
def test_below_the_cost_there_is_nothing_to_do(kind, bars) -> None:
    """No move inside the round trip is a buy or a sell, whatever the quantiles say."""
    labels = learned(kind, bars, cost=0.004).transform(bars)
    small = labels.known & (np.abs(labels.forward_return) <= 0.004)
    assert small.sum() > 100
    assert (labels.action[small] == 2).all()


@every_kind
def test_a_market_that_hardly_moves_has_labels(kind, bars) -> None:
    """Where half of all bars end where they began, those are hold and the others are judged by their size."""
    still = np.random.default_rng(6).random(len(bars)) < 0.6
    body = np.where(still, 0.0, np.log(bars.close / bars.open))
    labels = learned(kind, moves(bars, body)).transform(moves(bars, body))
    quiet = labels.known & (labels.forward_return == 0)
    assert quiet.sum() > 0.4 * labels.known.sum()
    assert (labels.action[quiet] == 2).all()
    assert {0, 4} <= set(labels.action[labels.known & ~quiet].tolist())


@every_kind
def test_the_state_is_plain_and_says_its_kind(kind, bars) -> None:
    """What the model card holds is JSON, and names the plug-in that made it."""
    state = learned(kind, bars).state()
    assert json.loads(json.dumps(state)) == state
    assert state["kind"] == kind


@every_kind
def test_too_few_returns_are_refused_with_their_number(kind, bars) -> None:
    """Thresholds from a few dozen bars would be chance."""
    with pytest.raises(TooFewBars, match="at least 100"):
        learned(kind, bars, np.arange(len(bars)) < 60)


def test_classes_have_their_shares_whatever_the_volatility() -> None:
    """Scaled quantiles: 10/20/40/20/10 % in all and nearly so for each symbol, in calm and in wild times."""
    bars = random_bars(8, symbols=8, sessions=200)
    wilder = np.array([1, 2, 0.5, 1, 3, 1, 2, 1])[bars.code] * np.where(
        bars.session > np.median(bars.session), 2.0, 1.0
    )
    bars = moves(bars, np.log(bars.close / bars.open) * wilder)
    labels = learned("scaled_quantile", bars).transform(bars)
    shares = np.bincount(labels.action[labels.known], minlength=5) / labels.known.sum()
    assert shares[2] == pytest.approx(0.40, abs=0.005)
    assert shares[[0, 4]].sum() == pytest.approx(0.20, abs=0.005)
    common = 0.5**2 / (1 + 0.5**2)
    independent = labels.known.sum() / (1 + 7 * common)
    assert shares[[3, 4]].sum() == pytest.approx(0.30, abs=3 * np.sqrt(0.3 * 0.7 / independent))
    for symbol, rows in bars:
        known = labels.action[rows][labels.known[rows]]
        own = np.bincount(known, minlength=5) / len(known)
        assert np.abs(own - [0.1, 0.2, 0.4, 0.2, 0.1]).max() < 0.04, symbol


@pytest.mark.parametrize("sign", [1, -1])
def test_ties_go_to_hold(sign) -> None:
    """A move just on a threshold has not passed it, up or down; no move is hold."""
    bars = random_bars(9, symbols=1, sessions=1)
    weak, strong = np.full(len(bars), 0.01), np.full(len(bars), 0.02)
    ahead = sign * np.array([0.0, 0.01, np.nextafter(0.01, 1), 0.02, np.nextafter(0.02, 1), 0.5, np.nan])
    scores = assign_labels(bars, ahead, ahead, weak, strong, bars.next_end).action - 2
    assert scores.tolist() == [0, 0, sign, sign, 2 * sign, 2 * sign, -3]


def test_forward_return_is_half_open_over_symbols() -> None:
    """The first bar of the next symbol is nobody's next bar."""
    bars = random_bars(10, symbols=2, sessions=2)
    ahead = LabelWindow().returns(bars)
    assert np.isnan(ahead[bars.offsets[1:] - 1]).all()
    assert np.isfinite(ahead).sum() == len(bars) - 2


LONG = [("scaled_quantile", 5), ("fixed", 3), ("quantile", 4), ("triple_barrier", 5), ("triple_barrier", 6)]
every_length = pytest.mark.parametrize(("kind", "horizon"), LONG)
targets = pytest.mark.parametrize("target", ["open_to_close", "close_to_close"])


@every_length
@targets
def test_a_long_label_sees_its_window_and_nothing_else(kind, horizon, target) -> None:
    """With later bars gone or others, a label whose window had closed is the same, and no other is known."""
    bars = random_bars(11, symbols=2, sessions=60, missing=0.02)
    labeler = learned(kind, bars, horizon=horizon, target=target)
    whole = labeler.transform(bars)
    assert (whole.label_end[whole.known] <= LabelWindow(target, horizon).end(bars)[whole.known]).all()
    assert (whole.label_end[whole.known] > bars.bar_end[whole.known]).all()
    for moment in np.unique(bars.bar_end)[[150, 203, 301]]:
        early = bars.until(int(moment))
        labels = labeler.transform(early)
        rows = bars.bar_end <= moment
        closed = LabelWindow(target, horizon).end(early) <= moment
        assert same(labels, whole, closed, rows & (LabelWindow(target, horizon).end(bars) <= moment))
        other = labeler.transform(shaken(bars, bars.bar_end > moment))
        final = whole.known & (whole.label_end <= moment)
        assert np.array_equal(whole.action[final], other.action[final])


@every_length
@targets
def test_no_night_lies_inside_a_window(kind, horizon, target) -> None:
    """An intraday label spans only bars that follow each other without a pause; from a close it can't cross a night."""
    bars = random_bars(12, symbols=2, sessions=90, missing=0.03)
    labels = learned(kind, bars, horizon=horizon, target=target).transform(bars)
    rows = np.flatnonzero(labels.known)
    assert len(rows) > 60
    first = rows if target == "close_to_close" else rows + 1
    assert (bars.session[first] == bars.session[rows + horizon]).all()
    assert (bars.bar_end[rows + horizon] - bars.bar_end[rows + 1] <= (horizon - 1) * 3600).all()


def test_the_return_of_a_window_is_what_a_trade_earns() -> None:
    """From the next open, or this close, to the close some bars on; daily bars keep their nights."""
    bars = random_bars(13, symbols=1, sessions=60)
    for target, entry in (("open_to_close", bars.open[1:-2]), ("close_to_close", bars.close[:-3])):
        ahead = LabelWindow(target, 3).returns(bars)[:-3]
        known = np.isfinite(ahead)
        assert np.array_equal(ahead[known], np.log(bars.close[3:] / entry)[known])
    daily = random_bars(14, symbols=1, sessions=60, interval="1d")
    ahead = LabelWindow("close_to_close", 1).returns(daily)[:-1]
    assert np.isfinite(ahead).all()
    assert np.array_equal(ahead, np.log(daily.close[1:] / daily.close[:-1]))


def test_a_barrier_touched_first_is_strong_and_ends_the_label() -> None:
    """Up first: strong buy, known when touched; both in one bar: hold, for either side would have been stopped."""
    bars = random_bars(15, symbols=1, sessions=120)
    labels = (labeler := learned("triple_barrier", bars)).transform(bars)
    width = labeler.k2 * np.where(labels.known, labels.forward_return / np.where(labels.z == 0, 1, labels.z), np.nan)
    entry = np.append(bars.open[1:], np.nan)
    seen = {"both": 0, "up": 0, "down": 0, "time": 0}
    for row in np.flatnonzero(labels.known & (labels.z != 0)):
        path = [
            (
                np.log(bars.high[row + j] / entry[row]) >= width[row],
                np.log(bars.low[row + j] / entry[row]) <= -width[row],
                j,
            )
            for j in range(1, 6)
        ]
        touch = next(((up, down, j) for up, down, j in path if up or down), None)
        if touch is None:
            seen["time"] += 1
            assert labels.label_end[row] == bars.bar_end[row + 5]
            assert labels.action[row] in (1, 2, 3)
            continue
        up, down, j = touch
        seen["both" if up and down else "up" if up else "down"] += 1
        assert labels.action[row] == (2 if up and down else 4 if up else 0)
        assert labels.label_end[row] == bars.bar_end[row + j]
    assert min(seen["up"], seen["down"], seen["time"]) > 20


def test_a_label_that_shares_its_bars_weighs_less() -> None:
    """One bar ahead nothing overlaps; five ahead each bar is spanned by up to five labels."""
    bars = random_bars(16, symbols=2, sessions=40)
    assert (uniqueness(bars, learned("scaled_quantile", bars).transform(bars)) == 1).all()
    labels = learned("scaled_quantile", bars, horizon=5).transform(bars)
    weight = uniqueness(bars, labels)
    assert weight[labels.known].min() >= 1 / 5 - 1e-12
    assert weight[labels.known].max() <= 1
    spans = np.zeros(len(bars))
    for row in np.flatnonzero(labels.known):
        spans[row + 1 : row + 6] += 1
    for row in np.flatnonzero(labels.known)[::17]:
        assert weight[row] == pytest.approx(np.mean(1 / spans[row + 1 : row + 6]))


@pytest.mark.parametrize("kind", sorted(load_family("labels")))
def test_a_labeler_comes_back_from_its_card(kind, bars) -> None:
    """State to JSON and back cuts the same labels."""
    labeler = learned(kind, bars)
    again = labeler_from_state(json.loads(json.dumps(labeler.state())))
    assert same(labeler.transform(bars), again.transform(bars), everything(bars))
    with pytest.raises(ModelError, match="no_such"):
        labeler_from_state({"kind": "no_such"})


def test_barriers_need_a_horizon() -> None:
    """Within fewer than five bars the order of high and low decides, and bars don't have it."""
    with pytest.raises(ConfigError, match="at least 5 bars, 3 is set"):
        load_family("labels")["triple_barrier"].factory(horizon=3)
