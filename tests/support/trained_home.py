"""A home in which the smallest pipeline has run, made once for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_master import config
from market_master.config import Settings
from market_master.domain.records import as_json
from tests.support import ROOT
from tests.support.shared_results import once


def settings_of(name: str, **environ: str) -> Settings:
    """A shipped config, with MM_ variables put in."""
    return config.load(ROOT / "configs" / f"{name}.yaml", environ)


@pytest.fixture(scope="session")
def trained_home(shared_folder: Path) -> Path:
    """A home with one promoted version of configs/test.yaml; the worker that comes first trains it. Read only."""
    from tests.support.quick_training import train_quickly  # brings MLflow, which tests of numbers do not need

    home = shared_folder / "trained"
    once(home / "outcome.json", lambda: as_json(train_quickly(home, settings_of("test"))))
    return home


@pytest.fixture(scope="session")
def rejected_home(shared_folder: Path) -> Path:
    """A home in which a market without an edge ended rejected, as version 1. Read only."""
    from tests.support.quick_training import train_quickly

    home = shared_folder / "rejected"
    once(home / "outcome.json", lambda: as_json(train_quickly(home, rejected_settings())))
    return home


@pytest.fixture(scope="session")
def market_home(shared_folder: Path) -> Path:
    """A home whose champion looks at the market, and at up to 481 bars: every feature set. Read only."""
    from tests.support.quick_training import train_quickly

    settings = settings_of(
        "test", MM_FEATURES__SETS="[core, market, long]", MM_CANDIDATES="[logistic]", MM_GATE__RULES="[deterministic]"
    )
    home = shared_folder / "market"
    once(home / "outcome.json", lambda: as_json(train_quickly(home, settings)))
    return home


def rejected_settings() -> Settings:
    """configs/test.yaml without an edge, one candidate, and nothing provisional."""
    return settings_of("test", MM_PROVIDER__EDGE="0.0", MM_GATE__PROVISIONAL="false", MM_CANDIDATES="[logistic]")
