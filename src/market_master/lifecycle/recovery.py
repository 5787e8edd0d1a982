"""Recovery: what a killed run left is finished or marked before the next one begins."""

from __future__ import annotations

import time
from pathlib import Path

from market_master.lifecycle import promote
from market_master.registry.journal import DECISIONS, journal_of
from market_master.registry.run_lock import is_over
from market_master.registry.tracking import KILLED, Run, open_runs
from market_master.registry.versions import Versions
from market_master.training.fit_cache import evict

INTERRUPTED = "cut_off"
"""the outcome of a version whose run ended before its decision"""
HOUR = 3600


def recover(model: str, home: Path) -> None:
    """Finish a move that was cut off, close runs that were killed, and mark versions that never came to a decision."""
    promote.complete_interrupted_move(model, home)
    versions = Versions(home, model)
    rows = [row for row in versions.all() if row["outcome"] != INTERRUPTED and is_over(home, row["run_id"])]
    decided = {entry.to_version for entry in journal_of(home).entries() if entry.event in DECISIONS}
    for version in [row["version"] for row in rows if row["version"] not in decided]:
        versions.set_outcome(version, INTERRUPTED)
    for run, parent_run in open_runs(home):
        if is_over(home, parent_run):
            Run(home, run).finish(KILLED)
    for part in (home / "data").rglob(".*.part"):
        if time.time() - part.stat().st_mtime > HOUR:
            part.unlink(missing_ok=True)
    evict(home / "data" / "steps")
