"""Live market: a store's newest bars, and the view of them that insights are made of."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from market_master.config.settings import CompositeWeights, Settings, Universe
from market_master.domain import Prediction
from market_master.insights import MarketView, Sources
from market_master.market_data.store import Recent, Store, stores


class LiveMarket:
    """Follows a store; threads may share it."""

    def __init__(
        self, store: Store, settings: Settings | None, members: tuple[str, ...] = (), sources: Sources | None = None
    ) -> None:
        """Without settings all symbols make the index, with equal weights; `members` are empty for all."""
        self.store, self.members, self.sources = store, members, sources
        self.universe = settings.universe if settings else Universe()
        self.composite = settings.composite if settings else CompositeWeights()
        self._recent: Recent | None = None
        self._view: tuple[Recent, MarketView] | None = None
        self._lock = threading.Lock()

    def recent(self) -> Recent:
        """The newest stored bars; read again only when the store was written to."""
        self._recent = recent = self.store.recent(self._recent)
        return recent

    def view(self, recent: Recent | None = None, predictions: Mapping[str, Prediction] | None = None) -> MarketView:
        """The view of a state of the store (the present one, unless told); made once for each state."""
        recent = recent or self.recent()
        with self._lock:
            if self._view is None or self._view[0] is not recent:
                view = MarketView(
                    recent.bars(), recent.closes, self.members, predictions or {}, self.sources, self.composite
                )
                self._view = (recent, view)
            return self._view[1]


def market_without_model(home: Path, settings: Settings | None) -> LiveMarket | None:
    """The market that a server without a champion shows: the configured one, or the only one that is stored."""
    candidates = [
        store
        for store in stores(home / "data")
        if settings is None or (store.interval == settings.interval and store.source.startswith(settings.provider.kind))
    ]
    return LiveMarket(candidates[0], settings) if len(candidates) == 1 else None
