"""Bar store: one Parquet file a symbol; a bar once written never changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from market_master.domain import DAY, OHLCV, Bars, Fundamentals, MixedGrid, NoBars, SessionCloses, Timetable, iso
from market_master.files import write_atomic
from market_master.market_data.store import recent
from market_master.market_data.store.recent import COLUMNS, Recent

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class AppendResult:
    """What an append did: bars added, bars that were there already, bars that contradict the store."""

    added: int
    known: int
    conflicts: int


@dataclass(frozen=True)
class Store:
    """Bars of one source and interval in `<root>/bars/<source>/<interval>/`; contradictions in `<root>/quarantine/`."""

    root: Path
    """the home's data folder"""
    source: str
    interval: str

    @cached_property
    def folder(self) -> Path:
        """Where this source's files of this interval lie."""
        return self.root / "bars" / self.source / self.interval

    def symbols(self) -> tuple[str, ...]:
        """The symbols the store has bars of."""
        return tuple(sorted(unquote(file.stem) for file in self.folder.glob("*.parquet")))

    def timetable(self) -> Timetable:
        """The calendar and grid all bars here lie on. Raises NoBars when nothing was ever stored."""
        file = self.folder / "timetable.json"
        if not file.exists():
            raise recent.nothing(self.source, self.interval)
        return Timetable(**json.loads(file.read_text(encoding="utf-8")))

    def origins(self) -> dict[str, str]:
        """Symbol -> the provider whose bars are here, where several make one universe."""
        file = self.folder / "origins.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}

    def add_origins(self, origins: Mapping[str, str]) -> None:
        """Say whose bars are about to be appended; what was said of a symbol before stays."""
        if not origins:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            known = self.origins()
            if not origins.keys() <= known.keys():
                write_atomic(self.folder / "origins.json", json.dumps({**origins, **known}, sort_keys=True).encode())

    @property
    def fundamentals(self) -> Fundamentals | None:
        """What was known of the symbols' companies; None where no table of it was configured."""
        return recent.read_fundamentals(self.folder)

    def put_fundamentals(self, fundamentals: Fundamentals) -> None:
        """Keep fundamentals beside the bars, in place of what was there; the same again change nothing."""
        file, content = self.folder / recent.FUNDAMENTALS_FILE, fundamentals.to_bytes()
        if not file.exists() or file.read_bytes() != content:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomic(file, content)

    def append(self, timetable: Timetable, series: Mapping[str, Mapping[str, NDArray]]) -> AppendResult:
        """Add the bars that are new; keep aside those that contradict a stored one. The same bars again change nothing.

        Raises MixedGrid, before anything is written, for bars of another calendar or grid than those here.
        """
        import pandas as pd

        self.folder.mkdir(parents=True, exist_ok=True)
        added = known = 0
        conflicts: list[pd.DataFrame] = []
        with FileLock(self.folder / ".lock"):
            file = self.folder / "timetable.json"
            if not file.exists():
                write_atomic(file, json.dumps(vars(timetable)).encode())
            elif self.timetable() != timetable:
                raise MixedGrid(
                    f"The store's {self.interval} bars of '{self.source}' lie on {self.timetable()}, the new ones on "
                    f"{timetable}; they can't share one series. Move {self.folder} away to begin anew."
                )
            tails, closes = self._tails()
            fresh: dict[str, dict[str, NDArray]] = {}
            for symbol, columns in series.items():
                new_rows = pd.DataFrame({name: np.asarray(columns[name]) for name in COLUMNS})
                old = self._read(symbol)
                at = np.searchsorted(old["bar_end"].to_numpy(), columns["bar_end"])
                there = old.reindex(at)
                met = there["bar_end"].to_numpy() == columns["bar_end"]
                unchanged = np.all([there[name].to_numpy() == columns[name] for name in OHLCV], axis=0)
                known += int((met & unchanged).sum())
                if (met & ~unchanged).any():
                    conflicts.append(new_rows[met & ~unchanged].assign(symbol=symbol))
                if not met.all():
                    frame = pd.concat([old, new_rows[~met]]).sort_values("bar_end")
                    (self.folder / recent.RECENT_FILE).unlink(missing_ok=True)
                    write_atomic(self._file(symbol), frame.to_parquet(index=False))
                    tails[symbol] = _columns(frame.tail(recent.BARS_PER_SYMBOL))
                    fresh[symbol] = _last_sessions(timetable, frame)
                    added += int((~met).sum())
            if added:
                newest = SessionCloses.of(Bars.of(timetable, fresh))
                recent.write(self.folder, tails, closes.joined(newest).tail(recent.SESSIONS))
        if conflicts:
            self.quarantine(pd.concat(conflicts).assign(reason="differs from the stored bar"))
        return AppendResult(added, known, sum(map(len, conflicts)))

    def quarantine(self, rows: pd.DataFrame) -> Path | None:
        """Keep rows aside with their reasons, once; returns the file, or None when there is nothing to keep."""
        import pandas as pd

        if rows.empty:
            return None
        file = self.root / "quarantine" / self.source / f"{self.interval}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):
            new_rows = rows.astype(str)
            old = pd.read_csv(file, dtype=str, keep_default_na=False) if file.exists() else new_rows.iloc[:0]
            all_rows = pd.concat([old, new_rows]).fillna("").drop_duplicates()
            if len(all_rows) > len(old):
                write_atomic(file, all_rows.to_csv(index=False).encode())
        return file

    def bars(self, symbols: tuple[str, ...] = (), *, last: int | None = None, until: int | None = None) -> Bars:
        """Stored bars of some symbols (all, if none is named), optionally each one's last bars up to an instant.

        Raises UnknownSymbol for a symbol without a file, NoBars for an empty store.
        """
        timetable, available = self.timetable(), self.symbols()
        for symbol in symbols:
            if symbol not in available:
                raise recent.unknown(symbol, self.source, self.interval, len(available))
        series = {}
        for symbol in symbols or available:
            frame = self._read(symbol)
            frame = frame if until is None else frame[frame["bar_end"] <= until]
            frame = frame if last is None else frame.tail(last)
            series[symbol] = _columns(frame)
        return Bars.of(timetable, series, self.fundamentals)

    def recent(self, known: Recent | None = None) -> Recent:
        """The newest bars of every symbol, in memory; `known` itself while nothing was written since it was read.

        Raises NoBars for an empty store.
        """
        stamp = recent.stamp(self.folder)
        if known and stamp in (known.stamp, None):
            return known
        timetable, table = self.timetable(), recent.read_table(self.folder)
        if table is None:
            try:
                with FileLock(self.folder / ".lock"):
                    tails, closes = self._tails()
                    if tails:
                        recent.write(self.folder, tails, closes)
            except ImportError as error:
                raise NoBars(
                    f"{self.folder / recent.RECENT_FILE} is not there, and this lean installation can't make it from parquet "
                    f"files ({error}); run `mm signal` once in the full one."
                ) from error
            stamp, table = recent.stamp(self.folder), recent.read_table(self.folder)
        if table is None or not table["count"].size or stamp is None:
            raise recent.nothing(self.source, self.interval)
        return Recent(self.source, timetable, table, stamp, self.fundamentals)

    def holdings(self) -> list[dict[str, str | int]]:
        """For each symbol: bars, first and last bar_end."""
        rows: list[dict[str, str | int]] = []
        for symbol in self.symbols():
            ends = self._read(symbol)["bar_end"]
            rows.append({"symbol": symbol, "bars": len(ends), "first": iso(ends.min()), "last": iso(ends.max())})
        return rows

    def _tails(self) -> tuple[dict[str, dict[str, NDArray]], SessionCloses]:
        """Each symbol's newest bars and closes: from their file, or where a crash left none, from all bars."""
        tails = recent.read_tails(self.folder)
        if tails is not None:
            return tails
        frames = {symbol: self._read(symbol) for symbol in self.symbols()}
        if not frames:
            return {}, SessionCloses.none()
        timetable = self.timetable()
        last = {symbol: _last_sessions(timetable, frame) for symbol, frame in frames.items()}
        newest = {symbol: _columns(frame.tail(recent.BARS_PER_SYMBOL)) for symbol, frame in frames.items()}
        return newest, SessionCloses.of(Bars.of(timetable, last)).tail(recent.SESSIONS)

    def _file(self, symbol: str) -> Path:
        return self.folder / f"{quote(symbol, safe='')}.parquet"

    def _read(self, symbol: str) -> pd.DataFrame:
        """A symbol's file; opened by Arrow, whose threads can abort an ending interpreter over a file that Python opened."""
        import pandas as pd
        from pyarrow.fs import LocalFileSystem

        file = self._file(symbol)
        if file.exists():
            return pd.read_parquet(file, filesystem=LocalFileSystem(), partitioning=None, use_threads=False)
        return pd.DataFrame({name: np.array([], dtype="int64" if name == "bar_end" else "float64") for name in COLUMNS})


def stores(root: Path) -> list[Store]:
    """Every source and interval that lies under a data folder."""
    return [
        Store(root, folder.parent.name, folder.name)
        for folder in sorted((root / "bars").glob("*/*"))
        if folder.is_dir()
    ]


def _columns(frame: pd.DataFrame) -> dict[str, NDArray]:
    return {name: frame[name].to_numpy() for name in COLUMNS}


def _last_sessions(timetable: Timetable, frame: pd.DataFrame) -> dict[str, NDArray]:
    """The bars of the last sessions whose closes are held."""
    last = int(frame["bar_end"].iloc[-1])
    schedule = timetable.between(last - 2 * recent.SESSIONS * DAY, last)
    sessions = np.unique(schedule.session[schedule.end <= last])[-recent.SESSIONS :]
    first = schedule.end[np.searchsorted(schedule.session, sessions[0])]
    return _columns(frame[frame["bar_end"] >= first])
