"""market_master.prediction.window"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from market_master.domain.bars import Bars
from market_master.domain.clock import iso
from market_master.domain.errors import StaleData, TooFewBars
from market_master.prediction.loaded_model import LoadedModel


class BarSource(Protocol):
    """Stored bars: a Store, or the newest of them in memory."""

    @property
    def source(self) -> str:
        """Whose bars they are."""
        ...

    def symbols(self) -> tuple[str, ...]:
        """The symbols there are bars of."""
        ...

    def bars(self, symbols: tuple[str, ...] = (), *, last: int | None = None, until: int | None = None) -> Bars:
        """Bars of some symbols (all, if none is named), optionally each one's last bars up to an instant."""
        ...


def load_context_bars(
    champion: LoadedModel, store: BarSource, symbols: Sequence[str], asof: int | None, *, back: int = 0
) -> Bars:
    """The stored bars that answers about some symbols need: their own warm-up, and the market's if it is looked at.

    Answers about the newest bars, and `back` before them.
    """
    known = set(store.symbols())
    wanted = set(symbols) | (set(champion.card.members) & known if champion.needs_market else set())
    return store.bars(tuple(sorted(wanted)), last=champion.needed + back, until=asof)


def require_warmup(champion: LoadedModel, given: int, symbol: str | None = None) -> None:
    """Refuse too few bars, with both numbers."""
    needed = champion.needed
    if given < needed:
        raise TooFewBars(
            f"{symbol + ': ' if symbol else ''}{given} bars were given, {needed} are needed for the features' warm-up.",
            given=given,
            needed=needed,
        )


def bars_behind(champion: LoadedModel, bar_end: int, now: int) -> int:
    """How many bars of the calendar have closed since; 0 for a provider that is not live."""
    return champion.card.times.between(bar_end, now).closed_between(bar_end, now) if champion.card.live else 0


def require_fresh(champion: LoadedModel, bar_end: int, now: int, what: str) -> None:
    """Refuse to answer from a bar that is older than the policy allows."""
    behind, limit = bars_behind(champion, bar_end, now), champion.settings.policy.max_staleness_bars
    if behind > limit:
        raise StaleData(
            f"The newest bar of {what} ended {iso(bar_end)}, {behind} bars ago; at most {limit} are allowed. Fetch first.",
            bars_behind=behind,
            allowed=limit,
        )
