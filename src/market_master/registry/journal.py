"""Journal: the append-only book of decisions, one JSON line an entry, chained by hashes.

An entry's `id` is a hash of its own content: so the newest line, which no next one vouches for, can't be altered unseen.
What a chain can't show is that its last lines were cut off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from market_master.domain import NEW_RECIPE, JournalBroken, JournalEntry, Verdict, as_json
from market_master.files import append_atomic

EVENTS = (
    "registered", "looked", "intended", "promoted", "provisional", "rejected",
    "shadowed", "approved", "rolled_back", "recovered",
)  # fmt: skip
DECISIONS = ("promoted", "provisional", "rejected", "shadowed")
"""what a gate's judgement comes to"""


@dataclass(frozen=True)
class Journal:
    """The journal of a home. One file lock serialises it and the alias it speaks of."""

    file: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock for a decision: entries and alias move together, or wait."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.file}.lock", is_singleton=True):
            yield

    def write(self, event: str, *, by: str, reason: str, **facts: Any) -> JournalEntry:
        """Append an entry and see it on disk before returning."""
        assert event in EVENTS, event
        with self.locked():
            entry = JournalEntry(
                id="",
                time=datetime.now(UTC).isoformat(timespec="microseconds"),
                event=event,
                by=by,
                reason=reason,
                previous_entry_hash=self._last_hash(),
                **{"from_version": None, "to_version": None, **facts},
            )
            entry = _with_id(entry)
            self._append(_line(entry) + "\n")
        return entry

    def entries(self) -> list[JournalEntry]:
        """All entries in order. Raises JournalBroken where a line is no entry or the chain of hashes does not hold."""
        if not self.file.exists():
            return []
        previous, entries = None, []
        for number, line in enumerate(self._complete_lines().decode().splitlines(), start=1):
            try:
                values = json.loads(line)
                values["verdicts"] = tuple(Verdict(**verdict) for verdict in values["verdicts"])
                entry = JournalEntry(**{f.name: values[f.name] for f in fields(JournalEntry)})
            except (ValueError, KeyError, TypeError) as error:
                raise JournalBroken(f"Line {number} of {self.file} is not a journal entry: {error!r}.") from error
            if entry.previous_entry_hash != previous:
                raise JournalBroken(
                    f"Line {number} of {self.file} does not follow from the line before (it names "
                    f"{entry.previous_entry_hash}, that one hashes to {previous}): the journal was altered."
                )
            if _line(_with_id(entry)) != line:
                raise JournalBroken(f"Line {number} of {self.file} is not as it was written: the journal was altered.")
            previous = _hash(line)
            entries.append(entry)
        return entries

    def last_decision(self, version: str) -> JournalEntry | None:
        """The newest decision about a version."""
        decisions = [e for e in self.entries() if e.to_version == version and e.event in DECISIONS]
        return decisions[-1] if decisions else None

    def _append(self, line: str) -> None:
        """A whole line or nothing; the rest of a line that a crash or a full disk cut short is removed."""
        length = len(self._complete_lines()) if self.file.exists() else 0
        append_atomic(self.file, line.encode(), keep=length)

    def _complete_lines(self) -> bytes:
        """The lines that were written to their end."""
        content = self.file.read_bytes()
        return content[: content.rfind(b"\n") + 1]

    def _last_hash(self) -> str | None:
        entries = self.entries()
        return _hash(_line(entries[-1])) if entries else None


def journal_of(home: Path) -> Journal:
    """The journal of a home."""
    return Journal(home / "data" / "journal.jsonl")


def _with_id(entry: JournalEntry) -> JournalEntry:
    """The entry under its own id, the hash of all else in it."""
    return replace(entry, id=_hash(_line(replace(entry, id="")))[:12])


def _line(entry: JournalEntry) -> str:
    return json.dumps(as_json(entry), sort_keys=True)


def _hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def new_looks(journal: Journal) -> list[JournalEntry]:
    """Every look of a new recipe at a hold-out, oldest first."""
    return [entry for entry in journal.entries() if entry.event == "looked" and entry.details["lane"] == NEW_RECIPE]
