"""Stored bars that a prediction needs, and the checks of their number and age."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from market_master.domain import Bars, Fundamentals, StaleData, TooFewBars, iso
from market_master.prediction.loaded_model import LoadedModel


class BarSource(Protocol):
    """Stored bars: a Store, or the newest of them in memory."""

    @property
    def source(self) -> str:
        """Whose bars they are."""
        ...

    @property
    def fundamentals(self) -> Fundamentals | None:
        """What was known of the symbols' companies, if anything."""
        ...

    def symbols(self) -> tuple[str, ...]:
        """The symbols there are bars of."""
        ...

    def bars(self, symbols: tuple[str, ...] = (), *, last: int | None = None, until: int | None = None) -> Bars:
        """Bars of some symbols (all, if none is named), optionally each one's last bars up to an instant."""
        ...


def load_context_bars(
    model: LoadedModel, store: BarSource, symbols: Sequence[str], asof: int | None, *, back: int = 0
) -> Bars:
    """The stored bars that predictions for some symbols need: their own warm-up, and the market's if it is looked at.

    Predictions from the newest bars, and `back` before them.
    """
    known = set(store.symbols())
    context = set(model.card.members) & known if model.needs_market else set()
    return store.bars(tuple(sorted(context.union(symbols))), last=model.required_bars + back, until=asof)


def warmup_shortfall(available: int, required: int) -> str:
    """The reason why so few bars have no prediction."""
    return f"{available} bars were given, {required} are needed for the features' warm-up."


def require_warmup(model: LoadedModel, available: int, symbol: str | None = None, *, stored: int = 0) -> None:
    """Refuse too few bars, with the numbers; `stored` of them were not given but taken from the store."""
    required = model.required_bars
    if available >= required:
        return
    sentence, numbers = warmup_shortfall(available, required), {"given": available - stored, "needed": required}
    if stored:
        numbers["stored"] = stored
        sentence = (
            f"{available - stored} bars were given and {stored} are stored before them, {required} are needed for the features' "
            f"warm-up; post the {required - available} before those too."
        )
    raise TooFewBars(f"{symbol + ': ' if symbol else ''}{sentence}", **numbers)


def bars_since(model: LoadedModel, bar_end: int, now: int) -> int:
    """How many bars of the calendar have closed since; 0 for a provider that is not live."""
    return model.card.times.between(bar_end, now).closed_between(bar_end, now) if model.card.live else 0


def require_fresh(model: LoadedModel, bar_end: int, now: int, source: str) -> None:
    """Refuse to predict from a bar that is older than the policy allows."""
    elapsed, limit = bars_since(model, bar_end, now), model.settings.policy.max_staleness_bars
    if elapsed > limit:
        raise StaleData(
            f"The newest bar of {source} ended {iso(bar_end)}, {elapsed} bars ago; at most {limit} are allowed. Fetch first.",
            bars_behind=elapsed,
            allowed=limit,
        )
