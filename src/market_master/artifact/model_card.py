"""Model card: what a model needs in order to be served, a file of its version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from market_master.artifact.bars_graph import BarsGraph
from market_master.artifact.onnx_graph import Graph
from market_master.domain import CLASSES, FingerprintMismatch, ModelError, Timetable

TUPLE_FIELDS = ("symbols", "members", "features", "classes", "importance", "score_sizes")


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model that is not its graph; plain values only, so that it reads the same everywhere."""

    candidate: str
    run_id: str
    created: str
    settings: dict[str, Any]
    """the configuration of the run that trained it"""
    timetable: dict[str, str]
    """calendar, interval, grid"""
    source: str
    """whose bars: the store's folder"""
    live: bool
    """staleness counts against the clock on the wall"""
    symbols: tuple[str, ...]
    """in the order of the symbol codes the graph expects"""
    members: tuple[str, ...]
    """the symbols that make the market features"""
    features: tuple[str, ...]
    """in the order of the graph's columns"""
    fingerprints: dict[str, str]
    fingerprint: str
    required_bars: int
    """of a symbol, for a prediction from the newest: the features' warm-up and that one"""
    label: dict[str, Any]
    classes: tuple[str, ...]
    calibration: dict[str, Any]
    wss_expected_sd: float | None
    """spread of the expected WSS on out-of-fold rows"""
    train_first: str
    train_last: str
    label_known: str
    """end of the last label it learned from; a hold-out must begin after it"""
    train_rows: int
    parameters: dict[str, Any]
    """what the candidate was made with"""
    tuned: dict[str, Any]
    """those that are not its defaults"""
    class_shares: dict[str, Any]
    """of the labels, by fold, slot and regime"""
    importance: tuple[dict[str, Any], ...]
    """RPS lost when a feature's days are permuted, most important first"""
    trials: int
    """recipes that were tried to find it"""
    certificate: str
    """key of the leak suite's certificate, which lies beside the card"""
    recipe_hash: str
    data_hash: str
    graph_sha256: str
    bars_graph_sha256: str
    parity: float
    """largest difference between the graph's and its Python twin's probabilities"""
    libraries: dict[str, str]
    code_commit: str | None
    origins: dict[str, str] = field(default_factory=dict)
    """symbol -> its provider's source, where several make the universe"""
    score_sizes: tuple[float, ...] = ()
    """percentiles 0 to 100 of |expected score| on out-of-fold rows; cards older than `policy.confidence_rank` have none"""

    @property
    def times(self) -> Timetable:
        """The timetable the model's bars lie on."""
        return Timetable(**self.timetable)

    def to_json(self) -> str:
        """The card as a JSON document."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """A card from its JSON. Raises ModelError for anything that is not a whole card."""
        try:
            values = json.loads(text)
            tuples = {name: tuple(values[name]) for name in TUPLE_FIELDS if name in values}
            card = cls(**{**values, **tuples})
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"The model card can't be read: {error!r}; train and promote a new version.") from error
        if card.classes != CLASSES:
            raise ModelError(f"The model's classes are {list(card.classes)}, the code knows {list(CLASSES)}.")
        return card

    @property
    def warmup(self) -> int:
        """Earlier bars the features need."""
        return self.required_bars - 1

    def verify_features(self, fingerprints: Mapping[str, str]) -> None:
        """Refuse feature code, by the fingerprints of what runs or was traced, that differs from what the model learned from."""
        changed = [name for name in self.features if fingerprints.get(name) != self.fingerprints[name]]
        if changed:
            raise FingerprintMismatch(
                f"The code of {len(changed)} of {len(self.features)} features is not what the model was trained with "
                f"(first: '{changed[0]}'); check out commit {self.code_commit or 'of the training run'} or train anew.",
                changed=changed,
            )

    def verify_graphs(self, graph: Graph, bars_graph: BarsGraph) -> None:
        """Refuse graphs that are not the card's: by their hashes, by the features that were traced, or by their reach."""
        self.verify_features(bars_graph.fingerprints)
        if bars_graph.required_bars != self.required_bars:
            raise ModelError(
                f"The bars graph needs {bars_graph.required_bars} bars of a symbol, its card says {self.required_bars}: the "
                "version was altered; train and promote a new one."
            )
        for known, of_card in ((graph.sha256, self.graph_sha256), (bars_graph.sha256, self.bars_graph_sha256)):
            if known != of_card:
                raise ModelError(
                    f"The graph's hash {known[:12]} is not the card's {of_card[:12]}: the version was altered."
                )
