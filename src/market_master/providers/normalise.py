"""From a vendor's rows to clean bars on one timetable; every row that is lost is counted, and told why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from market_master.domain.bars import OHLCV, violations
from market_master.domain.errors import MixedGrid, NoBars
from market_master.domain.sessions import GRIDS, Ints, Schedule, Timetable, iso
from market_master.providers import Fetched, Query, SymbolReport
from market_master.providers.schema import validate

JUMP = np.log(4 / 3)
"""a move between two bars that may be an unadjusted split"""
CONFLICT = "other values for the same bar"


def normalise(
    frame: pd.DataFrame,
    query: Query,
    *,
    grid: str = "auto",
    stamp: str = "start",
    zones: str = "",
    notes: tuple[str, ...] = (),
) -> Fetched:
    """Clean bars of a long table with columns symbol, stamp (datetimes in UTC; dates for daily bars) and OHLCV.

    Exact copies, forming, off-grid and out-of-session rows are dropped; conflicting and impossible ones go to
    quarantine. Raises MixedGrid when symbols lie on different grids, NoBars when nothing is left.
    """
    if frame.empty:
        raise NoBars("The source answered without a single row.")
    rows = frame[["symbol", "stamp", *OHLCV]].reset_index(drop=True)
    rows["second"] = rows["stamp"].to_numpy(dtype="datetime64[s]").astype(np.int64)
    rows["whole"] = rows["stamp"].to_numpy(dtype="datetime64[ns]").astype(np.int64) % 1_000_000_000 == 0
    notes += _jumps_back(rows)
    schedule, chosen = _on_grid(rows, query, grid, stamp)
    rows = rows.sort_values(["symbol", "second"], kind="stable", ignore_index=True)
    table = _Placed.of(rows, schedule, query, stamp)
    clean, aside = _sorted_out(rows[table.usable].assign(bar_end=table.bar_end[table.usable]))
    if clean.empty:
        raise NoBars(
            f"None of {len(rows)} rows is a closed {query.interval} bar of {query.calendar}: {int(table.off_grid.sum())} lie off "
            f"the grid, {int(table.outside.sum())} outside the sessions, {int(table.forming.sum())} are still forming, "
            f"{len(aside)} are impossible or contradict each other. Look at provider.stamp, calendar and interval.",
            rows=len(rows),
        )
    validate(clean[["symbol", "bar_end", *OHLCV]])
    absent = sorted(set(query.symbols) - set(rows["symbol"]))
    if absent:
        notes += (f"The source has nothing of {', '.join(absent)}.",)
    report, suspects = _report(rows, table, clean, aside, schedule, chosen, f"{zones or 'UTC'}, bar {stamp}")
    return Fetched(
        timetable=Timetable(query.calendar, query.interval, chosen),
        series={
            str(s): {n: g[n].to_numpy() for n in ("bar_end", *OHLCV)} for s, g in clean.groupby("symbol", sort=True)
        },
        report=report,
        quarantine=aside[["symbol", "stamp", *OHLCV, "reason"]],
        notes=notes + suspects,
    )


@dataclass(frozen=True, eq=False)
class _Placed:
    """Where each row stands in the calendar, or why it stands nowhere."""

    bar_end: Ints
    off_grid: np.ndarray
    outside: np.ndarray
    forming: np.ndarray

    @classmethod
    def of(cls, rows: pd.DataFrame, schedule: Schedule, query: Query, stamp: str) -> _Placed:
        second = rows["second"].to_numpy()
        at = _locate(schedule, second, query.interval, stamp)
        at[~rows["whole"].to_numpy()] = -1
        instant = second - 1 if stamp == "end" else second
        around = np.searchsorted(schedule.start, instant, "right") - 1
        inside = (around >= 0) & (instant < schedule.end[np.maximum(around, 0)])
        lost = at < 0
        bar_end = schedule.end[np.maximum(at, 0)]
        return cls(bar_end, lost & inside, lost & ~inside, ~lost & (bar_end > query.now))

    @property
    def usable(self) -> np.ndarray:
        return ~(self.off_grid | self.outside | self.forming)


def _locate(schedule: Schedule, second: Ints, interval: str, stamp: str) -> Ints:
    if interval == "1d" and stamp == "start":
        return schedule.by_session(second // 86400)
    return schedule.by_end(second) if stamp == "end" else schedule.by_start(second)


def _on_grid(rows: pd.DataFrame, query: Query, grid: str, stamp: str) -> tuple[Schedule, str]:
    """The schedule of the grid that most stamps of each symbol lie on; all symbols have to agree."""
    first, last = int(rows["second"].min()), int(rows["second"].max())
    schedules = {name: Timetable(query.calendar, query.interval, name).between(first, last) for name in GRIDS}
    if grid != "auto":
        return schedules[grid], grid
    hits = pd.DataFrame(
        {name: _locate(s, rows["second"].to_numpy(), query.interval, stamp) >= 0 for name, s in schedules.items()}
    )
    count = hits.groupby(rows["symbol"].to_numpy()).sum()
    count = count[count.sum(axis=1) > 0]
    by_grid = {
        "session": sorted(count.index[count["session"] > count["clock"]]),
        "clock": sorted(count.index[count["clock"] > count["session"]]),
    }
    if all(by_grid.values()):
        told = "; ".join(
            f"{len(names)} on the {name} grid ({', '.join(map(str, names[:12]))}{', ...' if len(names) > 12 else ''})"
            for name, names in by_grid.items()
        )
        raise MixedGrid(
            f"The symbols' bars lie on two grids and can't share one time axis: {told}. Choose symbols of one grid in "
            "universe.symbols, or say provider.grid to drop the other's bars.",
            **by_grid,
        )
    return (schedules["clock"], "clock") if by_grid["clock"] else (schedules["session"], "session")


def _sorted_out(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows without exact copies, parted into valid ones and those for quarantine, with the reason."""
    rows = rows.drop_duplicates(["symbol", "bar_end", *OHLCV])
    reason = np.full(len(rows), "", dtype=object)
    for rule, mask in violations(*(rows[name].to_numpy(dtype=float) for name in OHLCV)):
        reason[mask & (reason == "")] = rule.text
    reason[rows.duplicated(["symbol", "bar_end"], keep=False).to_numpy()] = CONFLICT
    good = reason == ""
    return rows[good], rows[~good].assign(reason=reason[~good])


def _report(
    rows: pd.DataFrame,
    table: _Placed,
    clean: pd.DataFrame,
    aside: pd.DataFrame,
    schedule: Schedule,
    grid: str,
    stamps: str,
) -> tuple[tuple[SymbolReport, ...], tuple[str, ...]]:
    """One report a symbol, and notes on moves that look like unadjusted splits."""
    gap = np.abs(np.log(clean["open"] / clean.groupby("symbol")["close"].shift())) > JUMP
    counted = pd.DataFrame(
        {"rows": 1, "off_grid": table.off_grid, "out_of_session": table.outside, "forming": table.forming}
    ).groupby(rows["symbol"].to_numpy()).sum()  # fmt: skip
    kept = clean.assign(gap=gap, quiet=clean["volume"] == 0).groupby("symbol").agg(
        kept=("bar_end", "size"), first=("bar_end", "min"), last=("bar_end", "max"), zero=("quiet", "sum"), jumps=("gap", "sum")
    )  # fmt: skip
    conflicts = aside[aside["reason"] == CONFLICT].groupby("symbol").size()
    impossible = aside[aside["reason"] != CONFLICT].groupby("symbol").size()
    report = []
    for symbol, row in counted.iterrows():
        good: Any = kept.loc[str(symbol)] if symbol in kept.index else None
        lost = int(conflicts.get(symbol, 0)), int(impossible.get(symbol, 0))
        count = int(good["kept"]) if good is not None else 0
        expected = schedule.closed_between(int(good["first"]) - 1, int(good["last"])) if good is not None else 0
        dropped = int(row["off_grid"] + row["out_of_session"] + row["forming"])
        report.append(
            SymbolReport(
                symbol=str(symbol),
                rows=int(row["rows"]),
                kept=count,
                first=iso(int(good["first"])) if good is not None else None,
                last=iso(int(good["last"])) if good is not None else None,
                duplicates=int(row["rows"]) - dropped - count - sum(lost),
                conflicts=lost[0],
                impossible=lost[1],
                off_grid=int(row["off_grid"]),
                out_of_session=int(row["out_of_session"]),
                forming=int(row["forming"]),
                missing=expected - count,
                zero_volume=int(good["zero"]) if good is not None else 0,
                jumps=int(good["jumps"]) if good is not None else 0,
                grid=grid,
                stamps=stamps,
            )
        )
    jumpy = clean[np.asarray(gap)]
    notes = tuple(
        f"{symbol} opens {np.exp(np.log(part['open'].iloc[0] / clean.loc[: part.index[0], 'close'].iloc[-2])) - 1:+.0%} from the "
        f"close before on {iso(int(part['bar_end'].iloc[0]))[:10]}"
        + (f" (and {len(part) - 1} times more)" if len(part) > 1 else "")
        + ": an unadjusted split, perhaps."
        for symbol, part in jumpy.groupby("symbol")
    )
    return tuple(report), notes


def _jumps_back(rows: pd.DataFrame) -> tuple[str, ...]:
    """A series that goes back in time holds an appended block; newest-first files go back all the way and are fine."""
    step = rows.groupby("symbol")["second"].diff()
    back, forth = (step < 0).groupby(rows["symbol"]).sum(), (step > 0).groupby(rows["symbol"]).sum()
    odd = sorted(map(str, back.index[(back > 0) & (forth > 0)]))
    return (f"The rows of {', '.join(odd[:10])} jump back in time; they were put in order.",) if odd else ()
