"""Market view: one state of a market's bars, and what a model says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from market_master.artifact.bars_graph import BarsGraph
from market_master.artifact.raw_columns import newest_rows, raw_columns
from market_master.artifact.track_record import EVENTS_GRAPH_FILE, TrackRecord
from market_master.config.settings import CompositeWeights
from market_master.domain import DAY, Array, Bars, ModelError, NoTrackRecord, Prediction, SessionCloses, UnknownSymbol


@dataclass(frozen=True, eq=False)
class Sources:
    """What a version brings to tell events by, and what they were worth."""

    events: BarsGraph
    record: TrackRecord

    @classmethod
    def read(cls, folder: Path) -> Sources | None:
        """What lies beside a version; None where it has none. Raises ModelError when it can't be read."""
        record = TrackRecord.read(folder)
        if record is None:
            return None
        try:
            return cls(BarsGraph((folder / EVENTS_GRAPH_FILE).read_bytes()), record)
        except OSError as error:
            raise ModelError(f"The version's {EVENTS_GRAPH_FILE} can't be read: {error}; train anew.") from error


@dataclass(frozen=True, eq=False)
class MarketView:
    """The newest bars of all symbols, their closes by session, predictions, and the version's sources.

    What several insights look at is computed once, when it is first asked for.
    """

    bars: Bars
    closes: SessionCloses
    members: tuple[str, ...]
    """symbols that make the market; empty = all"""
    predictions: Mapping[str, Prediction] = field(default_factory=dict)
    sources: Sources | None = None
    weights: CompositeWeights = field(default_factory=CompositeWeights)

    @classmethod
    def of(cls, bars: Bars) -> MarketView:
        """Of bars alone, without a model."""
        return cls(bars, SessionCloses.of(bars), bars.symbols)

    def with_symbol(self, bars: Bars, prediction: Prediction | None = None) -> MarketView:
        """The market up to the newest bar of a symbol, with those bars of it in place of its own.

        The others' predictions are there where they were made at the same time.
        """
        (symbol,) = bars.symbols
        others = {} if self.bars.newest != bars.newest else dict(self.predictions)
        others.pop(symbol, None)
        closed, session = self.bars.until(bars.newest).with_series({symbol: bars.series(symbol)}), int(bars.session[-1])
        today = SessionCloses.of(closed.take(closed.session == session))
        return replace(
            self,
            bars=closed,
            closes=self.closes.before(session).joined(SessionCloses.of(bars)).joined(today),
            predictions=others | ({symbol: prediction} if prediction else {}),
        )

    @property
    def session_is_over(self) -> bool:
        """The newest bar is the last that the calendar has in its session."""
        newest = self.bars.newest
        schedule = self.bars.timetable.between(newest, newest + DAY)
        at = int(np.searchsorted(schedule.end, newest))
        return bool(schedule.session[at] != schedule.session[at + 1])

    def require_symbol(self, symbol: str) -> None:
        """Raise UnknownSymbol for one without bars."""
        if symbol not in self.bars.symbols:
            raise UnknownSymbol(
                f"There are no bars of '{symbol}', of {len(self.bars.symbols)} other symbols there are.",
                symbol=symbol,
                known=len(self.bars.symbols),
            )

    def require_sources(self) -> Sources:
        """Raise NoTrackRecord where there is no version, or one that has none."""
        if self.sources is None:
            raise NoTrackRecord(
                "No version with a track record of patterns and rules is served; `make run` trains one."
            )
        return self.sources

    @cached_property
    def returns(self) -> Array:
        """Log return of each bar since its symbol's bar before; 0 for the first."""
        moved = np.diff(np.log(self.bars.close), prepend=np.log(self.bars.close[:1]))
        return np.where(self.bars.age > 0, moved, 0.0)

    @cached_property
    def market_returns(self) -> Array:
        """Mean of all symbols' returns at each bar's end."""
        _, instant = np.unique(self.bars.bar_end, return_inverse=True)
        counts = np.bincount(instant, weights=self.bars.age > 0)
        return (np.bincount(instant, weights=self.returns) / np.maximum(counts, 1.0))[instant]

    @cached_property
    def event_values(self) -> dict[str, Mapping[str, float]]:
        """By symbol the features that events are seen by, at its newest bar; NaN where it has too few bars."""
        graph = self.require_sources().events
        rows = newest_rows(self.bars)
        rows = rows[rows >= 0]
        values = graph.feature_values(raw_columns(graph, self.bars, rows))
        values = np.where(self.bars.age[rows][:, None] >= graph.warmups, values, np.nan)
        names = [feature.name for feature in graph.features]
        return {
            self.bars.symbols[code]: dict(zip(names, row, strict=True))
            for code, row in zip(self.bars.code[rows].tolist(), values.tolist(), strict=True)
        }
