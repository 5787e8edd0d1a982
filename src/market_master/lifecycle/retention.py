"""Retention: which versions, runs and files stay and why; the rest goes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market_master.domain import DAY, ConfigError
from market_master.lifecycle.promote import MOVES
from market_master.registry.deletion import delete_for_good, recorded_runs
from market_master.registry.journal import Journal, journal_of
from market_master.registry.versions import Versions

NEWEST_VERSIONS = 20
"""versions that stay whatever became of them"""
KEPT_FILES = ("summary.json", "decision.json", "settings.json")
"""of a run's folder: what was decided and on what evidence; the gate, the API's history and the journal's reader go back to it"""
IN_PRODUCTION = (*MOVES, "intended", "recovered", "shadowed", "approved")
ABANDONED_SECONDS = 7 * DAY
"""a run that has not ended by then never will"""


@dataclass(frozen=True)
class RetainedVersion:
    """A version that stays, and why."""

    version: str
    because: str


@dataclass(frozen=True)
class Retained:
    """What stays and what goes; or, when applied, what has gone."""

    applied: bool
    stays: tuple[RetainedVersion, ...]
    versions: tuple[str, ...]
    """that go"""
    runs: tuple[str, ...]
    """MLflow runs that go, each with those of its candidates, its artefacts and its files"""
    files: tuple[str, ...]
    """in the home, that go with them"""
    bytes: int
    """of those files"""
    summary: str


def apply_retention(model: str, home: Path, *, now: int, keep: int = NEWEST_VERSIONS, apply: bool = False) -> Retained:
    """Keep the newest versions, every one that ever was in production or has an alias, and their runs; delete the rest.

    Of a run that goes the record of its decision stays; of the runs that made no version the newest `keep` stay too. Files
    go first, the registry's entries last: cut off anywhere, the next run goes on. Nothing is deleted unless `apply`.
    Raises ConfigError when nothing should be kept.
    """
    if keep < 1:
        raise ConfigError(f"At least 1 version has to be kept, {keep} was asked for.")
    journal = journal_of(home)
    with journal.locked():
        stays, going = _divided(Versions(home, model).all(), _in_production(journal), keep)
        runs = _without_version(home, now, keep) + _of_versions(home, model, going)
        files = [file for run in runs for file in _files(home, run)]
        size = sum(_size(file) for file in files)
        collected = True
        if apply:
            for file in files:
                shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
            collected = delete_for_good(home, model, [row["version"] for row in going], runs)
    counted = f"{len(going)} versions, {len(runs)} runs and {len(files)} files ({size / 1e6:.1f} MB)"
    summary = f"{len(stays)} versions stay; {counted} {'are gone' if apply else 'would go'}."
    if not collected:
        summary += " The tracking server has them marked as deleted; `mlflow gc` beside it frees the space."
    return Retained(
        applied=apply,
        stays=tuple(stays),
        versions=tuple(row["version"] for row in going),
        runs=tuple(runs),
        files=tuple(str(file.relative_to(home)) for file in files),
        bytes=size,
        summary=summary,
    )


def _divided(
    versions: list[dict[str, Any]], in_production: dict[str, str], keep: int
) -> tuple[list[RetainedVersion], list[dict[str, Any]]]:
    """The versions (newest first) that stay with the reason, and those that go."""
    stays, going = [], []
    for index, row in enumerate(versions):
        version = row["version"]
        if row["aliases"]:
            stays.append(RetainedVersion(version, f"behind {', '.join(row['aliases'])}"))
        elif version in in_production:
            stays.append(RetainedVersion(version, f"named by the journal: {in_production[version]}"))
        elif index < keep:
            stays.append(RetainedVersion(version, f"one of the {keep} newest"))
        else:
            going.append(row)
    return stays, going


def _in_production(journal: Journal) -> dict[str, str]:
    """Every version that the journal names as moved to or from `production`, or watched beside it, with the last such entry."""
    return {
        version: f"{entry.event} on {entry.time[:10]}"
        for entry in journal.entries()
        if entry.event in IN_PRODUCTION
        for version in (entry.from_version, entry.to_version)
        if version is not None
    }


def _of_versions(home: Path, model: str, going: list[dict[str, Any]]) -> list[str]:
    """The runs behind versions that go, but for those that another version came from too."""
    deleted = {(model, row["version"]) for row in going}
    return [run.id for run in recorded_runs(home) if run.versions and set(run.versions) <= deleted]


def _without_version(home: Path, now: int, keep: int) -> list[str]:
    """Runs that compared only, or failed: all but the newest, and none that may be under way."""
    old = [run for run in recorded_runs(home) if not run.versions][keep:]
    return [run.id for run in old if run.finished or now - run.begun > ABANDONED_SECONDS]


def _files(home: Path, run: str) -> list[Path]:
    data = home / "data"
    files = [file for file in sorted((data / "runs" / run).glob("*")) if file.name not in KEPT_FILES]
    return files + sorted((data / "reports").glob(f"{run}-*"))


def _size(file: Path) -> int:
    inside = file.rglob("*") if file.is_dir() else (file,)
    return sum(part.stat().st_size for part in inside if part.is_file())
