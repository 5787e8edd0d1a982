"""Law of motion of the simulated market: factor returns and clustered volatility.

The edge shows in the volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from market_master.domain import Array, Ints, Schedule

OVERNIGHT = 0.35
"""share of a day's variance that falls between sessions (real large caps: .376)"""
MARKET, SECTOR, IDIOSYNCRATIC = 0.30, 0.10, 0.60
"""shares of a return's noise that all symbols, a sector's symbols, and nobody else have in common"""
SECTORS = 5
COMMON = 0.30
"""share of the carrier that all symbols have in common: without it an index can't be foretold (method 5.4)"""
CARRIED = 0.4
"""what one unit of the carrier adds to the log of volume"""

MODES = ("volume", "reversal", "regime_flip", "none")
SIMULATED_REGIMES = ("bull", "bear", "volatile")

_TRANSITION = np.array([[0.985, 0.010, 0.005], [0.02, 0.96, 0.02], [0.03, 0.03, 0.94]])
_SPREAD = np.array([0.8, 1.2, 2.0])
_DRIFT = np.array([4e-4, -6e-4, 0.0])
"""of the regimes: their transitions, their scale, their drift a day"""
_IN_DAY_GAP = 0.1
"""of a bar's scale, from one close to the next open inside a session"""
_STEPS = 12
_PURPOSES = ("weights", "levels", "days", "noise", "gaps", "carrier", "paths", "imperfections", "smear")


@dataclass(frozen=True, eq=False)
class Market:
    """A drawn market, flawless; arrays are (symbols, bars) over the bars of `schedule`."""

    schedule: Schedule
    sigma: Array
    """each symbol's usual day"""
    regime: Ints
    """of each session, a number of SIMULATED_REGIMES"""
    carrier: Array
    """x, known at the bar's end: the next bar's z leans `edge` times as far"""
    scale: Array
    """true size of the bar's own return"""
    z: Array
    """the bar's open-to-close log return, in units of its scale"""
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array


def draw(*, seed: int, symbols: int, edge: float, mode: str, schedule: Schedule, noise: float = 0.0) -> Market:
    """The market that belongs to a seed on the given bars; the same numbers give the same bits.

    `noise` is what ln(volume) holds beside the carrier: at 0 it can be read off exactly. Mode `none` has no edge.
    """
    edge = 0.0 if mode == "none" else edge
    bars, opens = len(schedule.end), np.append(True, np.diff(schedule.session) != 0)
    days = np.cumsum(opens) - 1
    level, shock = _levels(stream(seed, "levels"), symbols), _noise(stream(seed, "noise"), symbols, bars)
    regime, weather, drift = _days(stream(seed, "days"), int(days[-1]) + 1)
    shape = _shape(schedule, opens)
    shown = _carrier(stream(seed, "carrier"), symbols, bars)
    carrier = -shock.own if mode == "reversal" else shown
    lean = np.where((mode == "regime_flip") & (days >= flip_day(int(days[-1]) + 1)), -edge, edge)

    scale = level.sigma[:, None] * (weather[days] * shape)
    z = shock.all.copy()
    z[:, 1:] = lean[1:] * carrier[:, :-1] + np.sqrt(1 - edge**2) * shock.all[:, 1:]

    gap_rng = stream(seed, "gaps")
    gap = _IN_DAY_GAP * scale * gap_rng.standard_normal((symbols, bars))
    night = _noise(gap_rng, symbols, int(days[-1]) + 1).all
    gap[:, opens] = drift + level.sigma[:, None] * weather * np.sqrt(_closed_share(schedule, opens)) * night

    moved = np.cumsum(gap + scale * z, axis=1)
    close = level.price[:, None] * np.exp(moved)
    open_ = level.price[:, None] * np.exp(moved - scale * z)
    high, low = _extremes(stream(seed, "paths"), scale, z)
    signal = CARRIED * shown + noise * stream(seed, "smear").standard_normal(shown.shape)
    return Market(
        schedule, level.sigma, regime, carrier, scale, z, open_,
        np.maximum(np.maximum(open_, close), open_ * np.exp(high)),
        np.minimum(np.minimum(open_, close), open_ * np.exp(low)),
        close, np.rint(np.exp(level.volume[:, None] + np.log(shape) + signal)),
    )  # fmt: skip


def weights(seed: int, symbols: int) -> Array:
    """Index weights with a heavy head, Pareto(1.2); six decimals, and their sum is 1."""
    size = 1 + stream(seed, "weights").pareto(1.2, symbols)
    parts = np.rint(1e6 * size / size.sum()).astype(np.int64)
    parts[parts.argmax()] += 1_000_000 - parts.sum()
    return parts / 1e6


def sectors(symbols: int) -> Ints:
    """The sector of each symbol."""
    return np.arange(symbols) % SECTORS


def flip_day(sessions: int) -> int:
    """The session from which on `regime_flip` turns the edge round."""
    return sessions // 2


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose: drawing more for one leaves the others as they were."""
    return np.random.default_rng([seed, _PURPOSES.index(purpose)])


class _Levels(NamedTuple):
    sigma: Array
    price: Array
    volume: Array


class _Noise(NamedTuple):
    all: Array
    own: Array


def _levels(rng: np.random.Generator, symbols: int) -> _Levels:
    sigma = rng.lognormal(np.log(0.018), 0.25, symbols)
    return _Levels(sigma, rng.lognormal(np.log(80), 0.6, symbols), rng.normal(np.log(2e6), 0.8, symbols))


def _noise(rng: np.random.Generator, symbols: int, bars: int) -> _Noise:
    """Fat-tailed innovations of unit variance with market, sector and own parts; and the own part by itself."""
    unit = np.sqrt(3 / 5)
    market, idiosyncratic = unit * rng.standard_t(5, bars), unit * rng.standard_t(5, (symbols, bars))
    sector = unit * rng.standard_t(5, (SECTORS, bars))[sectors(symbols)]
    return _Noise(
        np.sqrt(MARKET) * market + np.sqrt(SECTOR) * sector + np.sqrt(IDIOSYNCRATIC) * idiosyncratic, idiosyncratic
    )


def _carrier(rng: np.random.Generator, symbols: int, bars: int) -> Array:
    common = rng.standard_normal(bars)
    return np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * rng.standard_normal((symbols, bars))


def _days(rng: np.random.Generator, days: int) -> tuple[Ints, Array, Array]:
    """Each day's regime, scale (regime times stochastic volatility) and drift."""
    chance, shock = rng.random(days), 0.12 * rng.standard_normal(days)
    regime, heat, regimes, heats = 0, 0.0, [], []
    for day in range(days):
        heat = 0.95 * heat + shock[day]
        regime = int(np.searchsorted(_TRANSITION[regime].cumsum()[:-1], chance[day], "right"))
        regimes.append(regime)
        heats.append(heat)
    return np.array(regimes), _SPREAD[regimes] * np.exp(heats), _DRIFT[regimes]


def _shape(schedule: Schedule, opens: Ints) -> Array:
    """Each bar's share of the day's spread: U-shaped in the session, weighted by duration.

    In an ordinary session the squares add up to the session's share of the day's variance, in a half-day to less.
    """
    first = np.flatnonzero(opens)
    session = np.cumsum(opens) - 1
    begin, end = schedule.start[first], schedule.end[np.append(first[1:], len(opens)) - 1]
    middle = (schedule.start + schedule.end) / 2
    phase = (middle - begin[session]) / (end - begin)[session]
    power = (schedule.end - schedule.start) * (1 + 3 * (2 * phase - 1) ** 2)
    ordinary = np.median(np.add.reduceat(power, first))
    return np.sqrt((1 - _closed_share(schedule, opens)) * power / ordinary)


def _closed_share(schedule: Schedule, opens: Ints) -> float:
    """The variance between sessions; a market that never closes has none."""
    return OVERNIGHT if (schedule.start[1:] > schedule.end[:-1])[opens[1:]].any() else 0.0


def _extremes(rng: np.random.Generator, scale: Array, z: Array) -> tuple[Array, Array]:
    """Highest and lowest log price within each bar, from its open: a Brownian bridge of twelve steps to its close."""
    at, end = np.zeros_like(scale), scale * z
    high, low = np.zeros_like(scale), np.zeros_like(scale)
    for step in range(_STEPS - 1):
        remaining = _STEPS - step
        spread = scale * np.sqrt((remaining - 1) / remaining / _STEPS)
        at += (end - at) / remaining + spread * rng.standard_normal(scale.shape)
        np.maximum(high, at, out=high)
        np.minimum(low, at, out=low)
    return high, low
