"""Background writer: a bounded queue to the log, a spill file on disk while the log is away."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from market_master.domain import LogAway, NotWritten, RowRefused
from market_master.files import append_atomic
from market_master.prediction_log.log import PredictionLog
from market_master.prediction_log.tables import Row

MAX_QUEUED_ROWS = 10_000
BATCH_ROWS = 500
BATCH_SECONDS = 0.25
"""in which rows are collected: a transaction for each row would cost as much as its prediction"""
RETRY_SECONDS = 2.0
"""between tries while the log is away"""
REFUSED_FILE = "refused.jsonl"
"""in the spill's folder: rows that the log will never take, each with the reason"""
Item = tuple[str, Row]
"""one of KINDS, and its row"""
KINDS = ("prediction", "signal")


class Writer:
    """One thread that writes rows to the log; `put` never waits and never raises."""

    def __init__(self, log: PredictionLog, folder: Path) -> None:
        """`folder` takes rows that can't be written for now; those that an earlier process left there are written first."""
        self._log, self._folder = log, folder
        self._spill_file = folder / f"{os.getpid()}.jsonl"
        self._queue: queue.Queue[tuple[str, Row | Callable[[], Row]] | None] = queue.Queue(MAX_QUEUED_ROWS)
        self.lost = 0
        """rows that neither the log nor the disk nor the memory could take, or that the log refused for good"""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prediction log", daemon=True)
        self._thread.start()

    def put(self, kind: str, row: Row | Callable[[], Row]) -> None:
        """Have a row, or the row that a function returns, written soon."""
        try:
            self._queue.put_nowait((kind, row))
        except queue.Full:
            self.lost += 1

    def close(self, seconds: float = 10.0) -> None:
        """Write what is queued, to the log or to disk, and end."""
        self._ending.set()
        self._queue.put(None)
        self._thread.join(seconds)
        self._log.close()

    def _work(self) -> None:
        retry_at, ended, spilled = 0.0, False, True
        pending: list[Item] = []
        while not ended:
            items, ended = self._next_batch()
            pending += items
            if ended or time.monotonic() >= retry_at:
                try:
                    if spilled:
                        spilled = not self._drain()
                    self._write(pending)
                    pending = []
                except LogAway:
                    retry_at = time.monotonic() + RETRY_SECONDS
            if pending and self._spill_to_disk(pending):
                pending, spilled = [], True
            self.lost += max(0, len(pending) - MAX_QUEUED_ROWS)
            pending = pending[-MAX_QUEUED_ROWS:]
        self.lost += len(pending)

    def _next_batch(self) -> tuple[list[Item], bool]:
        """At most BATCH_ROWS items of the queue, and whether they were its last."""
        try:
            entry = self._queue.get(timeout=RETRY_SECONDS)
        except queue.Empty:
            return [], False
        self._ending.wait(BATCH_SECONDS)
        items: list[Item] = []
        while entry is not None:
            kind, row = entry
            items.append((kind, row() if callable(row) else row))
            if len(items) == BATCH_ROWS:
                return items, False
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                return items, False
        return items, True

    def _write(self, items: list[Item]) -> None:
        """To the log; where it refuses them, one by one, so that a bad row holds up no other."""
        refused = []
        try:
            self._add(items)
        except RowRefused:
            for item in items:
                try:
                    self._add([item])
                except RowRefused as error:
                    refused.append((spill_line(*item), str(error)))
        self._set_aside(refused)

    def _add(self, items: list[Item]) -> None:
        self._log.write([row for kind, row in items if kind == "prediction"])
        self._log.write_signals([row for kind, row in items if kind == "signal"])

    def _set_aside(self, refused: list[tuple[str, str]]) -> None:
        """Lines the log will never take, with the reason, for a person to look at."""
        self.lost += len(refused)
        self._append(
            self._folder / REFUSED_FILE, [json.dumps({"row": row, "reason": reason}) for row, reason in refused]
        )

    def _spill_to_disk(self, items: list[Item]) -> bool:
        """Keep items on disk until the log is back; False when the disk does not take them either."""
        return self._append(self._spill_file, [spill_line(*item) for item in items])

    def _append(self, file: Path, lines: list[str]) -> bool:
        """All of the lines or none; what a crash left of an earlier one is closed off by the line end before them."""
        if not lines:
            return True
        try:
            append_atomic(file, ("\n" + "".join(f"{text}\n" for text in lines)).encode())
        except NotWritten:
            return False
        return True

    def _drain(self) -> bool:
        """Write the spill files of this process and of those that have ended; True when this process has none."""
        if not self._folder.is_dir():
            return True
        try:
            with FileLock(self._folder / ".lock", timeout=0):
                for file in sorted(self._folder.glob("[0-9]*.jsonl")):
                    if file == self._spill_file or not _is_running(int(file.stem)):
                        items, damaged = _items(file)
                        self._write(items)
                        self._set_aside([(text, "The line is no row.") for text in damaged])
                        file.unlink()
        except Timeout:
            return False
        return True


def spill_line(kind: str, row: Mapping[str, Any]) -> str:
    """A row as a line of a spill file."""
    return json.dumps([kind, row])


def _items(file: Path) -> tuple[list[Item], list[str]]:
    """The rows of a file, and its lines that are none; a last one that a crash cut off was never whole."""
    items: list[Item] = []
    damaged = []
    for text in file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
        if not text:
            continue
        try:
            kind, row = json.loads(text)
            items.append((KINDS[KINDS.index(kind)], {**row}))
        except (ValueError, KeyError, TypeError):
            damaged.append(text)
    return items, damaged


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
