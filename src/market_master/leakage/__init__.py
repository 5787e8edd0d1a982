"""Leak suite: laws that anything computed from bars must keep, each with a proof if broken.

A probe is anything that turns bars into columns: features, a label, a whole pipeline. Laws L1 to L4 and L9 to L11 of the
method are here; those that need training (L5 to L8) are put together in the step.
"""

from market_master.leakage.laws import (
    Finding,
    LeakProbe,
    Proof,
    check_live_parity,
    check_lookahead,
    check_sensitivity,
    check_symbol_isolation,
    check_unit_invariance,
)
from market_master.leakage.perturb import changed, reordered, scaled, shaken, with_stranger
from market_master.leakage.splits import split_in_time

__all__ = [
    "FAST_LAWS", "LAWS", "Finding", "LeakProbe", "Proof", "changed", "check_live_parity", "check_lookahead", "check_sensitivity",
    "check_symbol_isolation", "check_unit_invariance", "reordered", "scaled", "shaken", "split_in_time", "with_stranger",
]  # fmt: skip

LAWS = {
    "L1": "cutting off later bars changes nothing before",
    "L2": "other later bars change nothing before",
    "L3": "the few bars of serving give what the whole history gives",
    "L4": "a symbol's own features do not feel other symbols",
    "L5": "no feature knows the next return better than the market allows",
    "L6": "labels dealt to other days teach nothing",
    "L7": "a planted edge is recovered, and not more than it",
    "L8": "a planted leak is caught",
    "L9": "folds and hold-out are cut by time, for all symbols, after every label was known",
    "L10": "a feature feels the bars it is made of",
    "L11": "units, order and strangers change nothing",
}
FAST_LAWS = ("L1", "L2", "L3", "L4", "L9", "L10", "L11")
