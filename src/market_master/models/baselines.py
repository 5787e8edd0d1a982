"""Baselines: the simple rules every candidate is measured against.

Their input is the columns BASELINE_COLUMNS.

They are made like candidates, and need neither `symbols` nor `seed`. Every class must occur in the training rows, which
the labels see to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from market_master.domain import CLASSES, Actions, Array, without_direction
from market_master.models import BASELINE_COLUMNS, baseline
from market_master.models.pipeline import SingleThreadPipeline

Inputs = NDArray[np.float32]
LAST_CLASS, LAST_Z, VOLATILITY_RATIO, SLOT = range(len(BASELINE_COLUMNS))
STEPS = len(CLASSES) - 1
LARGEST_Z = 4.0
"""A larger move counts as this one, so that a single crash can't set the slope."""


class Rule(ClassifierMixin, BaseEstimator):
    """A classifier of the five actions that knows their shares among its training rows; alone, it answers with them."""

    def fit(self, X: Inputs, y: Actions) -> Rule:
        """Count the classes, then learn whatever else the rule needs."""
        self.classes_ = np.arange(len(CLASSES))
        self.prior_: Array = np.bincount(y, minlength=len(CLASSES)) / len(y)
        self._learn(np.asarray(X, dtype=float), y)
        return self

    def predict_proba(self, X: Inputs) -> Array:
        """Probabilities [n, 5] in the order of the actions."""
        return self._probabilities(np.asarray(X, dtype=float))

    def predict(self, X: Inputs) -> NDArray[np.int64]:
        """The most probable action."""
        likeliest: NDArray[np.int64] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return likeliest

    def _learn(self, X: Array, y: Actions) -> None:
        """Nothing but the prior."""

    def _probabilities(self, X: Array) -> Array:
        return np.tile(self.prior_, (len(X), 1))


class Majority(Rule):
    """All on the most frequent class."""

    def _probabilities(self, X: Array) -> Array:
        return np.tile(np.eye(len(CLASSES))[self.prior_.argmax()], (len(X), 1))


class VolatilityOnly(Rule):
    """Logistic regression on volatility and time of day, made symmetric: it may say how far, never which way."""

    def _learn(self, X: Array, y: Actions) -> None:
        columns = ColumnTransformer(
            [("ratio", StandardScaler(), [VOLATILITY_RATIO]), ("slot", OneHotEncoder(handle_unknown="ignore"), [SLOT])]
        )
        self.pipeline_ = SingleThreadPipeline(
            [("columns", columns), ("line", LogisticRegression(C=0.1, tol=1e-5, max_iter=1000))]
        )
        self.pipeline_.fit(X, y)

    def _probabilities(self, X: Array) -> Array:
        return without_direction(self.pipeline_.predict_proba(X).astype(float), self.prior_)


class Persistence(Rule):
    """What was will be: (1 - a) prior + a (the last class), with the share `a_` that has the least RPS in training."""

    def _learn(self, X: Array, y: Actions) -> None:
        known = X[:, LAST_CLASS] >= 0
        toward = (_last(X[known]) - self.prior_).cumsum(axis=1)[:, :STEPS]
        missing = (y[known, None] <= np.arange(STEPS)) - self.prior_.cumsum()[:STEPS]
        power = float((toward**2).sum())
        self.a_ = float(np.clip((toward * missing).sum() / power, 0.0, 1.0)) if power > 0 else 0.0

    def _probabilities(self, X: Array) -> Array:
        share = np.where(X[:, LAST_CLASS] >= 0, self.a_, 0.0)[:, None]
        return (1 - share) * self.prior_ + share * _last(X)


class OrderedLogit(Rule):
    """P(action <= k) = logistic(threshold_k - slope x z of the bar itself), by maximum likelihood, slope of one sign.

    The likelihood is concave: where the data ask for the other sign, the slope is 0 and the answer is the prior.
    """

    def __init__(self, sign: int = 1) -> None:
        self.sign = sign

    def _learn(self, X: Array, y: Actions) -> None:
        z, prior_cuts = _persistent(X), logit(self.prior_.cumsum()[:STEPS])
        start = np.r_[prior_cuts[:1], np.log(np.diff(prior_cuts)), 0.0]

        def loss(parameters: Array) -> float:
            likelihood = _ordered(parameters[-1] * z, _cuts(parameters[:-1]))[np.arange(len(y)), y]
            return -float(np.log(np.clip(likelihood, 1e-12, None)).mean())

        bound = (0.0, None) if self.sign > 0 else (None, 0.0)
        optimum = minimize(loss, start, method="L-BFGS-B", bounds=[(None, None)] * STEPS + [bound])
        self.slope_ = float(optimum.x[-1])
        self.thresholds_ = _cuts(optimum.x[:-1]) if self.slope_ else prior_cuts

    def _probabilities(self, X: Array) -> Array:
        return _ordered(self.slope_ * _persistent(X), self.thresholds_)


@baseline(label="Class shares of the training rows")
def prior(**_: int) -> Rule:
    """The forecast of someone who looks at nothing: every skill is counted from here."""
    return Rule()


@baseline(label="Most frequent class")
def majority(**_: int) -> Rule:
    """All on one action; what accuracy alone would reward."""
    return Majority()


@baseline(label="Volatility and time of day, no direction")
def vol_only(**_: int) -> Rule:
    """How large the next move may be, not which way: what a trading model has to beat."""
    return VolatilityOnly()


@baseline(label="Persistence of the last class")
def persistence(**_: int) -> Rule:
    """The last class comes again, as much more often than chance as the training rows bear out."""
    return Persistence()


@baseline(label="Reversal")
def reversal(**_: int) -> Rule:
    """A rise is followed by a fall, as far as the training rows bear it out; else the prior."""
    return OrderedLogit(sign=-1)


@baseline(label="Momentum")
def momentum(**_: int) -> Rule:
    """A rise is followed by a rise, as far as the training rows bear it out; else the prior."""
    return OrderedLogit(sign=1)


def _last(X: Array) -> Array:
    """The last class as one-hot rows, zeros where unknown."""
    return (X[:, [LAST_CLASS]] == np.arange(len(CLASSES))).astype(float)


def _persistent(X: Array) -> Array:
    return np.clip(X[:, LAST_Z], -LARGEST_Z, LARGEST_Z)


def _cuts(parameters: Array) -> Array:
    """Increasing thresholds from the first one and the logarithms of the gaps."""
    return parameters[0] + np.r_[0.0, np.exp(parameters[1:]).cumsum()]


def _ordered(shift: Array, cuts: Array) -> Array:
    """Probabilities between thresholds, moved by each row's shift."""
    reached = expit(cuts - shift[:, None])
    return np.diff(reached, axis=1, prepend=0.0, append=1.0)
