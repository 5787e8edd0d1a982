"""What learns to name the next action: candidates that compete, and the simple rules they have to beat.

A candidate is a file here with one function `(*, symbols, seed)` that returns an unfitted scikit-learn pipeline; its
input is what `domain.inputs.model_inputs` makes, its classes are the actions 0 to 4. A baseline is the same with the
columns BASELINE_COLUMNS instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from market_master.plugins import mark

BASELINE_COLUMNS = ("last_class", "last_z", "volatility_ratio", "slot")
"""What baselines see, float32: class (-1 unknown) and z (0 unknown) of the bar itself, volatility, next slot."""

Maker = TypeVar("Maker", bound=Callable[..., object])


def model(*, label: str, complexity: int, max_rows: int | None = None) -> Callable[[Maker], Maker]:
    """Decorator: this function makes a candidate.

    Of candidates within one standard error of the best, the one with the least `complexity` wins; it is trained on at
    most `max_rows` rows, sampled by whole timestamps.
    """
    return mark("models", kind="model", label=label, complexity=complexity, max_rows=max_rows)


def baseline(*, label: str) -> Callable[[Maker], Maker]:
    """Decorator: this function makes a baseline, which runs in every comparison and never wins one."""
    return mark("models", kind="baseline", label=label, max_rows=None)
