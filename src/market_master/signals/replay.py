"""Replay: a served signal rebuilt from stored bars, weights, code and model, and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market_master.domain import NoSignal, as_json, iso
from market_master.index.inputs import input_hashes, read_inputs
from market_master.index.signal import index_signal
from market_master.prediction.loaded_model import load_model
from market_master.prediction_log import PredictionLog
from market_master.registry.versions import Versions


@dataclass(frozen=True)
class Replay:
    """A served signal and its rebuilt twin; its field names are the JSON of `mm replay`."""

    as_of: str
    version: str
    source: str
    """scheduled, backfilled, or stored (by the server)"""
    identical: bool
    differences: list[dict[str, Any]]
    """where, served, rebuilt"""
    hashes: dict[str, dict[str, str]]
    """of bars, weights, features' code and graph: then and now"""
    signal: dict[str, Any]
    """as it was served"""


def replay_signal(model: str, index: str | None, home: Path, log: PredictionLog, *, asof: int) -> Replay:
    """Rebuild the signal that stood at an instant: the newest one whose bar had closed.

    Raises NoSignal when none was logged by then, and what loading its version raises: FingerprintMismatch names the commit
    whose code made it.
    """
    row = log.signal_by(model, index, asof)
    if row is None:
        raise NoSignal(
            f"No signal of {model} was logged for a bar that had closed by {iso(asof)}; `mm backfill` makes them."
        )
    served, bar_end = json.loads(row["record"]), int(row["bar_end"])
    version_model = load_model(Versions(home, model).load(row["version"]))
    inputs = read_inputs(version_model, version_model.store(home), now=bar_end, asof=bar_end)
    rebuilt = as_json(index_signal(version_model, inputs))
    then, now = json.loads(row["hashes"]), input_hashes(version_model, inputs)
    differences = list(_differences("", served, json.loads(json.dumps(rebuilt))))
    return Replay(
        as_of=iso(bar_end),
        version=row["version"],
        source=row["source"],
        identical=not differences and then == now,
        differences=differences,
        hashes={name: {"served": then.get(name, ""), "now": now[name]} for name in now},
        signal=served,
    )


def _differences(where: str, served: Any, rebuilt: Any) -> Iterator[dict[str, Any]]:
    """The leaves that differ."""
    if isinstance(served, dict) and isinstance(rebuilt, dict):
        for key in sorted(served.keys() | rebuilt.keys()):
            yield from _differences(f"{where}.{key}".lstrip("."), served.get(key), rebuilt.get(key))
    elif isinstance(served, list) and isinstance(rebuilt, list) and len(served) == len(rebuilt):
        for number, (served_item, rebuilt_item) in enumerate(zip(served, rebuilt, strict=True)):
            yield from _differences(f"{where}[{number}]", served_item, rebuilt_item)
    elif served != rebuilt:
        yield {"where": where, "served": served, "rebuilt": rebuilt}
