"""The laws of time, symbols and units, over anything that turns bars into columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from market_master.domain.arrays import Array, Ints, Mask
from market_master.domain.bars import Bars
from market_master.domain.clock import iso
from market_master.leakage.perturb import reordered, scaled, shaken, with_stranger

EXACT = 1e-9


@dataclass(frozen=True)
class Proof:
    """One value that changed and must not have: where, and what it was before and after the change that was made."""

    symbol: str
    bar_end: str
    before: float | None
    after: float | None
    change: str


@dataclass(frozen=True)
class Finding:
    """What a law says about one object."""

    law: str
    kind: str
    """feature, label, regime, scale, threshold, calibration, cut, prediction, wss, equity, split, ..."""
    object: str
    passed: bool
    proof: Proof | None = None
    note: str = ""


def closing(bars: Bars) -> Ints:
    """What is known at a bar's close."""
    return bars.bar_end


@dataclass(frozen=True, eq=False)
class LeakProbe:
    """Columns made from bars, float [bars, names], and from when on each row may be known."""

    kind: str
    names: tuple[str, ...]
    compute: Callable[[Bars], Array]
    known: Callable[[Bars], Ints] = closing
    """a label declares its end here, and is judged by it"""


def check_lookahead(probe: LeakProbe, bars: Bars, instants: Iterable[int]) -> list[Finding]:
    """L1 and L2: what was known at an instant stays when later bars are cut off, or are others."""
    whole = probe.compute(bars)
    cut: dict[int, Proof] = {}
    other: dict[int, Proof] = {}
    for instant in instants:
        told = f"bars after {iso(instant)}"
        before, final = bars.bar_end <= instant, probe.known(bars) <= instant
        short = bars.until(instant)
        _collect(cut, bars, whole, _placed(probe.compute(short), before, whole), final & before, f"{told} cut off")
        shook = probe.compute(shaken(bars, ~before))
        _collect(other, bars, whole, shook, final & before, f"{told} replaced")
    return _findings("L1", probe, cut) + _findings("L2", probe, other)


def check_live_parity(probe: LeakProbe, bars: Bars, count: int, instants: Iterable[int]) -> list[Finding]:
    """L3: with each symbol's last `count` bars only, the newest rows are the same."""
    whole, found = probe.compute(bars), dict[int, Proof]()
    for instant in instants:
        short = bars.until(instant).tail(count)
        here = bars.bar_end == instant
        newest = probe.compute(short)[short.bar_end == instant]
        ready = np.isfinite(newest).all(axis=1) & np.isfinite(whole[here]).all(axis=1)
        rows = np.flatnonzero(here)[ready]
        mask = np.zeros(len(bars), dtype=bool)
        mask[rows] = True
        _collect(found, bars, whole, _placed(newest[ready], mask, whole), mask, f"{count} bars of history only")
    return _findings("L3", probe, found)


def check_symbol_isolation(probe: LeakProbe, bars: Bars, own: Sequence[str], symbols: Sequence[str]) -> list[Finding]:
    """L4: the columns in `own` are the same for a symbol that is alone."""
    whole, found = probe.compute(bars), dict[int, Proof]()
    counted = np.array([name in own for name in probe.names])
    for symbol in symbols:
        mask = np.zeros(len(bars), dtype=bool)
        mask[bars.rows(symbol)] = True
        alone = _placed(probe.compute(bars.select([symbol])), mask, whole)
        _collect(found, bars, whole, alone, mask, "all other symbols removed")
    kept = {column: proof for column, proof in found.items() if counted[column]}
    return [finding for finding in _findings("L4", probe, kept) if finding.object in own]


def check_sensitivity(
    probe: LeakProbe, bars: Bars, instants: Iterable[int], given: Sequence[str] = ()
) -> list[Finding]:
    """L10: other bars up to an instant change the column at or after it somewhere; those in `given` come from the clock."""
    whole, felt = probe.compute(bars), np.zeros(len(probe.names), dtype=bool)
    for instant in instants:
        with np.errstate(invalid="ignore"):
            felt |= (_differ(whole, probe.compute(shaken(bars, bars.bar_end <= instant, seed=1)))).any(axis=0)
    return [
        Finding("L10", probe.kind, name, bool(here or name in given), None, "" if here else "never moved")
        for name, here in zip(probe.names, felt, strict=True)
    ]


def check_unit_invariance(probe: LeakProbe, bars: Bars) -> list[Finding]:
    """L11: prices x 10, volumes x 10, another order of symbols, one more symbol: the same values."""
    whole, found = probe.compute(bars), dict[int, Proof]()
    everything = np.ones(len(bars), dtype=bool)
    for told, other in (
        ("prices x 10", scaled(bars, 10.0)),
        ("volumes x 10", scaled(bars, 1.0, 10.0)),
        ("another order of symbols", reordered(bars)),
        ("one more symbol", with_stranger(bars)),
    ):
        _collect(found, bars, whole, probe.compute(other)[: len(bars)], everything, told, 1e-7)
    return _findings("L11", probe, found)


def _differ(one: Array, other: Array, tolerance: float = EXACT) -> Mask:
    """NaN equals NaN only."""
    return ~np.isclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)


def _placed(values: Array, rows: Mask, whole: Array) -> Array:
    """Values of some rows in the shape of all, the others as they were."""
    placed = whole.copy()
    placed[rows] = values
    return placed


def _collect(
    found: dict[int, Proof], bars: Bars, one: Array, other: Array, rows: Mask, change: str, tolerance: float = EXACT
) -> None:
    """The first difference of each column that has none yet."""
    wrong = _differ(one, other, tolerance) & rows[:, None]
    for column in np.flatnonzero(wrong.any(axis=0)).tolist():
        if column not in found:
            row = int(wrong[:, column].argmax())
            found[column] = Proof(
                bars.symbols[bars.code[row]], iso(bars.bar_end[row]), _plain(one[row, column]), _plain(other[row, column]),
                change,
            )  # fmt: skip


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _findings(law: str, probe: LeakProbe, found: dict[int, Proof]) -> list[Finding]:
    return [
        Finding(law, probe.kind, name, column not in found, found.get(column))
        for column, name in enumerate(probe.names)
    ]
