"""The pipeline as most tests run it: Evidently renders nothing, and the registry has its tables already."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from market_master.config import Settings
from market_master.domain import clock
from market_master.pipeline import Outcome, train
from market_master.registry.tracking import client
from market_master.reports import evidently

QUICK = {"MM_CANDIDATES": "[logistic]"}
"""one candidate instead of two"""


@contextmanager
def plain_pages() -> Iterator[None]:
    """Evidently's pages are written without Evidently, which takes more than half of a small run; one test looks at a real one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidently, "render_page", lambda *_: "<html></html>")
        yield


def train_quickly(home: Path, settings: Settings, *, now: int | None = None, **options: Any) -> Outcome:
    """The pipeline over a home, now unless told when."""
    copy_empty_registry(home)
    with plain_pages():
        return train(settings, home, now=clock.now() if now is None else now, **options)


def copy_empty_registry(home: Path) -> None:
    """A registry in which nothing was ever registered, unless the home has one: MLflow takes seconds to make the tables."""
    if not (home / "mlruns").exists():
        shutil.copytree(Path(_empty_registry().name) / "mlruns", home / "mlruns")


def warm_up(home: Path, trained: Path) -> Path:
    """A home in which nothing ever ran, but that finds another's bars, fits and certificates by their hashes."""
    copy_empty_registry(home)
    for part in ("bars", "steps", "certificates"):
        shutil.copytree(trained / "data" / part, home / "data" / part)
    return home


@cache
def _empty_registry() -> TemporaryDirectory[str]:
    folder = TemporaryDirectory()
    client(Path(folder.name)).search_experiments()
    return folder
