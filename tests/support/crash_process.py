"""A crash in the midst of a move of versions, at a step of its choice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from market_master.registry.journal import Journal
from market_master.registry.versions import Versions


@contextmanager
def crash(step: int, *, of: int) -> Iterator[None]:
    """The block ends where its `step`-th (from 0) journal entry or alias is due; not at all at step `of`, after the last."""
    moves = iter(range(100))

    def crashing(original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(moves) == step:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "write", crashing(Journal.write))
        patch.setattr(Versions, "set_alias", crashing(Versions.set_alias))
        with pytest.raises(KeyboardInterrupt) if step < of else nullcontext():
            yield
