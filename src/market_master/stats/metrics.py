"""Metrics of probabilities: RPS with its volatility and directional parts, IC, and others."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.stats import rankdata

from market_master.domain import CLASSES, Actions, Array, Ints, Scorecard, expected_score, without_direction
from market_master.stats.bootstrap import SEED, day_draws
from market_master.stats.daily import by_day, day_t, newey_west_se

COUNT = len(CLASSES)
BINS = 10
INTERVAL_DRAWS = 500
"""bootstrap of days behind every interval"""


def rps(probabilities: Array, action: Actions) -> Array:
    """Ranked probability score of each row, unnormalised: sum over k of (C_k - O_k)^2 (Epstein 1969, Murphy 1971)."""
    steps = probabilities.shape[1] - 1
    reached = action[:, None] <= np.arange(steps)
    return ((probabilities.cumsum(axis=1)[:, :steps] - reached) ** 2).sum(axis=1)


def directional_skill(
    probabilities: Array, prior: Array, action: Actions, session: Ints, fewest_days: int = 10
) -> tuple[float, float | None]:
    """DIR as a share of the prior's RPS, and its standard error over days: None over fewer than `fewest_days`."""
    gained = rps(without_direction(probabilities, prior), action) - rps(probabilities, action)
    base = rps(prior, action)
    daily = by_day(gained, session)
    error = float(newey_west_se(daily) / base.mean()) if len(daily) >= fewest_days else None
    return float(gained.sum() / base.sum()), error


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


def ece(probabilities: Array, action: Actions, bins: int = BINS) -> float:
    """Expected calibration error: the mean over classes, each with equal-count bins."""
    single_group = np.zeros(len(action), dtype=np.int64)
    return float(_ece(_bin_sums(probabilities, action, single_group, bins).sum(axis=0)[None], len(action))[0])


def rank_ic(score: Array, z: Array, bar_end: Ints) -> Array:
    """Spearman correlation across the symbols of each instant, in order of time; NaN where either is constant."""
    instants, group = np.unique(bar_end, return_inverse=True)
    ranks = [_ranked(values, group, len(instants)) for values in (score, z)]
    with np.errstate(invalid="ignore", divide="ignore"):
        product, one, other = (
            np.bincount(group, a * b) for a, b in ((ranks[0], ranks[1]), (ranks[0],) * 2, (ranks[1],) * 2)
        )
        return np.asarray(product / np.sqrt(one * other))


def reliability(probabilities: Array, action: Actions, session: Ints) -> Array:
    """What was said and what came, in ten equal-count bins a class: [5, 10, 4] of stated, came, and its 90 % band.

    The band is a bootstrap of whole days.
    """
    days, group = np.unique(session, return_inverse=True)
    sums = _bin_sums(probabilities, action, group, BINS)
    total, draws = sums.sum(axis=0), np.tensordot(day_draws(len(days), draws=INTERVAL_DRAWS, seed=SEED), sums, axes=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn_ic = draws[..., 1] / draws[..., 2]
        low, high = np.nanquantile(drawn_ic, [0.05, 0.95], axis=0)
        return np.stack([total[..., 0] / total[..., 2], total[..., 1] / total[..., 2], low, high], axis=-1)


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
    bar_end: Ints | None = None,
    overlap: int = 0,
) -> Scorecard:
    """All out-of-sample numbers of one candidate, each with the 90 % interval that a bootstrap of days gives it.

    `prior` holds the class shares of each row's own training fold [n, 5]; `decided` is the policy's action; RPSS, VOL
    and DIR are shares of the prior's RPS. The rank IC needs `bar_end`, to know which rows are of one instant; labels of
    neighbouring sessions share `overlap` of them. Noise can only raise an ECE: where the model is calibrated its interval
    lies above it.
    """
    scores, flat, base = (
        rps(probabilities, action),
        rps(without_direction(probabilities, prior), action),
        rps(prior, action),
    )
    direction = np.where(np.abs(flat - scores) < 1e-12, 0.0, flat - scores)
    es = expected_score(probabilities)
    days, group = np.unique(session, return_inverse=True)
    sums = _day_sums(probabilities, decided, action, z, (scores, flat, base), group)
    point = {name: float(value[0]) for name, value in _numbers(sums, np.ones((1, len(days)))).items()}
    drawn = _numbers(sums, day_draws(len(days), draws=INTERVAL_DRAWS, seed=SEED))
    intervals = {name: (float(np.quantile(v, 0.05)), float(np.quantile(v, 0.95))) for name, v in drawn.items()}
    leans = (es != 0) & (z != 0)
    up = float((z[leans] > 0).mean()) if leans.any() else 0.5
    ranks = rank_ic(es, z, bar_end) if bar_end is not None and es.std() > 1e-12 else np.array([np.nan])
    predicted, was = (np.bincount(values, minlength=COUNT) / len(action) for values in (decided, action))
    return Scorecard(
        candidate=candidate,
        kind=kind,
        **{name: point[name] for name in ("rps", "rpss", "vol", "dir")},
        dir_t=day_t(direction, session, overlap),
        ic=ic(es, z),
        ic_t=day_t(ic_terms(es, z), session, overlap),
        **{name: point[name] for name in ("log_loss", "macro_f1", "accuracy", "ece")},
        fit_seconds=fit_seconds,
        folds=folds,
        macro_f1_null=float(np.mean(2 * predicted * was / np.maximum(predicted + was, 1e-12))),
        accuracy_null=float(predicted @ was),
        macro_f1_argmax=point["macro_f1_argmax"],
        rank_ic=float(np.nanmean(ranks)) if np.isfinite(ranks).any() else None,
        sign_accuracy=float((np.sign(es) == np.sign(z))[leans].mean()) if leans.any() else None,
        sign_base=max(up, 1 - up),
        intervals=intervals,
    )


def _day_sums(
    probabilities: Array, decided: Actions, action: Actions, z: Array, scores: tuple[Array, Array, Array], group: Ints
) -> dict[str, Array]:
    """The sums of each day that all numbers are made of; `scores` are RPS as it is, without direction, and the prior's."""
    es = expected_score(probabilities)
    surprise = -np.log(np.clip(probabilities[np.arange(len(action)), action], 1e-12, 1))
    return {
        "rows": np.column_stack([_by_day(values, group) for values in (np.ones(len(es)), *scores, surprise)]),
        "moments": np.column_stack([_by_day(values, group) for values in (es, z, es * es, z * z, es * z)]),
        "decided": _confusion(decided, action, group),
        "likeliest": _confusion(probabilities.argmax(axis=1), action, group),
        "bins": _bin_sums(probabilities, action, group, BINS),
    }


def _numbers(sums: dict[str, Array], times: Array) -> dict[str, Array]:
    """Every number that has an interval, for each way of counting days [draws, days]."""
    drawn = {name: np.tensordot(times, values, axes=1) for name, values in sums.items()}
    count, scores, flat, base, surprise = drawn["rows"].T
    es, z, es2, z2, product = drawn["moments"].T / count
    spread = np.maximum(es2 - es**2, 0) * np.maximum(z2 - z**2, 0)
    confusion, likeliest = drawn["decided"], drawn["likeliest"]
    return {
        "rps": scores / count,
        "rpss": 1 - scores / base,
        "vol": (base - flat) / base,
        "dir": (flat - scores) / base,
        "ic": np.where(spread > 1e-20, (product - es * z) / np.sqrt(np.maximum(spread, 1e-20)), 0.0),
        "log_loss": surprise / count,
        "macro_f1": _macro_f1(confusion),
        "accuracy": np.trace(confusion, axis1=1, axis2=2) / count,
        "ece": _ece(drawn["bins"], count),
        "macro_f1_argmax": _macro_f1(likeliest),
    }


def _by_day(values: Array, group: Ints) -> Array:
    return np.asarray(np.bincount(group, weights=values), dtype=float)


def _confusion(predicted: Actions, was: Actions, group: Ints) -> Array:
    """[days, said, was]"""
    cells = group * COUNT**2 + predicted.astype(np.int64) * COUNT + was
    return np.bincount(cells, minlength=(group.max() + 1) * COUNT**2).reshape(-1, COUNT, COUNT).astype(float)


def _macro_f1(confusion: Array) -> Array:
    hit, predicted, was = np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2), confusion.sum(axis=1)
    return np.asarray((2 * hit / np.maximum(predicted + was, 1)).mean(axis=1))


def _bin_sums(probabilities: Array, action: Actions, group: Ints, bins: int) -> Array:
    """[days, class, bin, 3]: stated probability, times it came, rows; equal-count bins over all rows."""
    count, days = len(action), int(group.max()) + 1
    sums = np.zeros((days, probabilities.shape[1], bins, 3))
    sizes = [len(part) for part in np.array_split(np.arange(count), bins)]
    for column in range(probabilities.shape[1]):
        which = np.empty(count, dtype=np.int64)
        which[np.argsort(probabilities[:, column], kind="stable")] = np.repeat(np.arange(bins), sizes)
        for number, values in enumerate((probabilities[:, column], (action == column).astype(float), np.ones(count))):
            cells = np.bincount(group * bins + which, weights=values, minlength=days * bins)
            sums[:, column, :, number] = cells.reshape(days, bins)
    return sums


def _ece(sums: Array, count: Array | int) -> Array:
    """From [draws, class, bin, 3]: sum of |stated - came| over rows, mean over classes."""
    return np.asarray(np.abs(sums[..., 0] - sums[..., 1]).sum(axis=2).mean(axis=1) / count)


def _ranked(values: Array, group: Ints, instants: int) -> Array:
    """Ranks within each instant, less their mean."""
    order = np.lexsort((values, group))
    ends = np.searchsorted(group[order], np.arange(instants + 1))
    ranks = np.empty(len(values))
    for first, stop in pairwise(ends.tolist()):
        rows = order[first:stop]
        ranks[rows] = rankdata(values[rows]) - (stop - first + 1) / 2
    return ranks
