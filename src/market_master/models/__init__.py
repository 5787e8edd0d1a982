"""Candidates that compete for the next action, and the baselines they have to beat.

A candidate is a file here with one function `(*, symbols, seed, ...)` that returns an unfitted scikit-learn pipeline; its
input is what `domain.inputs.model_inputs` makes, its classes are the actions 0 to 4. Its other parameters have defaults
that are good as they are; those that may be tuned stand in its `space`. A baseline is the same with the columns
BASELINE_COLUMNS instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from market_master.plugins import register

BASELINE_COLUMNS = ("last_class", "last_z", "volatility_ratio", "slot")
"""What baselines see, float32: class (-1 unknown) and z (0 unknown) of the bar itself, volatility, next slot."""

Maker = TypeVar("Maker", bound=Callable[..., object])
Space = Mapping[str, tuple[int, int] | tuple[float, float]]
"""parameters that may be tuned, each from lowest to highest, searched on a logarithmic scale; whole numbers stay whole"""


def model(
    *, label: str, complexity: int, max_rows: int | None = None, space: Space | None = None
) -> Callable[[Maker], Maker]:
    """Decorator: this function makes a candidate.

    Of candidates within one standard error of the best, the one with the least `complexity` wins; it is trained on at
    most `max_rows` rows, sampled by whole timestamps. `space` says what may be tuned.
    """
    return register("models", kind="model", label=label, complexity=complexity, max_rows=max_rows, space=space or {})


def baseline(*, label: str) -> Callable[[Maker], Maker]:
    """Decorator: this function makes a baseline, which runs in every comparison and never wins one."""
    return register("models", kind="baseline", label=label, max_rows=None, space={})
