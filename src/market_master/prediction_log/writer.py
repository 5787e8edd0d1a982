"""Writing without waiting: a bounded queue to the log, a file on disk while the log is away, and back again."""

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

from market_master.domain.errors import LogAway, NotWritten, RowRefused
from market_master.files import append_atomic
from market_master.prediction_log.log import PredictionLog
from market_master.prediction_log.tables import Row

MOST_WAITING = 10_000
AT_ONCE = 500
TOGETHER = 0.25
"""seconds in which rows come together: a transaction of its own for each would cost as much as the answer it tells of"""
PATIENCE = 2.0
"""seconds between tries while the log is away"""
REFUSED = "refused.jsonl"
"""lies with the spill: what the log will never take, each with the reason"""
Item = tuple[str, Row]
"""one of KINDS, and its row"""
KINDS = ("prediction", "signal")


class Writer:
    """One thread that writes what it is given; `put` never waits and never raises."""

    def __init__(self, log: PredictionLog, folder: Path) -> None:
        """`folder` takes what can't be written to the log for now; what an earlier process left there is written first."""
        self._log, self._folder = log, folder
        self._spill = folder / f"{os.getpid()}.jsonl"
        self._waiting: queue.Queue[tuple[str, Row | Callable[[], Row]] | None] = queue.Queue(MOST_WAITING)
        self.lost = 0
        """rows that neither the log nor the disk nor the memory could take, or that the log refused for good"""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prediction log", daemon=True)
        self._thread.start()

    def put(self, kind: str, row: Row | Callable[[], Row]) -> None:
        """Have a row, or what makes one, written soon."""
        try:
            self._waiting.put_nowait((kind, row))
        except queue.Full:
            self.lost += 1

    def close(self, seconds: float = 10.0) -> None:
        """Write what is waiting, to the log or to disk, and end."""
        self._ending.set()
        self._waiting.put(None)
        self._thread.join(seconds)
        self._log.close()

    def _work(self) -> None:
        again, ended, left_behind = 0.0, False, True
        held: list[Item] = []
        while not ended:
            items, ended = self._next()
            held += items
            if ended or time.monotonic() >= again:
                try:
                    if left_behind:
                        left_behind = not self._drain()
                    self._write(held)
                    held = []
                except LogAway:
                    again = time.monotonic() + PATIENCE
            if held and self._keep(held):
                held, left_behind = [], True
            self.lost += max(0, len(held) - MOST_WAITING)
            held = held[-MOST_WAITING:]
        self.lost += len(held)

    def _next(self) -> tuple[list[Item], bool]:
        """What has come, at most so much at once; and whether that was all there will ever be."""
        try:
            first = self._waiting.get(timeout=PATIENCE)
        except queue.Empty:
            return [], False
        self._ending.wait(TOGETHER)
        items: list[Item] = []
        while first is not None:
            kind, row = first
            items.append((kind, row() if callable(row) else row))
            if len(items) == AT_ONCE:
                return items, False
            try:
                first = self._waiting.get_nowait()
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
                    refused.append((line(*item), str(error)))
        self._set_aside(refused)

    def _add(self, items: list[Item]) -> None:
        self._log.write([row for kind, row in items if kind == "prediction"])
        self._log.write_signals([row for kind, row in items if kind == "signal"])

    def _set_aside(self, refused: list[tuple[str, str]]) -> None:
        """Lines the log will never take, with the reason, for a person to look at."""
        self.lost += len(refused)
        self._append(self._folder / REFUSED, [json.dumps({"row": row, "reason": reason}) for row, reason in refused])

    def _keep(self, items: list[Item]) -> bool:
        """On disk until the log is back; False when the disk does not take it either."""
        return self._append(self._spill, [line(*item) for item in items])

    def _append(self, file: Path, lines: list[str]) -> bool:
        """All of the lines or none; what a crash left of an earlier one is closed off by the line end before them."""
        if not lines:
            return True
        try:
            append_atomic(file, ("\n" + "".join(f"{one}\n" for one in lines)).encode())
        except NotWritten:
            return False
        return True

    def _drain(self) -> bool:
        """Write what lies on disk, ours and that of processes that are no more; True when nothing is left of ours."""
        if not self._folder.is_dir():
            return True
        try:
            with FileLock(self._folder / ".lock", timeout=0):
                for file in sorted(self._folder.glob("[0-9]*.jsonl")):
                    if file == self._spill or not _lives(int(file.stem)):
                        items, damaged = _items(file)
                        self._write(items)
                        self._set_aside([(one, "The line is no row.") for one in damaged])
                        file.unlink()
        except Timeout:
            return False
        return True


def line(kind: str, row: Mapping[str, Any]) -> str:
    """A row as it lies on disk."""
    return json.dumps([kind, row])


def _items(file: Path) -> tuple[list[Item], list[str]]:
    """The rows of a file, and its lines that are none; a last one that a crash cut off was never whole."""
    found: list[Item] = []
    damaged = []
    for text in file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
        if not text:
            continue
        try:
            kind, row = json.loads(text)
            found.append((KINDS[KINDS.index(kind)], {**row}))
        except (ValueError, KeyError, TypeError):
            damaged.append(text)
    return found, damaged


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
