"""The champion: the version behind `production`, loaded and verified."""

from __future__ import annotations

from pathlib import Path

from market_master.config import Settings
from market_master.prediction.loaded_model import LoadedModel, load_model
from market_master.registry.versions import Versions


def load_champion(home: Path, model: str, settings: Settings | None = None) -> LoadedModel:
    """The version behind `production`, verified. Raises NoChampion and what `load_model` raises."""
    return load_model(Versions(home, model).champion(), settings)
