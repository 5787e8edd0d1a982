"""The laws of time, symbols and units, over anything that turns bars into columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from market_master.domain import Array, Bars, Ints, Mask, iso
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
    original = probe.compute(bars)
    cut_offs: dict[int, Proof] = {}
    replacements: dict[int, Proof] = {}
    for instant in instants:
        change = f"bars after {iso(instant)}"
        before, final = bars.bar_end <= instant, probe.known(bars) <= instant
        short = bars.until(instant)
        _collect(
            cut_offs,
            bars,
            original,
            _placed(probe.compute(short), before, original),
            final & before,
            f"{change} cut off",
        )
        replaced = probe.compute(shaken(bars, ~before))
        _collect(replacements, bars, original, replaced, final & before, f"{change} replaced")
    return _findings("L1", probe, cut_offs) + _findings("L2", probe, replacements)


def check_live_parity(
    probe: LeakProbe, bars: Bars, count: int, instants: Iterable[int], served: Callable[[Bars], Array] | None = None
) -> list[Finding]:
    """L3: with each symbol's last `count` bars only, the newest rows are the same, as they are served where that differs."""
    original, proofs = probe.compute(bars), dict[int, Proof]()
    for instant in instants:
        short = bars.until(instant).tail(count)
        here = bars.bar_end == instant
        newest = (served or probe.compute)(short)[short.bar_end == instant]
        ready = np.isfinite(newest).all(axis=1) & np.isfinite(original[here]).all(axis=1)
        rows = np.flatnonzero(here)[ready]
        mask = np.zeros(len(bars), dtype=bool)
        mask[rows] = True
        _collect(proofs, bars, original, _placed(newest[ready], mask, original), mask, f"{count} bars of history only")
    return _findings("L3", probe, proofs)


def check_symbol_isolation(
    probe: LeakProbe, bars: Bars, columns: Sequence[str], symbols: Sequence[str]
) -> list[Finding]:
    """L4: the columns in `own` are the same for a symbol that is alone."""
    original, proofs = probe.compute(bars), dict[int, Proof]()
    counted = np.array([name in columns for name in probe.names])
    for symbol in symbols:
        mask = np.zeros(len(bars), dtype=bool)
        mask[bars.rows(symbol)] = True
        alone = _placed(probe.compute(bars.select([symbol])), mask, original)
        _collect(proofs, bars, original, alone, mask, "all other symbols removed")
    relevant = {column: proof for column, proof in proofs.items() if counted[column]}
    return [finding for finding in _findings("L4", probe, relevant) if finding.object in columns]


def check_sensitivity(
    probe: LeakProbe, bars: Bars, instants: Iterable[int], clock_columns: Sequence[str] = ()
) -> list[Finding]:
    """L10: other bars up to an instant change the column at or after it somewhere; those in `given` come from the clock."""
    original, felt = probe.compute(bars), np.zeros(len(probe.names), dtype=bool)
    for instant in instants:
        with np.errstate(invalid="ignore"):
            felt |= (_differ(original, probe.compute(shaken(bars, bars.bar_end <= instant, seed=1)))).any(axis=0)
    return [
        Finding("L10", probe.kind, name, bool(moved or name in clock_columns), None, "" if moved else "never moved")
        for name, moved in zip(probe.names, felt, strict=True)
    ]


def check_unit_invariance(probe: LeakProbe, bars: Bars) -> list[Finding]:
    """L11: prices x 10, volumes x 10, another order of symbols, one more symbol: the same values."""
    original, proofs = probe.compute(bars), dict[int, Proof]()
    everything = np.ones(len(bars), dtype=bool)
    for change, perturbed in (
        ("prices x 10", scaled(bars, 10.0)),
        ("volumes x 10", scaled(bars, 1.0, 10.0)),
        ("another order of symbols", reordered(bars)),
        ("one more symbol", with_stranger(bars)),
    ):
        _collect(proofs, bars, original, probe.compute(perturbed)[: len(bars)], everything, change, 1e-7)
    return _findings("L11", probe, proofs)


def _differ(before: Array, after: Array, tolerance: float = EXACT) -> Mask:
    """NaN equals NaN only."""
    return ~np.isclose(before, after, rtol=tolerance, atol=tolerance, equal_nan=True)


def _placed(values: Array, rows: Mask, original: Array) -> Array:
    """Values of some rows in the shape of all, the others as they were."""
    placed = original.copy()
    placed[rows] = values
    return placed


def _collect(
    proofs: dict[int, Proof], bars: Bars, before: Array, after: Array, rows: Mask, change: str, tolerance: float = EXACT
) -> None:
    """The first difference of each column that has none yet."""
    wrong = _differ(before, after, tolerance) & rows[:, None]
    for column in np.flatnonzero(wrong.any(axis=0)).tolist():
        if column not in proofs:
            row = int(wrong[:, column].argmax())
            proofs[column] = Proof(
                bars.symbols[bars.code[row]], iso(bars.bar_end[row]), _plain(before[row, column]), _plain(after[row, column]),
                change,
            )  # fmt: skip


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _findings(law: str, probe: LeakProbe, proofs: dict[int, Proof]) -> list[Finding]:
    return [
        Finding(law, probe.kind, name, column not in proofs, proofs.get(column))
        for column, name in enumerate(probe.names)
    ]
