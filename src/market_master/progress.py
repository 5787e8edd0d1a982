"""Progress of a step, for whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int, int], None]
_listeners: list[Listener] = []


@contextmanager
def progress_listener(listener: Listener) -> Iterator[None]:
    """Call the listener with (step, done, total) for as long as the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def report_progress(step: str, done: int = 0, total: int = 1) -> None:
    """Say that a step has done so many of so many parts."""
    for listener in _listeners:
        listener(step, done, total)
