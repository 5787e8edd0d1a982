"""Law of splits (L9): cut by time, one side for all symbols, labels known before the test."""

from __future__ import annotations

import numpy as np

from market_master.domain import Bars, Ints, Mask, iso
from market_master.leakage.laws import Finding, Proof


def split_in_time(name: str, bars: Bars, train: Mask, test: Mask, label_end: Ints) -> Finding:
    """The law for one split: masks over the bars, and when each row's label was known."""
    overlapping = train & test
    unknown_label = train & (label_end >= bars.bar_end[test].min())
    torn = train & np.isin(bars.session, bars.session[test])
    for change, wrong in (
        ("a row that is both trained on and tested", overlapping),
        ("a training label that was not known when the test began", unknown_label),
        ("a training row of a tested session", torn),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            return Finding("L9", "split", name, False, _proof(bars, row, label_end, test, change))
    return Finding("L9", "split", name, True)


def _proof(bars: Bars, row: int, label_end: Ints, test: Mask, change: str) -> Proof:
    first = float(bars.bar_end[test].min())
    sentence = f"{change}; the test begins {iso(int(first))}"
    return Proof(bars.symbols[bars.code[row]], iso(bars.bar_end[row]), float(label_end[row]), first, sentence)
