"""Back to an earlier champion: verified first, in one move that a crash can't leave half done, told in the journal."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from market_master.artifact.bundle import PREVIOUS
from market_master.domain.errors import FingerprintMismatch, NotPromotable, UnknownVersion
from market_master.lifecycle import promote
from market_master.registry.journal import journal_of
from market_master.registry.versions import Versions
from tests.support.crash_process import crash
from tests.support.servers import MODEL, another_version, own_copy


@pytest.fixture
def two(trained_home: Path, home: Path) -> Path:
    """A home in which version 2 has taken over from version 1."""
    own_copy(trained_home, home)
    second = another_version(home, home / "second")
    journal_of(home).write("promoted", by="gate", reason="better", to_version=second)
    promote.promote_by_hand(second, "anna", "better on the hold-out", MODEL, home)
    return home


def _standing(home: Path) -> tuple[str | None, str | None]:
    versions = Versions(home, MODEL)
    return versions.production(), versions.version_at_alias(PREVIOUS)


def _back(home: Path, to: str | None = None) -> Any:
    return promote.roll_back(to, "anna", "errors since noon", MODEL, home)


def test_the_champion_before_this_one_comes_back(two: Path) -> None:
    """In well under five seconds; the aliases change places, the journal says who and why; and forth again."""
    assert _standing(two) == ("2", "1")
    begun = time.perf_counter()
    entry = _back(two)
    assert time.perf_counter() - begun < 5
    assert _standing(two) == ("1", "2")
    assert (entry.event, entry.by, entry.reason) == ("rolled_back", "anna", "errors since noon")
    assert (entry.from_version, entry.to_version) == ("2", "1")
    assert [e.event for e in journal_of(two).entries()][-2:] == ["intended", "rolled_back"]
    assert _back(two, "2").to_version == "2"
    assert _standing(two) == ("2", "1")


def test_what_can_not_be_served_does_not_come_back(two: Path) -> None:
    """An earlier champion whose feature code has changed since is refused before anything moves."""
    _back(two)
    card = json.loads((two / "second" / "card.json").read_text(encoding="utf-8"))
    card["fingerprints"][card["features"][0]] = "0" * 64
    (two / "second" / "card.json").write_text(json.dumps(card), encoding="utf-8")
    before = journal_of(two).entries()
    with pytest.raises(FingerprintMismatch):
        _back(two)
    assert _standing(two) == ("1", "2")
    assert journal_of(two).entries() == before


def test_only_an_earlier_champion_comes_back(two: Path) -> None:
    """Not the one that stands, none that never stood, and none that is not there."""
    with pytest.raises(NotPromotable, match="already"):
        _back(two, "2")
    never = another_version(two, two / "third", outcome="rejected")
    with pytest.raises(NotPromotable, match="never was in production"):
        _back(two, never)
    with pytest.raises(UnknownVersion):
        _back(two, "77")
    assert _standing(two) == ("2", "1")


def test_without_an_earlier_champion_there_is_no_way_back(trained_home: Path, home: Path) -> None:
    """The first champion has nobody before it, and the sentence says what to do."""
    own_copy(trained_home, home)
    with pytest.raises(NotPromotable, match="--to"):
        _back(home)


@pytest.mark.parametrize("step", range(5))
def test_a_move_cut_off_anywhere_is_finished_or_undone(two: Path, step: int) -> None:
    """Journal, production, previous, journal: after a crash at any of them `mend` leaves no half state, and the next run works."""
    with crash(step, of=4):
        _back(two)
    promote.complete_interrupted_move(MODEL, two)
    production, previous = _standing(two)
    moved = step > 1
    assert (production, previous) == (("1", "2") if moved else ("2", "1"))
    decided = [e for e in journal_of(two).entries() if e.event in promote.MOVES]
    assert decided[-1].to_version == production
    assert promote.complete_interrupted_move(MODEL, two) is None
    assert _back(two).to_version == previous
