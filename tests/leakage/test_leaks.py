"""Fifteen planted leaks, each of which the laws must catch, and clean objects, of which they must flag none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.model_selection import KFold, TimeSeriesSplit
from sklearn.preprocessing import StandardScaler

from market_master import features
from market_master.domain.arrays import Array
from market_master.domain.bars import Bars
from market_master.labels import LabelWindow
from market_master.leakage import (
    Finding,
    LeakProbe,
    check_live_parity,
    check_lookahead,
    check_sensitivity,
    check_symbol_isolation,
    check_unit_invariance,
    split_in_time,
)
from market_master.plugins import load_family
from market_master.stats.regimes import REGIMES, regimes
from market_master.training.folds import PurgedWalkForward
from tests.support.random_bars import random_bars

Column = Callable[[Bars], Array]


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Three symbols over sixty sessions, with half-days and holes."""
    return random_bars(21, symbols=3, sessions=60, missing=0.02)


def instants(bars: Bars) -> list[int]:
    """Nine, several of them inside a session and beside a night."""
    times = np.unique(bars.bar_end)
    picked = np.random.default_rng(2).permutation(np.arange(len(times) // 2, len(times) - 2))[:6].tolist()
    last = int(np.flatnonzero(np.diff(times) > 7200)[-3])
    return [int(times[place]) for place in sorted({*picked, last, last + 1, last - 2})]


def by_symbol(one: Callable[[Array], Array]) -> Column:
    """A function of one symbol's closes as a column over all bars."""

    def column(bars: Bars) -> Array:
        return np.concatenate([one(bars.close[rows]) for _, rows in bars])

    return column


def negative_shift(close: Array) -> Array:
    """The next close over this one."""
    return np.append(np.diff(np.log(close)), 0.0)


def centred_window(close: Array) -> Array:
    """A smooth line that stands in the middle of its window."""
    return np.convolve(close, np.ones(5) / 5, "same")


def global_z_score(close: Array) -> Array:
    """Mean and spread of the whole sample."""
    return (close - close.mean()) / close.std()


def backfill(close: Array) -> Array:
    """Every third close, and the gaps filled from behind."""
    place = np.minimum((np.arange(len(close)) // 3 + 1) * 3, len(close) - 1)
    return close[place]


def spectral_smoothing(close: Array) -> Array:
    """The low frequencies of the whole series."""
    spectrum = np.fft.rfft(close)
    spectrum[len(spectrum) // 10 :] = 0
    return np.fft.irfft(spectrum, len(close))


def smoothed_states(close: Array) -> Array:
    """Forward-backward probabilities of a calm and a wild state: the backward pass reads the future."""
    moves = np.diff(np.log(close), prepend=np.log(close[0]))
    chance = np.stack([np.exp(-0.5 * (moves / sd) ** 2) / sd for sd in (0.003, 0.009)], axis=1) + 1e-300
    stay = np.array([[0.95, 0.05], [0.05, 0.95]])
    forward, backward = np.empty_like(chance), np.ones_like(chance)
    state = np.array([0.5, 0.5])
    for bar in range(len(moves)):
        state = (state @ stay) * chance[bar]
        state = forward[bar] = state / state.sum()
    for bar in range(len(moves) - 2, -1, -1):
        back = stay @ (chance[bar + 1] * backward[bar + 1])
        backward[bar] = back / back.sum()
    both = forward * backward
    return both[:, 1] / both.sum(axis=1)


def same_day_high(bars: Bars) -> Array:
    """The high of the whole session, known at its end only."""
    key = bars.code * 1_000_000 + bars.session
    _, place = np.unique(key, return_inverse=True)
    top = np.full(place.max() + 1, -np.inf)
    np.maximum.at(top, place, bars.high)
    return bars.close / top[place]


def full_sample_thresholds(bars: Bars) -> Array:
    """Where |move| stands among quantiles of all moves."""
    move = np.abs(np.log(bars.close / bars.open))
    return np.searchsorted(np.quantile(move, [0.4, 0.8]), move).astype(float)


def scaler_before_split(bars: Bars) -> Array:
    """A scaler fitted on everything, the future too."""
    return StandardScaler().fit_transform(bars.volume[:, None])[:, 0]


def symbol_target_encoding(bars: Bars) -> Array:
    """Each symbol's mean next return, over all time."""
    ahead = np.nan_to_num(LabelWindow().returns(bars))
    return (np.bincount(bars.code, weights=ahead) / np.bincount(bars.code))[bars.code]


def future_weights(bars: Bars) -> Array:
    """An index weighted by what each symbol is going to trade."""
    weight = np.bincount(bars.code, weights=bars.close * bars.volume)
    _, at = np.unique(bars.bar_end, return_inverse=True)
    share = weight[bars.code] / weight.sum()
    return np.bincount(at, weights=share * np.log(bars.close / bars.open))[at]


LEAKS: dict[str, Column] = {
    "negative shift": by_symbol(negative_shift),
    "centred window": by_symbol(centred_window),
    "global z-score": by_symbol(global_z_score),
    "backfill": by_symbol(backfill),
    "spectral smoothing": by_symbol(spectral_smoothing),
    "smoothed HMM": by_symbol(smoothed_states),
    "same-day high": same_day_high,
    "full-sample quantile thresholds": full_sample_thresholds,
    "scaler before the split": scaler_before_split,
    "symbol target encoding": symbol_target_encoding,
    "future weights": future_weights,
    "global rank": lambda bars: np.argsort(np.argsort(bars.close)).astype(float) / len(bars),
}


def broken(findings: list[Finding]) -> list[Finding]:
    """Those that did not pass."""
    return [finding for finding in findings if not finding.passed]


@pytest.mark.parametrize("name", sorted(LEAKS))
def test_a_planted_leak_is_caught_with_its_proof(name, bars) -> None:
    """Cutting later bars off, or replacing them, changes what had been known; symbol, instant and both values are told."""
    column = LEAKS[name]
    probe = LeakProbe("planted", (name,), lambda given: column(given)[:, None])
    found = broken(check_lookahead(probe, bars, instants(bars)))
    assert {finding.law for finding in found} & {"L1", "L2"}
    proof = found[0].proof
    assert proof is not None
    assert proof.symbol in bars.symbols
    assert proof.before != proof.after
    assert proof.bar_end < proof.change.removeprefix("bars after ") or proof.bar_end == proof.change.split()[2]


@pytest.mark.parametrize(
    ("name", "splitter"),
    [("shuffled folds", KFold(5, shuffle=True, random_state=1)), ("row-order TimeSeriesSplit", TimeSeriesSplit(5)),
     ("contiguous KFold", KFold(5))],
)  # fmt: skip
def test_a_split_by_rows_is_caught(name, splitter, bars) -> None:
    """Shuffled rows, and rows in the order of symbols, train on what comes after the test began."""
    for train, test in splitter.split(bars.close):
        masks = [np.isin(np.arange(len(bars)), rows) for rows in (train, test)]
        finding = split_in_time(name, bars, masks[0], masks[1], bars.next_end)
        if not finding.passed:
            assert finding.proof is not None
            return
    pytest.fail(f"{name} was not caught")


def test_a_label_that_reaches_into_the_test_is_caught(bars) -> None:
    """A fold without purge: the last training label is known only when the test has begun."""
    days = np.unique(bars.session)
    test = bars.session > days[40]
    train = bars.session <= days[40]
    assert not split_in_time("no purge", bars, train, test, bars.next_end + 7200 * 40).passed
    for fold in PurgedWalkForward(3, 1).split(bars.session, bars.bar_end, bars.next_end):
        assert split_in_time("purged", bars, fold.train, fold.test, bars.next_end).passed


def test_no_clean_feature_is_flagged(bars) -> None:
    """All registered features keep all seven laws that look at bars."""
    names = features.select(("core", "market"), "1h")
    assert len(names) >= 20
    own = [name for name in names if not features.needs_market((name,))]
    members = bars.symbols

    def compute(given: Bars) -> Array:
        return features.compute(given, names, members=[symbol for symbol in members if symbol in given.symbols])

    probe = LeakProbe("feature", names, compute)
    own_probe = LeakProbe("feature", tuple(own), lambda given: features.compute(given, own))
    cuts = instants(bars)
    found = check_lookahead(probe, bars, cuts) + check_live_parity(probe, bars, 60, cuts[:3])
    found += check_symbol_isolation(own_probe, bars, own, bars.symbols[:2])
    found += check_sensitivity(probe, bars, cuts[-2:], [name for name in names if features.reads_no_bar(name)])
    found += check_unit_invariance(probe, bars)
    assert [(f.law, f.object, f.proof) for f in broken(found)] == []
    assert {finding.law for finding in found} == {"L1", "L2", "L3", "L4", "L10", "L11"}


@pytest.mark.parametrize("kind", sorted(load_family("labels")))
def test_a_declared_label_is_never_flagged(kind, bars) -> None:
    """A label looks ahead by design; judged by the end it declares, it is clean."""
    labeler = load_family("labels")[kind].factory().fit(bars, np.ones(len(bars), dtype=bool))
    probe = LeakProbe("label", (kind,), lambda given: labeler.transform(given).z[:, None], labeler.window.end)
    assert broken(check_lookahead(probe, bars, instants(bars))) == []
    undeclared = LeakProbe("feature", (kind,), probe.compute)
    assert broken(check_lookahead(undeclared, bars, instants(bars)))


def test_the_regime_is_clean(bars) -> None:
    """It is known before the session opens."""
    codes = {name: number for number, name in enumerate(REGIMES)}

    def column(given: Bars) -> Array:
        return np.array([codes[name] for name in regimes(given, given.symbols)], dtype=float)[:, None]

    assert broken(check_lookahead(LeakProbe("regime", ("regime",), column), bars, instants(bars))) == []


def test_an_accidental_constant_is_told(bars) -> None:
    """L10: a column that no bar can move says nothing, and is flagged unless it is of the clock."""
    probe = LeakProbe("feature", ("nothing",), lambda given: np.ones((len(given), 1)))
    assert [f.law for f in broken(check_sensitivity(probe, bars, instants(bars)[:1]))] == ["L10"]
    assert broken(check_sensitivity(probe, bars, instants(bars)[:1], ["nothing"])) == []


def test_a_raw_price_is_told(bars) -> None:
    """L11: what changes with the unit of price or volume can't be pooled over symbols."""
    for name, column in (("price", "close"), ("volume", "volume")):
        probe = LeakProbe("feature", (name,), lambda given, column=column: getattr(given, column)[:, None])
        assert [f.law for f in broken(check_unit_invariance(probe, bars))] == ["L11"]


def test_a_feature_that_peeks_at_other_symbols_is_told(bars) -> None:
    """L4: it was not declared to look at the market, and does."""
    probe = LeakProbe("feature", ("peek",), lambda given: np.full((len(given), 1), given.close.mean()))
    assert [f.law for f in broken(check_symbol_isolation(probe, bars, ["peek"], bars.symbols[:1]))] == ["L4"]
