"""What others would do with the same bars: Qlib's Alpha158 with LightGBM, and the ancestor's eleven features with a forest.

Their formulas and settings are restated from their public sources; nothing of theirs is imported.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from lightgbm import Dataset, early_stopping, train
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from market_master.domain.arrays import Array, Ints
from market_master.domain.bars import Bars

WINDOWS = (5, 10, 20, 30, 60)
LITTLE = 1e-12
QLIB = {
    "objective": "mse", "colsample_bytree": 0.8879, "learning_rate": 0.2, "subsample": 0.8789, "lambda_l1": 205.6999,
    "lambda_l2": 580.9768, "max_depth": 8, "num_leaves": 210, "num_threads": 1, "verbosity": -1, "seed": 7,
}  # fmt: skip
"""of its LightGBM benchmark on Alpha158"""
ROUNDS, PATIENCE = 1000, 50


def alpha158(bars: Bars) -> NDArray[np.float32]:
    """Qlib's Alpha158, one row a bar. There is no VWAP in bars; (high + low + close) / 3 stands in for it."""
    out: NDArray[np.float32] = np.full((len(bars), 158), np.nan, dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _, rows in bars:
            o, h, low, c, v = (getattr(bars, name)[rows] for name in ("open", "high", "low", "close", "volume"))
            out[rows] = np.column_stack(
                [*_candle(o, h, low, c), *(x for d in WINDOWS for x in _rolling(h, low, c, v, d))]
            )
    return np.nan_to_num(out, posinf=0.0, neginf=0.0)


def eleven(bars: Bars) -> NDArray[np.float32]:
    """The ancestor's features: raw averages, volatility and volume among them."""
    columns = np.full((len(bars), 11), np.nan)
    for _, rows in bars:
        o, h, low, c, v = (getattr(bars, name)[rows] for name in ("open", "high", "low", "close", "volume"))
        before = np.append(c[0], c[:-1])
        small, large = _mean(c, 5), _mean(c, 20)
        gain, loss = _mean(np.maximum(c - before, 0), 14), _mean(np.maximum(before - c, 0), 14)
        spread = _window(c, 20).std(axis=1)
        true_range = np.maximum.reduce([h - low, np.abs(h - before), np.abs(low - before)])
        columns[rows] = np.column_stack([
            np.log(c / before), (h - low) / c, (c - o) / c, small, large, (small - large) / large, spread,
            100 - 100 / (1 + (gain + 1e-9) / (loss + 1e-9)), _mean(true_range, 14) / c, 4 * spread / large, v,
        ])  # fmt: skip
    return np.nan_to_num(columns).astype(np.float32)


class QlibLightGBM:
    """Regression on the cross-sectional z-score of the next return, stopped early on the last fifth of the days.

    It gives a score and no probabilities; a multinomial line on the score, fitted on that fifth, makes them.
    """

    def __init__(self, bars: Bars, forward_return: Array) -> None:
        self.bars, self.target = bars, _cross_sectional(bars, forward_return)

    def answers(self, values: NDArray[np.float32], rows: Ints, action: NDArray[np.int8], asked: Ints) -> Array:
        """Probabilities of the asked rows."""
        late = self.bars.session[rows] > np.quantile(self.bars.session[rows], 0.8)
        learn, stop = rows[~late], rows[late]
        model = train(
            QLIB,
            Dataset(values[learn], self.target[learn]),
            ROUNDS,
            valid_sets=[Dataset(values[stop], self.target[stop])],
            callbacks=[early_stopping(PATIENCE, verbose=False)],
        )
        line = LogisticRegression(max_iter=500)
        line.fit(np.asarray(model.predict(values[stop]))[:, None] * 100, action[stop])
        return np.asarray(line.predict_proba(np.asarray(model.predict(values[asked]))[:, None] * 100))


class AncestorForest:
    """A random forest with scikit-learn's defaults and class weights, as the ancestor trains it."""

    def answers(self, values: NDArray[np.float32], rows: Ints, action: NDArray[np.int8], asked: Ints) -> Array:
        """Probabilities of the asked rows."""
        forest = RandomForestClassifier(random_state=42, n_jobs=2, class_weight="balanced_subsample")
        return np.asarray(forest.fit(values[rows], action[rows]).predict_proba(values[asked]))


class DefaultForest:
    """The same without class weights."""

    def answers(self, values: NDArray[np.float32], rows: Ints, action: NDArray[np.int8], asked: Ints) -> Array:
        """Probabilities of the asked rows."""
        forest = RandomForestClassifier(random_state=42, n_jobs=2)
        return np.asarray(forest.fit(values[rows], action[rows]).predict_proba(values[asked]))


def _candle(o: Array, h: Array, low: Array, c: Array) -> Iterator[Array]:
    span, top, bottom = h - low + LITTLE, np.maximum(o, c), np.minimum(o, c)
    yield from ((c - o) / o, (h - low) / o, (c - o) / span, (h - top) / o, (h - top) / span)
    yield from ((bottom - low) / o, (bottom - low) / span, (2 * c - h - low) / o, (2 * c - h - low) / span)
    yield from (o / c, h / c, low / c, (h + low + c) / 3 / c)


def _rolling(h: Array, low: Array, c: Array, v: Array, d: int) -> Iterator[Array]:
    """The 29 factors of one window."""
    before, traded = np.append(c[0], c[:-1]), np.append(v[0], v[:-1])
    closes, volume, change = _window(c, d), _window(v, d), _window(c - before, d)
    time = np.arange(d) - (d - 1) / 2
    slope = (closes * time).sum(axis=1) / (time**2).sum()
    middle, spread = closes.mean(axis=1), closes.std(axis=1, ddof=1)
    explained = slope**2 * (time**2).sum()
    highest, lowest = _window(h, d), _window(low, d)
    top, bottom = highest.max(axis=1), lowest.min(axis=1)
    yield from (np.append(np.full(d, np.nan), c[:-d])[: len(c)] / c, middle / c, spread / c, slope / c)
    yield explained / (closes.var(axis=1) * d + LITTLE)
    yield (c - middle - slope * (d - 1) / 2) / c
    yield from (top / c, bottom / c, np.quantile(closes, 0.8, axis=1) / c, np.quantile(closes, 0.2, axis=1) / c)
    yield ((closes < c[:, None]).sum(axis=1) + ((closes == c[:, None]).sum(axis=1) + 1) / 2) / d
    yield (c - bottom) / (top - bottom + LITTLE)
    late, early = (highest.argmax(axis=1) + 1) / d, (lowest.argmin(axis=1) + 1) / d
    yield from (late, early, late - early)
    yield _correlation(closes, np.log(volume + 1))
    yield _correlation(_window(c / before, d), np.log(_window(v / np.maximum(traded, LITTLE), d) + 1))
    up, down = (change > 0).mean(axis=1), (change < 0).mean(axis=1)
    yield from (up, down, up - down)
    moved = np.abs(change).sum(axis=1) + LITTLE
    rose, fell = np.maximum(change, 0).sum(axis=1) / moved, np.maximum(-change, 0).sum(axis=1) / moved
    yield from (rose, fell, rose - fell)
    yield from (volume.mean(axis=1) / (v + LITTLE), volume.std(axis=1, ddof=1) / (v + LITTLE))
    force = _window(np.abs(c / before - 1) * v, d)
    yield force.std(axis=1, ddof=1) / (force.mean(axis=1) + LITTLE)
    turned = _window(v - traded, d)
    moved = np.abs(turned).sum(axis=1) + LITTLE
    rose, fell = np.maximum(turned, 0).sum(axis=1) / moved, np.maximum(-turned, 0).sum(axis=1) / moved
    yield from (rose, fell, rose - fell)


def _window(values: Array, length: int) -> Array:
    """[n, length]: each value and those before it, the first value repeated before the beginning."""
    return np.asarray(sliding_window_view(np.append(np.full(length - 1, values[0]), values), length))


def _mean(values: Array, length: int) -> Array:
    return np.asarray(_window(values, length).mean(axis=1))


def _correlation(one: Array, other: Array) -> Array:
    a, b = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    return np.asarray((a * b).sum(axis=1) / (np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)) + LITTLE))


def _cross_sectional(bars: Bars, values: Array) -> Array:
    """Less the mean of the instant, over its spread; NaN counts as 0."""
    _, at = np.unique(bars.bar_end, return_inverse=True)
    known = np.isfinite(values)
    count = np.maximum(np.bincount(at, weights=known), 1)
    kept = np.where(known, values, 0.0)
    centred = np.where(known, kept - (np.bincount(at, weights=kept) / count)[at], 0.0)
    return centred / (np.sqrt(np.bincount(at, weights=centred**2) / count) + LITTLE)[at]
