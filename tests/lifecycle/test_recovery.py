"""What a killed run left is marked, and nothing else is."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from market_master.lifecycle.recovery import INTERRUPTED, recover
from market_master.registry.versions import Versions
from tests.support.servers import MODEL, another_version


def test_a_version_whose_run_ended_before_its_decision_is_marked(altered: Path) -> None:
    """Not while the run goes on, and not one that the journal has a decision about."""
    versions = Versions(altered, MODEL)
    before = versions.all()[0]
    fresh = another_version(altered, altered / "second", outcome="")
    with FileLock(altered / "data" / "runs" / before["run_id"] / ".running"):
        recover(MODEL, altered)
    assert [row["outcome"] for row in versions.all()] == ["", before["outcome"]]
    recover(MODEL, altered)
    assert {row["version"]: row["outcome"] for row in versions.all()} == {"1": before["outcome"], fresh: INTERRUPTED}
