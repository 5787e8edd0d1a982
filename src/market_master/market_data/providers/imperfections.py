"""Imperfections of real bars, planted in simulated ones where they can be found again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.domain import OHLCV, PRICES, Array, Schedule, iso
from market_master.market_data.providers.simulated_process import Market

MISSING_SHARE = 0.005
HALT_BARS, STALE_BARS = 10, 6
SPLIT_RATIO = 2


@dataclass(eq=False)
class MutableMarket:
    """The market as its vendor publishes it; arrays are (symbols, bars), and planting writes into them."""

    names: tuple[str, ...]
    schedule: Schedule
    columns: dict[str, Array]
    there: NDArray[np.bool_]
    """which bars the vendor has"""
    twice: list[tuple[int, int]] = field(default_factory=list)
    """(symbol, bar) of rows that it has a second time"""

    @classmethod
    def of(cls, names: tuple[str, ...], market: Market) -> MutableMarket:
        """A flawless tape."""
        columns = {name: getattr(market, name).copy() for name in OHLCV}
        return cls(names, market.schedule, columns, np.ones(market.z.shape, dtype=bool))


def inject_imperfections(kinds: Sequence[str], tape: MutableMarket, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Plant the kinds, each in a symbol of its own while there are enough, and tell what lies where.

    Each kind has its own random numbers: it stays in its place when others are switched on.
    """
    order, bars = rng.permutation(len(tape.names)), len(tape.schedule.end)
    planted = []
    for position, (kind, stream) in enumerate(zip(KINDS, rng.spawn(len(KINDS)), strict=True)):
        if kind in kinds:
            symbol = int(order[position % len(order)])
            bar = int(stream.integers(bars // 4, max(bars // 4 + 1, 3 * bars // 4)))
            planted.append({"kind": kind, **KINDS[kind](tape, symbol, bar, stream)})
    return planted


def _splits(tape: MutableMarket, symbol: int, bar: int, _: np.random.Generator) -> dict[str, Any]:
    """From a session's first bar on, prices are halved and volumes doubled; nothing is adjusted."""
    bar = int(np.searchsorted(tape.schedule.session, tape.schedule.session[bar]))
    for name in PRICES:
        tape.columns[name][symbol, bar:] /= SPLIT_RATIO
    tape.columns["volume"][symbol, bar:] *= SPLIT_RATIO
    return _address(tape, symbol, bar) | {"ratio": SPLIT_RATIO}


def _stale_block(tape: MutableMarket, symbol: int, bar: int, _: np.random.Generator) -> dict[str, Any]:
    """A feed that hangs: one price again and again, and no volume."""
    hangs = slice(bar, min(bar + STALE_BARS, tape.there.shape[1]))
    last = tape.columns["open"][symbol, bar]
    for name in PRICES:
        tape.columns[name][symbol, hangs] = last
    tape.columns["volume"][symbol, hangs] = 0
    return _address(tape, symbol, bar) | {"bars": hangs.stop - hangs.start}


def _missing(tape: MutableMarket, _symbol: int, _bar: int, rng: np.random.Generator) -> dict[str, Any]:
    """Single bars, of any symbol, that never arrived."""
    lost = rng.random(tape.there.shape) < MISSING_SHARE
    tape.there &= ~lost
    return {"bars": int(lost.sum())}


def _halt(tape: MutableMarket, symbol: int, bar: int, _: np.random.Generator) -> dict[str, Any]:
    """Trading stands still for ten bars."""
    still = slice(bar, min(bar + HALT_BARS, tape.there.shape[1]))
    tape.there[symbol, still] = False
    return _address(tape, symbol, bar) | {"bars": still.stop - still.start}


def _late_listing(tape: MutableMarket, symbol: int, bar: int, _: np.random.Generator) -> dict[str, Any]:
    """A symbol that begins some way into the history; `bar_end` is its first."""
    tape.there[symbol, : bar // 2] = False
    return _address(tape, symbol, bar // 2)


def _delisting(tape: MutableMarket, symbol: int, bar: int, _: np.random.Generator) -> dict[str, Any]:
    """A symbol that leaves before the history ends; `bar_end` is its last."""
    bar = (bar + tape.there.shape[1] - 1) // 2
    tape.there[symbol, bar + 1 :] = False
    return _address(tape, symbol, bar)


def _duplicate(tape: MutableMarket, symbol: int, bar: int, _: np.random.Generator) -> dict[str, Any]:
    """A row delivered twice."""
    tape.there[symbol, bar] = True
    tape.twice.append((symbol, bar))
    return _address(tape, symbol, bar)


def _bad_tick(tape: MutableMarket, symbol: int, bar: int, _: np.random.Generator) -> dict[str, Any]:
    """A print at 0, which no trade ever had."""
    tape.there[symbol, bar] = True
    tape.columns["low"][symbol, bar] = 0.0
    return _address(tape, symbol, bar)


def _address(tape: MutableMarket, symbol: int, bar: int) -> dict[str, Any]:
    return {"symbol": tape.names[symbol], "bar_end": iso(tape.schedule.end[bar])}


KINDS: dict[str, Callable[[MutableMarket, int, int, np.random.Generator], dict[str, Any]]] = {
    planter.__name__[1:]: planter
    for planter in (_splits, _stale_block, _missing, _halt, _late_listing, _delisting, _duplicate, _bad_tick)
}
