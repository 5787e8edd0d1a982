"""Settle: what came of the predictions in the log, once the bar they spoke of has closed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from market_master.domain.actions import CLASSES
from market_master.domain.clock import DAY
from market_master.domain.errors import NoBars
from market_master.labels import labeler_from_state
from market_master.market_data.store import Store
from market_master.prediction_log import PredictionLog
from market_master.registry.versions import Versions

PATIENCE = 10 * DAY
"""a symbol that has no bar for so long, while others have, has left"""


def settle_outcomes(log: PredictionLog, model: str, home: Path, *, now: int) -> dict[str, int]:
    """Put what came next beside the predictions whose bar has closed: once, by the version's own label, never again.

    A prediction waits while the store has no later bar of its symbol, for ten days at most; where the next bar is missing
    or not to be trusted, it is settled without an outcome. Returns how many were settled, how many of those without an
    outcome, and how many wait.
    """
    by_version: dict[str, list[dict[str, Any]]] = defaultdict(list)
    waiting = log.unsettled(model, now)
    for row in waiting:
        by_version[row["version"]].append(row)
    outcomes = [found for version, rows in by_version.items() for found in _outcomes(version, rows, model, home, now)]
    settled = log.settle(outcomes)
    void = sum(found["outcome"] is None for found in outcomes)
    return {"settled": settled, "without_outcome": void, "waiting": len(waiting) - len(outcomes)}


def _outcomes(version: str, rows: list[dict[str, Any]], model: str, home: Path, now: int) -> list[dict[str, Any]]:
    card = Versions(home, model).load(version).card
    store = Store(home / "data", card.source, card.timetable["interval"])
    try:
        bars = store.bars(tuple(sorted({row["symbol"] for row in rows} & set(store.symbols()))), until=now)
    except NoBars:
        return []
    labels = labeler_from_state(card.label).transform(bars)
    at = {
        (bars.symbols[code], end): n for n, (code, end) in enumerate(zip(bars.code, bars.bar_end.tolist(), strict=True))
    }
    newest = {symbol: int(bars.bar_end[part][-1]) for symbol, part in bars if part.stop > part.start}
    found = []
    for row in rows:
        n = at.get((row["symbol"], row["bar_end"]))
        if max(newest.get(row["symbol"], 0), bars.newest - PATIENCE) < row["label_end"]:
            continue
        known = n is not None and bool(labels.known[n])
        found.append(
            {
                **row,
                "outcome": CLASSES[labels.action[n]] if known else None,
                "outcome_return": float(labels.forward_return[n]) if known else None,
                "outcome_z": float(labels.z[n]) if known else None,
                "settled_at": float(now),
            }
        )
    return found
