"""Parameters of which CI takes the first, and the night the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


def nightly_after(count: int, values: Sequence[Any]) -> list[Any]:
    """The same parameters; those after the first `count` are marked `nightly`."""
    return [*values[:count], *(pytest.param(value, marks=pytest.mark.nightly) for value in values[count:])]
