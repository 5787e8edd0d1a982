"""Files of a model version: graph, card, calendar, and an example to check them by.

NumPy and onnxruntime only: this is what a server reads.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.artifact.bars_graph import BarsGraph, RawColumns
from market_master.artifact.model_card import ModelCard
from market_master.artifact.onnx_graph import Graph
from market_master.domain import ModelError
from market_master.files import write_atomic

PRODUCTION, PREVIOUS, SHADOW = "production", "previous", "shadow"
GRAPH_FILE = "model.onnx"
"""model inputs to raw probabilities: for explanations, backtests and MLflow's own tools"""
BARS_GRAPH_FILE = "bars.onnx"
"""raw bars to calibrated probabilities: what is served"""
CARD_FILE = "card.json"
CALENDAR_FILE = "calendar.json"
EXAMPLE_FILE = "example.json"
FALLBACK_NOTE_FILE = "copy.json"
REQUIRED_FILES = (GRAPH_FILE, BARS_GRAPH_FILE, CARD_FILE, CALENDAR_FILE, EXAMPLE_FILE)
MAX_EXAMPLE_DIFFERENCE = 1e-6
"""of a probability: float32 graphs on another processor"""


@dataclass(frozen=True)
class VersionFiles:
    """Where a version's files lie, and what the registry says of it."""

    name: str
    version: str
    run_id: str
    outcome: str
    folder: str


@dataclass(frozen=True, eq=False)
class ModelVersion:
    """A registered version: its graph, its card and the outcome of its last decision ('' before one)."""

    name: str
    version: str
    run_id: str
    outcome: str
    card: ModelCard
    graph: Graph
    bars_graph: BarsGraph
    calendar: Mapping[str, Any]
    """sessions around its time, see `domain.calendar.preload_sessions`"""
    example: Mapping[str, Any]
    """what the graphs gave when they were registered: `inputs` and raw `probabilities`; `columns` and `served`"""
    folder: Path
    """of its files, with those attached to it later"""

    def check_example(self) -> None:
        """Raise ModelError unless both graphs still predict their stored examples as they did."""
        inputs = np.asarray(self.example["inputs"], dtype=np.float32)
        columns = {name: np.asarray(values) for name, values in self.example["columns"].items()}
        answers = (self.graph.probabilities(inputs), self.bars_graph.predict(columns)[1])
        stored = (self.example["probabilities"], self.example["served"])
        difference = max(float(np.abs(a - np.asarray(b)).max()) for a, b in zip(answers, stored, strict=True))
        if not difference <= MAX_EXAMPLE_DIFFERENCE:
            raise ModelError(
                f"Version {self.version} of {self.name} answers its stored example {difference:.2g} off what it answered when it "
                f"was registered (limit {MAX_EXAMPLE_DIFFERENCE:g}); the graph or this machine's onnxruntime is another."
            )


def make_example(
    graph: Graph, bars_graph: BarsGraph, inputs: NDArray[np.float32], columns: RawColumns
) -> dict[str, Any]:
    """Some inputs of both graphs, and what they give for them."""
    return {
        "inputs": inputs.tolist(),
        "probabilities": graph.probabilities(inputs).tolist(),
        "columns": {name: columns[name].tolist() for name in bars_graph.inputs},
        "served": bars_graph.predict(columns)[1].tolist(),
    }


def companion_files(
    bars_graph: bytes, card: ModelCard, example: Mapping[str, Any], calendar: Mapping[str, Any]
) -> dict[str, bytes]:
    """The files of a version but for the model's graph, by file name."""
    texts = {CARD_FILE: card.to_json(), CALENDAR_FILE: json.dumps(calendar), EXAMPLE_FILE: json.dumps(example)}
    return {BARS_GRAPH_FILE: bars_graph} | {name: text.encode() for name, text in texts.items()}


def read_version(files: VersionFiles) -> ModelVersion:
    """The version whose files lie there. Raises ModelError when one is missing or can't be read."""
    folder = Path(files.folder)
    for part in REQUIRED_FILES:
        if not (folder / part).is_file():
            raise ModelError(
                f"Version {files.version} of {files.name} has no {part}; it was not made by this pipeline, or by an older "
                "one: train anew."
            )
    try:
        calendar, example = (json.loads((folder / part).read_bytes()) for part in (CALENDAR_FILE, EXAMPLE_FILE))
    except ValueError as error:
        raise ModelError(f"The files of version {files.version} of {files.name} can't be read: {error}.") from error
    return ModelVersion(
        files.name,
        files.version,
        files.run_id,
        files.outcome,
        ModelCard.from_json((folder / CARD_FILE).read_text(encoding="utf-8")),
        Graph((folder / GRAPH_FILE).read_bytes()),
        BarsGraph((folder / BARS_GRAPH_FILE).read_bytes()),
        calendar,
        example,
        folder,
    )


def save_fallback_copy(files: VersionFiles, folder: Path) -> None:
    """Copy a version's files and attachments, and then the note that vouches for them all.

    It is for times when the registry is away.
    """
    copy = folder / files.version
    copy.mkdir(parents=True, exist_ok=True)
    for part in _hashes(Path(files.folder)):
        shutil.copyfile(Path(files.folder) / part, copy / part)
    note = {**asdict(files), "folder": str(copy), "sha256": _hashes(copy)}
    write_atomic(folder / FALLBACK_NOTE_FILE, json.dumps(note, indent=2).encode())
    for old_copy in folder.iterdir():
        if old_copy.is_dir() and old_copy != copy:
            shutil.rmtree(old_copy, ignore_errors=True)


def load_fallback_copy(folder: Path) -> VersionFiles | None:
    """The copy kept there, None when there is none. Raises ModelError when a file is not the one that was kept."""
    file = folder / FALLBACK_NOTE_FILE
    if not file.exists():
        return None
    try:
        note = json.loads(file.read_text(encoding="utf-8"))
        known = VersionFiles(*(str(note[field.name]) for field in fields(VersionFiles)))
        files = replace(known, folder=str(folder / known.version))  # a home may have moved since
        hashes = _hashes(Path(files.folder))
        altered = [part for part, sha in note["sha256"].items() if sha != hashes.get(part)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"The local copy of the champion in {folder.name} can't be read: {error!r}.") from error
    if altered:
        raise ModelError(f"The local copy of version {files.version} was altered: {', '.join(altered)}.")
    return files


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a version."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
