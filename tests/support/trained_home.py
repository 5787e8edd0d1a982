"""A home in which the smallest pipeline has run, made once for all tests that only read it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from filelock import FileLock

from market_master import config
from market_master.config import Settings
from market_master.domain import clock
from market_master.domain.records import as_json
from market_master.pipeline import train
from tests.support import ROOT


def settings_of(name: str, **environ: str) -> Settings:
    """A shipped config, with MM_ variables put in."""
    return config.load(ROOT / "configs" / f"{name}.yaml", environ)


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one promoted version of configs/test.yaml; the worker that comes first trains it. Read only."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "trained"
    home.mkdir(exist_ok=True)
    with FileLock(f"{home}.lock"):
        if not (home / "outcome.json").exists():
            outcome = train(settings_of("test"), home, now=clock.now())
            (home / "outcome.json").write_text(json.dumps(as_json(outcome)), encoding="utf-8")
    return home


ALL_SEEDS = bool(os.environ.get("MM_ALL_SEEDS"))
"""12 and 40 of them take ten minutes more"""
