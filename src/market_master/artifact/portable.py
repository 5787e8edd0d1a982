"""Portable form of a version: its graph from raw bars, its card, and a schedule of bars."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from market_master.artifact.bundle import BARS_GRAPH_FILE, ModelVersion
from market_master.domain import ConfigError, instant, preload_sessions
from market_master.files import write_atomic

GRAPH_SUFFIX, CARD_SUFFIX = ".onnx", ".json"


@dataclass(frozen=True)
class ExportedVersion:
    """Where an exported version lies."""

    version: str
    graph: str
    card: str
    """`card`, and `schedule`: each session's day number and the starts of its bars"""
    sha256: str
    """of the graph"""
    required_bars: int


def export_version(version: ModelVersion, file: Path) -> ExportedVersion:
    """Write a version's graph to a file, and its card to the one beside it that ends in .json.

    Raises ConfigError when one of the two is there already, or the file does not end in .onnx.
    """
    graph, card = file.absolute(), file.absolute().with_suffix(CARD_SUFFIX)
    if graph.suffix != GRAPH_SUFFIX:
        raise ConfigError(f"{file} does not end in {GRAPH_SUFFIX}; the card goes beside it under the same name.")
    for one in (graph, card):
        if one.exists():
            raise ConfigError(f"{one} is there already; name another file with --out, or remove it.")
    content = json.dumps({"card": asdict(version.card), "schedule": _schedule(version)})
    write_atomic(card, content.encode())
    write_atomic(graph, (version.folder / BARS_GRAPH_FILE).read_bytes())
    return ExportedVersion(
        version.version, str(graph), str(card), version.bars_graph.sha256, version.card.required_bars
    )


def _schedule(version: ModelVersion) -> list[tuple[int, list[int]]]:
    """The bars of the sessions that the version knows, from the year of its last training on."""
    preload_sessions(version.calendar)
    last_known = datetime(version.calendar["years"][1], 12, 1, tzinfo=UTC)
    bars = version.card.times.between(instant(version.card.train_last), int(last_known.timestamp()))
    pairs = zip(bars.session.tolist(), bars.start.tolist(), strict=True)
    return [(day, [start for _, start in of_day]) for day, of_day in groupby(pairs, lambda pair: pair[0])]
