"""Closes by session: what is left of bars where only days matter."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from market_master.domain.arrays import Array, Ints
from market_master.domain.bars import Bars


@dataclass(frozen=True, eq=False)
class SessionCloses:
    """The last close of each session and symbol; of a session that is not over, the last so far."""

    symbols: tuple[str, ...]
    session: Ints
    """[sessions], increasing; days since 1970-01-01"""
    close: Array
    """[sessions, symbols]; NaN where the symbol had no bar"""

    @classmethod
    def of(cls, bars: Bars) -> SessionCloses:
        """Of all sessions that any symbol has bars of."""
        rows = np.flatnonzero(
            np.diff(bars.code, append=-1).astype(bool) | np.diff(bars.session, append=-1).astype(bool)
        )
        days, day = np.unique(bars.session[rows], return_inverse=True)
        close = np.full((len(days), len(bars.symbols)), np.nan)
        close[day, bars.code[rows]] = bars.close[rows]
        return cls(bars.symbols, days, close)

    @classmethod
    def none(cls) -> SessionCloses:
        """Of no symbol."""
        return cls((), np.array([], dtype=np.int64), np.empty((0, 0)))

    def joined(self, newer: SessionCloses) -> SessionCloses:
        """These and newer ones, which win where both have a session of a symbol."""
        symbols = tuple(sorted({*self.symbols, *newer.symbols}))
        session = np.union1d(self.session, newer.session)
        close = np.full((len(session), len(symbols)), np.nan)
        for closes in (self, newer):
            rows, columns = np.nonzero(np.isfinite(closes.close))
            at_symbol = np.searchsorted(symbols, closes.symbols)[columns] if closes.symbols else columns
            close[np.searchsorted(session, closes.session)[rows], at_symbol] = closes.close[rows, columns]
        return SessionCloses(symbols, session, close)

    def tail(self, sessions: int) -> SessionCloses:
        """Of the last sessions."""
        return SessionCloses(self.symbols, self.session[-sessions:], self.close[-sessions:])

    def select(self, symbols: Collection[str]) -> SessionCloses:
        """Of some symbols, and the sessions in which any of them had a bar."""
        at = [number for number, symbol in enumerate(self.symbols) if symbol in symbols]
        close = self.close[:, at]
        there = np.isfinite(close).any(axis=1)
        return SessionCloses(tuple(self.symbols[number] for number in at), self.session[there], close[there])

    def before(self, session: int) -> SessionCloses:
        """Of the sessions before one."""
        count = int(np.searchsorted(self.session, session))
        return SessionCloses(self.symbols, self.session[:count], self.close[:count])

    def returns(self) -> Array:
        """Log return of each close since the symbol's close before, however long ago; NaN where there is none."""
        level = np.log(self.close)
        at = np.where(np.isfinite(level), np.arange(len(level))[:, None], 0)
        filled = np.take_along_axis(level, np.maximum.accumulate(at, axis=0), axis=0)
        before = np.vstack([np.full((1, level.shape[1]), np.nan), filled[:-1]])
        return level - before

    def basket_returns(self) -> Array:
        """Mean of all symbols' returns to each session; 0 where none has one, as in the first."""
        returns = self.returns()
        known = np.isfinite(returns)
        return np.where(known, returns, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
