"""The journal is a book: lines are added, and none can be changed, taken out or put in unseen."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from market_master.domain.errors import JournalBroken, NotWritten
from market_master.domain.records import Verdict
from market_master.registry.journal import EVENTS, Journal, journal_of
from tests.support.concurrency import race

VERDICT = Verdict("beats_prior", False, "block", 0.31, 0.05, "p = 0.31, limit 0.05; é and \u2028 are letters too.")


@pytest.fixture
def book(home: Path) -> Journal:
    """Five entries of all kinds of content."""
    journal = journal_of(home)
    journal.write("registered", by="pipeline", reason="first", to_version="1", data_hash="d", details={"rows": 7})
    journal.write("looked", by="gate", reason="look", to_version="1", details={"year": 2024, "lane": "new_recipe"})
    journal.write("rejected", by="gate", reason="no", to_version="1", verdicts=(VERDICT,), details={"n": 0.1 + 0.2})
    journal.write("registered", by="pipeline", reason="again", to_version="2")
    journal.write("provisional", by="gate", reason="well", from_version=None, to_version="2", code_commit="abc")
    return journal


def lines(book: Journal) -> list[str]:
    """The lines of the file."""
    return book.file.read_text(encoding="utf-8").split("\n")[:-1]


def rewritten(book: Journal, changed: list[str]) -> Journal:
    """The same file with other lines."""
    book.file.write_text("".join(line + "\n" for line in changed), encoding="utf-8")
    return book


def test_what_is_written_is_what_is_read(book) -> None:
    """Entries come back in order, with verdicts, numbers and details as they were."""
    entries = book.entries()
    assert [entry.event for entry in entries] == ["registered", "looked", "rejected", "registered", "provisional"]
    assert entries[2].verdicts == (VERDICT,)
    assert entries[2].details == {"n": 0.1 + 0.2}
    assert entries[0].previous_entry_hash is None
    assert len({entry.id for entry in entries}) == len({entry.previous_entry_hash for entry in entries}) == 5
    assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)
    assert book.write("approved", by="me", reason="fine", to_version="2") == book.entries()[-1]


def test_no_journal_is_an_empty_one(home) -> None:
    """Before the first decision there is nothing, and asking makes no file."""
    journal = journal_of(home)
    assert journal.entries() == []
    assert journal.last_decision("1") is None
    assert not journal.file.exists()


def test_writing_only_appends(book) -> None:
    """What was in the file stays, byte for byte, before what is added."""
    before = book.file.read_bytes()
    book.write("rolled_back", by="me", reason="so", from_version="2", to_version="1")
    assert book.file.read_bytes().startswith(before)
    assert len(lines(book)) == 6


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("key", ["reason", "by", "to_version", "event", "time", "id", "previous_entry_hash", "details"])
def test_an_altered_line_breaks_the_book(book, number, key) -> None:
    """Any value of any entry, the newest too: changed afterwards, reading and writing refuse."""
    changed = lines(book)
    entry = json.loads(changed[number])
    entry[key] = {"event": "promoted", "details": {"rows": 8}}.get(key, "x" * 12)
    changed[number] = json.dumps(entry, sort_keys=True)
    rewritten(book, changed)
    with pytest.raises(JournalBroken, match=r"Line [1-5] "):
        book.entries()
    with pytest.raises(JournalBroken):
        book.write("approved", by="me", reason="fine")
    assert lines(book) == changed


@pytest.mark.parametrize("number", range(5))
def test_a_line_written_in_another_way_breaks_the_book(book, number) -> None:
    """Spaces count: a line is its bytes."""
    changed = lines(book)
    changed[number] = changed[number].replace('": ', '":  ', 1)
    with pytest.raises(JournalBroken):
        rewritten(book, changed).entries()


@pytest.mark.parametrize("number", range(4))
def test_a_removed_line_breaks_the_book(book, number) -> None:
    """Any but the newest: nothing follows from what is not there."""
    entries = lines(book)
    with pytest.raises(JournalBroken, match=f"Line {number + 1} "):
        rewritten(book, entries[:number] + entries[number + 1 :]).entries()


@pytest.mark.parametrize("number", range(6))
def test_an_inserted_line_breaks_the_book(book, number) -> None:
    """A copy of an entry, at any place."""
    entries = lines(book)
    with pytest.raises(JournalBroken):
        rewritten(book, [*entries[:number], entries[1], *entries[number:]]).entries()


@pytest.mark.parametrize("line", ["", "{}", "[]", "null", "no json", '{"event": "promoted"}'])
def test_a_line_that_is_no_entry_breaks_the_book(book, line) -> None:
    """Half a line, an empty one, or something else, told by its number."""
    with pytest.raises(JournalBroken, match="Line 6 "):
        rewritten(book, [*lines(book), line]).entries()


def test_exchanged_lines_break_the_book(book) -> None:
    """Order is part of what was decided."""
    first, second, *later = lines(book)
    with pytest.raises(JournalBroken):
        rewritten(book, [second, first, *later]).entries()


def test_the_last_decision_about_a_version_is_its_newest_verdict(book) -> None:
    """Registering, looking and approving decide nothing."""
    book.write("approved", by="me", reason="fine", to_version="2")
    assert [getattr(book.last_decision(version), "event", None) for version in "123"] == [
        "rejected",
        "provisional",
        None,
    ]
    book.write("promoted", by="gate", reason="better now", to_version="2")
    decision = book.last_decision("2")
    assert decision
    assert decision.event == "promoted"


def test_a_held_lock_lets_its_holder_write(book) -> None:
    """A decision holds the lock over several entries and the alias between them."""
    with book.locked(), book.locked():
        book.write("intended", by="gate", reason="first")
        book.write("promoted", by="gate", reason="then")
    assert [entry.event for entry in book.entries()][-2:] == ["intended", "promoted"]


def test_an_event_has_one_of_ten_names(book) -> None:
    """The words of the contract and no others."""
    assert len(EVENTS) == 10
    with pytest.raises(AssertionError):
        book.write("guessed", by="me", reason="so")


def test_two_processes_that_write_at_once_keep_the_chain(home) -> None:
    """Thirty entries of each, in one unbroken chain."""
    race(
        "from pathlib import Path\nfrom market_master.registry.journal import journal_of",
        "for n in range(30): journal_of(Path(sys.argv[1])).write('registered', by=sys.argv[2], reason=str(n))",
        [(home, "one"), (home, "two")],
    )
    entries = journal_of(home).entries()
    for who in ("one", "two"):
        assert [entry.reason for entry in entries if entry.by == who] == [str(n) for n in range(30)]


def test_a_line_that_was_cut_off_never_was(book) -> None:
    """What a crash left of a line nobody was told of is not read, and makes room for the next."""
    before = book.entries()
    with book.file.open("a", encoding="utf-8") as stream:
        stream.write('{"id": "half')
    assert book.entries() == before
    book.write("approved", by="me", reason="fine", to_version="2")
    assert [entry.event for entry in book.entries()][5:] == ["approved"]


def test_a_full_disk_leaves_no_half_line(book, monkeypatch) -> None:
    """A write that fails is an error, and the journal is as it was."""

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    content = book.file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(NotWritten, match="space"):
            book.write("approved", by="me", reason="fine", to_version="2")
    assert book.file.read_bytes() == content
