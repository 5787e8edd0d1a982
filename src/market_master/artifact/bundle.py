"""What a model version is made of, as files in a folder: graph, card, calendar, and answers to check it by.

NumPy and onnxruntime only: this is what a server reads.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.artifact.model_card import ModelCard
from market_master.artifact.onnx_graph import Graph
from market_master.domain.errors import ModelError
from market_master.files import write_atomic

PRODUCTION, PREVIOUS, SHADOW = "production", "previous", "shadow"
GRAPH_FILE = "model.onnx"
CARD_FILE = "card.json"
CALENDAR_FILE = "calendar.json"
EXAMPLE_FILE = "example.json"
NOTE_FILE = "copy.json"
FILES = (GRAPH_FILE, CARD_FILE, CALENDAR_FILE, EXAMPLE_FILE)
PARITY = 1e-6
"""float32 graphs on another processor"""


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
    calendar: Mapping[str, Any]
    """sessions around its time, see `domain.sessions.hand_over`"""
    example: Mapping[str, Any]
    """`inputs` and the `probabilities` that the graph gave for them when it was registered"""
    folder: Path
    """where its files lie, with what else was kept beside it"""

    def check_answers(self) -> None:
        """Raise ModelError unless the graph still answers its stored example as it did."""
        inputs = np.asarray(self.example["inputs"], dtype=np.float32)
        off = float(np.abs(self.graph.probabilities(inputs) - np.asarray(self.example["probabilities"])).max())
        if not off <= PARITY:
            raise ModelError(
                f"Version {self.version} of {self.name} answers its stored example {off:.2g} off what it answered when it "
                f"was registered (limit {PARITY:g}); the graph or this machine's onnxruntime is another."
            )


def companion_files(
    graph: Graph, card: ModelCard, inputs: NDArray[np.float32], calendar: Mapping[str, Any]
) -> dict[str, str]:
    """The texts that lie beside a graph, by file name."""
    example = {"inputs": inputs.tolist(), "probabilities": graph.probabilities(inputs).tolist()}
    return {CARD_FILE: card.to_json(), CALENDAR_FILE: json.dumps(calendar), EXAMPLE_FILE: json.dumps(example)}


def read(place: VersionFiles) -> ModelVersion:
    """The version whose files lie there. Raises ModelError when one is missing or can't be read."""
    folder = Path(place.folder)
    for part in FILES:
        if not (folder / part).is_file():
            raise ModelError(
                f"Version {place.version} of {place.name} has no {part}; it was not made by this pipeline, or by an older "
                "one: train anew."
            )
    try:
        calendar, example = (json.loads((folder / part).read_bytes()) for part in (CALENDAR_FILE, EXAMPLE_FILE))
    except ValueError as error:
        raise ModelError(f"The files of version {place.version} of {place.name} can't be read: {error}.") from error
    return ModelVersion(
        place.name,
        place.version,
        place.run_id,
        place.outcome,
        ModelCard.from_json((folder / CARD_FILE).read_text(encoding="utf-8")),
        Graph((folder / GRAPH_FILE).read_bytes()),
        calendar,
        example,
        folder,
    )


def save_fallback_copy(place: VersionFiles, folder: Path) -> None:
    """Copy a version's files, and what was kept beside them, and then the note that vouches for them all.

    It is for times when the registry is away.
    """
    own = folder / place.version
    own.mkdir(parents=True, exist_ok=True)
    for part in _hashes(Path(place.folder)):
        shutil.copyfile(Path(place.folder) / part, own / part)
    note = {**asdict(place), "folder": str(own), "sha256": _hashes(own)}
    write_atomic(folder / NOTE_FILE, json.dumps(note, indent=2).encode())
    for other in folder.iterdir():
        if other.is_dir() and other != own:
            shutil.rmtree(other, ignore_errors=True)


def load_fallback_copy(folder: Path) -> VersionFiles | None:
    """The copy kept there, None when there is none. Raises ModelError when a file is not the one that was kept."""
    file = folder / NOTE_FILE
    if not file.exists():
        return None
    try:
        note = json.loads(file.read_text(encoding="utf-8"))
        place = VersionFiles(*(str(note[field.name]) for field in fields(VersionFiles)))
        found = _hashes(Path(place.folder))
        altered = [part for part, sha in note["sha256"].items() if sha != found.get(part)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"The local copy of the champion in {folder.name} can't be read: {error!r}.") from error
    if altered:
        raise ModelError(f"The local copy of version {place.version} was altered: {', '.join(altered)}.")
    return place


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a version."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
