"""Recipe hash of a model, data apart, and the lane of the gate that follows from it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from market_master.artifact.model_card import ModelCard
from market_master.config import Settings
from market_master.domain import NEW_RECIPE, REFRESH
from market_master.training.compare import Comparison


def recipe_hash(comparison: Comparison, fingerprints: dict[str, str], settings: Settings) -> str:
    """Hash of features, label, folds, training, candidate and parameters."""
    sections = settings.model_dump(mode="json", include={"label", "folds", "training"})
    parts: list[Any] = [fingerprints, comparison.selected, sections, comparison.winner, winner_parameters(comparison)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def winner_parameters(comparison: Comparison) -> dict[str, Any]:
    """What the winner was made with: every plain parameter of its estimator, and the number of seeds."""
    plain = {k: v for k, v in comparison.estimator.get_params().items() if isinstance(v, (int, float, str, bool))}
    return plain | {"seeds": comparison.recipe.seeds}


def lane_of(recipe_hash: str, champion: ModelCard | None) -> str:
    """`refresh` for the champion's own recipe, else `new_recipe`."""
    return REFRESH if champion is not None and champion.recipe_hash == recipe_hash else NEW_RECIPE
