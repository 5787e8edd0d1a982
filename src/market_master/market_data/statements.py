"""Financial statements in long form: from items of periods to figures by share.

Whatever became known at an instant, the figures are made anew from all that was known then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from market_master.domain import FIGURES, DataError, iso, session_date

FLOWS = {"sales": ("Total Revenue",), "earnings": ("Net Income Common Stockholders", "Net Income")}
BOOK = ("Common Stock Equity", "Stockholders Equity")
"""items of a statement as Yahoo names them, the first that is there"""
OUTSTANDING, ISSUED = ("Diluted Average Shares", "Ordinary Shares Number"), "Share Issued"
"""the larger of two, for the average is small after a listing and the number may be of another class; treasury shares are
issued too, so what is issued counts only where there is neither"""
ITEMS = {*(name for names in FLOWS.values() for name in names), *BOOK, *OUTSTANDING, ISSUED}
PER_SHARE = {"earnings_per_share": "earnings", "book_per_share": "book", "sales_per_share": "sales"}
ANNUAL, QUARTERLY = ("annual", "a", "y", "fy", "yearly", "12m"), ("quarterly", "q", "3m", "quarter")
YEAR, QUARTER = (350, 380), (75, 105)
"""days between the ends of two"""
REMEMBERED = 1200
"""days before the newest period's end that a year, the year before it and their quarters lie in"""

Periods = Mapping[int, Mapping[str, float]]
"""by the day a period ends: items and their values"""


class StatementEntry(NamedTuple):
    """One value of a statement; the day its period ends counts from 1970-01-01."""

    symbol: str
    known_at: int
    annual: bool
    period_end: int
    item: str
    value: float


def figures_of_statements(entries: Iterable[StatementEntry]) -> Iterator[tuple[str, int, *tuple[float, ...]]]:
    """Symbol, instant and FIGURES, for each instant at which something became known.

    Raises DataError for two values of one item, period and instant.
    """
    used = sorted({entry for entry in entries if entry.item in ITEMS and np.isfinite(entry.value)})
    for one, other in pairwise(used):
        if one[:-1] == other[:-1]:
            raise DataError(
                f"{one.symbol}'s {one.item} of the period to {session_date(one.period_end)} is both {one.value:g} and "
                f"{other.value:g}, known at {iso(one.known_at)}; a restatement needs a known_at of its own."
            )
    for symbol, of_symbol in groupby(used, key=lambda entry: entry.symbol):
        known: dict[bool, dict[int, dict[str, float]]] = {True: {}, False: {}}
        for known_at, news in groupby(of_symbol, key=lambda entry: entry.known_at):
            for entry in news:
                known[entry.annual].setdefault(entry.period_end, {})[entry.item] = entry.value
            figures = _newest_figures(_recent(known[True]), _recent(known[False]))
            yield (symbol, known_at, *(figures[name] for name in FIGURES))


def _recent(periods: Periods) -> Periods:
    newest = max(periods, default=0)
    return {end: items for end, items in sorted(periods.items()) if newest - end <= REMEMBERED}


def _newest_figures(annual: Periods, quarterly: Periods) -> dict[str, float]:
    """The figures of the newest year, with its growth against the year before, and the newest book and shares of any period."""
    years = _years_of_quarters(quarterly) | _years(annual)
    book = outstanding = issued = np.nan
    for end in sorted({*annual, *quarterly}):
        items = {**annual.get(end, {}), **quarterly.get(end, {})}
        book = _first(items, BOOK, otherwise=book)
        outstanding = max((items[name] for name in OUTSTANDING if name in items), default=outstanding)
        issued = items.get(ISSUED, issued)
    shares = outstanding if np.isfinite(outstanding) else issued
    end = max(years, default=0)
    year = years.get(end, dict.fromkeys(FLOWS, np.nan)) | {"book": book}
    before = next((years[at]["sales"] for at in years if YEAR[0] <= end - at <= YEAR[1]), np.nan)
    return {
        **{figure: year[name] / shares if shares > 0 else np.nan for figure, name in PER_SHARE.items()},
        "shares": shares,
        "sales_growth": year["sales"] / before - 1.0 if before > 0 else np.nan,
    }


def _years(periods: Periods) -> dict[int, dict[str, float]]:
    """Sales and earnings of annual statements; of a shortened year after another, such as after a change of its end, nothing."""
    whole, last = {}, None
    for end, items in periods.items():
        if last is None or end - last >= YEAR[0]:
            whole[end], last = _flows(items), end
    return {end: flows for end, flows in whole.items() if np.isfinite(list(flows.values())).any()}


def _years_of_quarters(periods: Periods) -> dict[int, dict[str, float]]:
    """The years that four quarters make which follow each other."""
    ends = list(periods)
    years = {}
    for four in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        if all(QUARTER[0] <= gap <= QUARTER[1] for gap in np.diff(four)):
            flows = [_flows(periods[end]) for end in four]
            year = {name: sum(one[name] for one in flows) for name in FLOWS}
            if np.isfinite(list(year.values())).any():
                years[four[-1]] = year
    return years


def _flows(items: Mapping[str, float]) -> dict[str, float]:
    return {name: _first(items, names) for name, names in FLOWS.items()}


def _first(items: Mapping[str, float], names: Sequence[str], otherwise: float = np.nan) -> float:
    return next((items[name] for name in names if name in items), otherwise)
