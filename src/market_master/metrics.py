"""How good probabilities were: RPS, its volatility and directional parts, and the numbers the field compares by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, log_loss

from market_master.domain.actions import SCORES, expected_score, symmetric
from market_master.domain.bars import Array
from market_master.domain.days import day_t
from market_master.domain.records import Scorecard
from market_master.domain.sessions import Ints

Actions = NDArray[np.integer]


def rps(probabilities: Array, action: Actions) -> Array:
    """Ranked probability score of each row, unnormalised: sum over k of (C_k - O_k)^2 (Epstein 1969, Murphy 1971)."""
    steps = probabilities.shape[1] - 1
    reached = action[:, None] <= np.arange(steps)
    return ((probabilities.cumsum(axis=1)[:, :steps] - reached) ** 2).sum(axis=1)


def ic(score: Array, z: Array) -> float:
    """Pooled correlation of expected score and scaled forward return; 0 for a constant score."""
    if score.std() < 1e-12 or z.std() < 1e-12:
        return 0.0
    return float(np.corrcoef(score, z)[0, 1])


def ic_terms(score: Array, z: Array) -> Array:
    """Row terms whose mean is the pooled IC, for day-level errors; 0 for a constant score."""
    if score.std() < 1e-12 or z.std() < 1e-12:
        return np.zeros(len(score))
    return (score - score.mean()) / score.std() * (z - z.mean()) / z.std()


def ece(probabilities: Array, action: Actions, bins: int = 10) -> float:
    """Expected calibration error: the mean over classes, each with equal-count bins."""
    errors = []
    for column in range(probabilities.shape[1]):
        order = np.argsort(probabilities[:, column], kind="stable")
        said, was = probabilities[order, column], (action[order] == column).astype(float)
        parts = zip(np.array_split(said, bins), np.array_split(was, bins), strict=True)
        errors.append(sum(abs(p.mean() - w.mean()) * len(p) for p, w in parts if len(p)) / len(said))
    return float(np.mean(errors))


def scorecard(
    candidate: str,
    kind: str,
    *,
    probabilities: Array,
    prior: Array,
    decided: Actions,
    action: Actions,
    z: Array,
    session: Ints,
    fit_seconds: float,
    folds: int,
) -> Scorecard:
    """All out-of-sample numbers of one candidate.

    `prior` holds the class shares of each row's own training fold [n, 5]; `decided` is the policy's action; RPSS, VOL
    and DIR are shares of the prior's RPS.
    """
    scores, flat, base = rps(probabilities, action), rps(symmetric(probabilities, prior), action), rps(prior, action)
    reference = float(base.mean())
    es = expected_score(probabilities)
    return Scorecard(
        candidate=candidate,
        kind=kind,
        rps=float(scores.mean()),
        rpss=1 - float(scores.mean()) / reference,
        vol=float((base - flat).mean()) / reference,
        dir=float((flat - scores).mean()) / reference,
        dir_t=day_t(np.where(np.abs(flat - scores) < 1e-12, 0.0, flat - scores), session),
        ic=ic(es, z),
        ic_t=day_t(ic_terms(es, z), session),
        log_loss=float(log_loss(action, np.clip(probabilities, 1e-12, 1), labels=np.arange(len(SCORES)))),
        macro_f1=float(f1_score(action, decided, average="macro", labels=np.arange(len(SCORES)), zero_division=0.0)),
        accuracy=float((decided == action).mean()),
        ece=ece(probabilities, action),
        fit_seconds=fit_seconds,
        folds=folds,
    )
