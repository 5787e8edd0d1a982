"""Calibration of raw probabilities: temperature, directional shrinkage, action thresholds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from market_master.domain import Actions, Array, expected_score, without_direction

ACTION_QUANTILES = (0.10, 0.30, 0.70, 0.90)
MIN_PROBABILITY = 1e-9
"""below it a raw probability is raised to it, so that it has a logarithm"""


@dataclass(frozen=True)
class Calibration:
    """The parameters that are fitted on out-of-fold rows and stored in the model card.

    `p* = p_sym + shrinkage (softmax(ln p / temperature) - p_sym)`, where p_sym has the same volatility information and
    no direction. A shrinkage of 0 is the honest statement "no directional edge". `cuts`, the action thresholds, are
    quantiles of the expected score, strictly increasing, so that action shares equal label shares; None when every
    action is hold.
    """

    temperature: float
    shrinkage: float
    prior: tuple[float, ...]
    cuts: tuple[float, float, float, float] | None

    def apply(self, raw: Array) -> Array:
        """Calibrated probabilities of raw ones [n, 5]."""
        scaled = temperature_scaled(raw, self.temperature)
        undirected = without_direction(scaled, np.asarray(self.prior))
        return undirected + self.shrinkage * (scaled - undirected)

    def state(self) -> dict[str, Any]:
        """As plain values for the model card."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Calibration:
        """From what `state` wrote."""
        thresholds = tuple(state["cuts"]) if state["cuts"] else None
        return cls(state["temperature"], state["shrinkage"], tuple(state["prior"]), thresholds)


def fit(raw: Array, action: Actions, prior: Array) -> Calibration:
    """Temperature by log-loss, shrinkage in closed form on RPS, thresholds as quantiles; all on out-of-fold rows.

    `raw` [n, 5] out-of-fold probabilities, `action` the labels, `prior` [5] class shares.
    """
    temperature = _temperature(raw, action)
    shrinkage = _shrinkage(temperature_scaled(raw, temperature), action, prior)
    without_thresholds = Calibration(temperature, shrinkage, tuple(float(p) for p in prior), None)
    if not shrinkage > 0:
        return without_thresholds
    return replace(without_thresholds, cuts=_action_thresholds(expected_score(without_thresholds.apply(raw))))


def temperature_scaled(raw: Array, temperature: float) -> Array:
    """Softmax of ln(p) / temperature: above 1 flattens, below 1 sharpens (Guo et al. 2017)."""
    logits = np.log(np.clip(raw, MIN_PROBABILITY, 1.0)) / temperature
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _temperature(raw: Array, action: Actions) -> float:
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(action))

    def loss(log_temperature: float) -> float:
        p = temperature_scaled(raw, float(np.exp(log_temperature)))[rows, action]
        return -float(np.log(np.clip(p, 1e-12, 1)).mean())

    best = minimize_scalar(loss, bounds=(np.log(0.2), np.log(20.0)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(best.x))


def _shrinkage(scaled: Array, action: Actions, prior: Array) -> float:
    """Least squares of the outcome's cumulative surprise on the forecast's directional part, held in [0, 1]."""
    undirected = without_direction(scaled, prior)
    direction = (scaled - undirected).cumsum(axis=1)[:, :4]
    surprise = (action[:, None] <= np.arange(4)) - undirected.cumsum(axis=1)[:, :4]
    power = float((direction**2).sum())
    return float(np.clip((direction * surprise).sum() / power, 0.0, 1.0)) if power > 0 else 0.0


def _action_thresholds(score: Array) -> tuple[float, float, float, float] | None:
    """Quantiles of the expected score; None where they do not increase strictly."""
    strong_sell, sell, buy, strong_buy = np.quantile(score, ACTION_QUANTILES).tolist()
    return (strong_sell, sell, buy, strong_buy) if strong_sell < sell < buy < strong_buy else None
