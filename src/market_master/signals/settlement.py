"""Settlement: realised outcomes of logged predictions, once the predicted bar has closed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from market_master.domain import CLASSES, DAY, NoBars
from market_master.labels import labeler_from_state
from market_master.market_data.store import Store
from market_master.prediction_log import PredictionLog
from market_master.registry.versions import Versions

DELISTED_AFTER = 10 * DAY
"""without a bar of the symbol, while others have some"""


def settle_outcomes(log: PredictionLog, model: str, home: Path, *, now: int) -> dict[str, int]:
    """Write the outcomes of the predictions whose bar has closed: once, by the version's own label, never again.

    A prediction waits while the store has no later bar of its symbol, for ten days at most; where the next bar is missing
    or not to be trusted, it is settled without an outcome. Returns how many were settled, how many of those without an
    outcome, and how many wait.
    """
    by_version: dict[str, list[dict[str, Any]]] = defaultdict(list)
    waiting = log.unsettled(model, now)
    for row in waiting:
        by_version[row["version"]].append(row)
    outcomes = [row for version, rows in by_version.items() for row in _outcomes(version, rows, model, home, now)]
    settled = log.settle(outcomes)
    void = sum(row["outcome"] is None for row in outcomes)
    return {"settled": settled, "without_outcome": void, "waiting": len(waiting) - len(outcomes)}


def _outcomes(version: str, rows: list[dict[str, Any]], model: str, home: Path, now: int) -> list[dict[str, Any]]:
    """The rows of a version that can be settled, with their outcomes."""
    card = Versions(home, model).load(version).card
    store = Store(home / "data", card.source, card.timetable["interval"])
    try:
        bars = store.bars(tuple(sorted({row["symbol"] for row in rows} & set(store.symbols()))), until=now)
    except NoBars:
        return []
    labels = labeler_from_state(card.label).transform(bars)
    symbols_and_ends = zip([bars.symbols[code] for code in bars.code], bars.bar_end.tolist(), strict=True)
    bar_of = {symbol_and_end: number for number, symbol_and_end in enumerate(symbols_and_ends)}
    newest = {symbol: int(bars.bar_end[part][-1]) for symbol, part in bars if part.stop > part.start}
    outcomes = []
    for row in rows:
        if max(newest.get(row["symbol"], 0), bars.newest - DELISTED_AFTER) < row["label_end"]:
            continue
        bar = bar_of.get((row["symbol"], row["bar_end"]))
        known = bar is not None and bool(labels.known[bar])
        outcomes.append(
            {
                **row,
                "outcome": CLASSES[labels.action[bar]] if known else None,
                "outcome_return": float(labels.forward_return[bar]) if known else None,
                "outcome_z": float(labels.z[bar]) if known else None,
                "settled_at": float(now),
            }
        )
    return outcomes
