"""The pipeline of every candidate: scaled features, the symbol one-hot, one thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

CLIP_AT = 2.5
"""standard deviations: on crypto bars a line through winsorised features has 1.6 times the directional skill"""


class Float32Scaler(StandardScaler):
    """Mean 0 and spread 1, with a mean that float32 holds exactly: so that a graph subtracts the very same."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Float32Scaler:
        """As StandardScaler."""
        fitted: Float32Scaler = super().fit(X, y, sample_weight)
        fitted.mean_ = fitted.mean_.astype(np.float32).astype(float)
        return fitted


class Clipper(MinMaxScaler):
    """Values cut off at 2.5 standard deviations; the others as they are."""

    def __init__(self) -> None:
        super().__init__(feature_range=(-CLIP_AT, CLIP_AT), clip=True)

    def fit(self, X: Any, y: Any = None) -> Clipper:
        """Learns nothing but how many columns there are."""
        edge = np.full((1, X.shape[1]), CLIP_AT)
        fitted: Clipper = super().fit(np.vstack([-edge, edge]), y)
        return fitted


class SingleThreadPipeline(Pipeline):
    """A pipeline that fits and predicts on one thread, so that its numbers don't depend on how many there are."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> SingleThreadPipeline:
        """As Pipeline; weights of rows go to the last step."""
        weights = {} if sample_weight is None else {f"{self.steps[-1][0]}__sample_weight": sample_weight}
        with threadpool_limits(1):
            fitted: SingleThreadPipeline = super().fit(X, y, **weights)
        return fitted

    def predict_proba(self, X: Any, **params: Any) -> NDArray[np.floating]:
        """As Pipeline; columns are the classes, each row sums to 1."""
        with threadpool_limits(1):
            probabilities: NDArray[np.floating] = super().predict_proba(X, **params)
        return probabilities


def candidate(*steps: BaseEstimator, symbols: int, standardised: bool) -> SingleThreadPipeline:
    """The steps of a candidate behind its columns: features first, then one column for each of `symbols`.

    An unseen symbol (-1) is one-hot of nothing. Standardised features are winsorised: what little can be known shows in
    ordinary bars, and rare ones must not steer a line. Trees do so by themselves.
    """
    scale = Pipeline([("scale", Float32Scaler()), ("edges", Clipper())]) if standardised else "passthrough"
    known = np.arange(symbols, dtype=np.float32)
    one_hot = OneHotEncoder(categories=[known], handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    columns = ColumnTransformer([("features", scale, _features), ("symbol", one_hot, _symbol)])
    return SingleThreadPipeline([("columns", columns), *((type(step).__name__.lower(), step) for step in steps)])


def soft_vote(members: Sequence[SingleThreadPipeline], names: Sequence[str] | None = None) -> SingleThreadPipeline:
    """The mean of several candidates' raw probabilities; of one it is that one."""
    if len(members) == 1:
        return members[0]
    named = list(zip(names or [f"seed_{n}" for n in range(len(members))], members, strict=True))
    return SingleThreadPipeline([("vote", VotingClassifier(named, voting="soft", flatten_transform=False))])


def select_columns(pipeline: SingleThreadPipeline, columns: Sequence[int]) -> SingleThreadPipeline:
    """The candidate, looking at some columns of the inputs only; the symbol's has to be the last of them."""
    return SingleThreadPipeline(
        [("kept", ColumnTransformer([("kept", "passthrough", list(columns))])), *pipeline.steps]
    )


def _features(X: NDArray[np.float32]) -> list[int]:
    return list(range(X.shape[1] - 1))


def _symbol(X: NDArray[np.float32]) -> list[int]:
    return [X.shape[1] - 1]
