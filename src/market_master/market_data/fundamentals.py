"""Reading of fundamentals: statements in long form, or dated tables of figures by share.

Point in time only: a figure counts from when it was known, never from the end of the period it describes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from market_master.config.settings import FundamentalTables
from market_master.domain import DAY, FIGURES, Bars, ConfigError, DataError, Fundamentals, iso

ENDINGS = (".csv", ".parquet")
STATEMENT_COLUMNS = ("symbol", "period_end", "item", "value")
FLOWS = {"sales": ("Total Revenue",), "earnings": ("Net Income Common Stockholders", "Net Income")}
BOOK = {"book": ("Common Stock Equity", "Stockholders Equity")}
"""items of a statement, the first that is there"""
SHARES = ("Diluted Average Shares", "Ordinary Shares Number", "Share Issued")
"""the most of them: the average's are few after a listing, those issued may be of another class"""
QUARTERS, QUARTERS_SPAN = 4, 330
"""ends of a year's quarters lie within so many days"""
YEAR_BEFORE = (350, 380)
"""days between the ends of two years"""
PER_SHARE = {"earnings_per_share": "earnings", "book_per_share": "book", "sales_per_share": "sales"}
LARGEST_YIELD = 0.5
"""earnings over price; more is another currency, or another share (a depositary receipt)"""
NO_NUMBER = ("", "nan", "none", "null", "n/a", "na", "-")
SNAPSHOT_COLUMNS = ("price", "earnings_share", "price_sales", "price_book", "market_cap")
"""of a dated table of ratios, with any punctuation between the words"""

Periods = Mapping[int, Mapping[str, float]]
"""by the day a period ends: items and their values"""
Years = dict[int, dict[str, float]]
"""by the day a year ends: its sales and earnings"""


class _Entry(NamedTuple):
    """One value of a statement."""

    known_at: int
    annual: bool
    period_end: int
    """days since 1970-01-01"""
    item: str
    value: float


def read_fundamentals(tables: FundamentalTables) -> Fundamentals | None:
    """All reports of the configured file, or of the files of the configured folder; None where none is configured.

    Raises DataError for a file that can't be read or has no figures, ConfigError when nothing says since when they were known.
    """
    if tables.path is None:
        return None
    files = [tables.path] if tables.path.is_file() else sorted(tables.path.glob("*"))
    rows = [row for file in files if file.suffix in ENDINGS for row in _rows_of(file, tables)]
    rows = [row for row in rows if row[0] not in tables.exclude]
    if not rows:
        raise DataError(f"{tables.path} holds no fundamentals; a file there should end in {' or '.join(ENDINGS)}.")
    table = pd.DataFrame(rows, columns=["symbol", "known_at", *FIGURES]).drop_duplicates()
    table = table.sort_values(["symbol", "known_at"], kind="stable")
    twice = table[table.duplicated(["symbol", "known_at"])]
    if len(twice):
        raise DataError(
            f"{tables.path} has {len(twice)} reports that differ from another of the same symbol and known_at, the first of "
            f"{twice['symbol'].iloc[0]}, known at {iso(int(twice['known_at'].iloc[0]))}."
        )
    return Fundamentals(
        {
            str(symbol): {"known_at": report["known_at"].to_numpy(np.int64)}
            | {name: report[name].to_numpy(np.float64) for name in FIGURES}
            for symbol, report in table.groupby("symbol")
        }
    )


def require_plausible(bars: Bars) -> None:
    """Refuse figures of other symbols, and those that can't be in the currency and the shares of the bars' prices.

    Raises DataError.
    """
    if bars.fundamentals is None:
        return
    reports, known = bars.fundamentals.reports, bars.fundamentals.known
    if reports.keys().isdisjoint(bars.symbols):
        raise DataError(
            f"The fundamentals are of {len(reports)} symbols ({', '.join(sorted(reports)[:3])} ...), none of which is among the "
            f"{len(bars.symbols)} that have bars ({', '.join(bars.symbols[:3])} ...)."
        )
    yields = {
        symbol: known(symbol, "earnings_per_share", bars.bar_end[rows][-1:])[0] / bars.close[rows][-1]
        for symbol, rows in bars
    }
    if strange := {symbol: share for symbol, share in yields.items() if share > LARGEST_YIELD}:
        named = ", ".join(f"{symbol} ({share:.0%})" for symbol, share in strange.items())
        raise DataError(
            f"By their fundamentals, these earn more than {LARGEST_YIELD:.0%} of their price in a year: {named}; figures must be "
            "in the currency and the shares of the prices. Convert them, or name the symbols in fundamentals.exclude."
        )


def _rows_of(file: Path, tables: FundamentalTables) -> Iterator[tuple[Any, ...]]:
    """Symbol, known_at and FIGURES of each report in a file."""
    try:
        table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"The fundamentals {file} can't be read: {error}.") from error
    table.columns = [re.sub(r"\W+", "_", str(name).strip().lower()) for name in table.columns]
    if set(STATEMENT_COLUMNS) <= set(table.columns):
        yield from _of_statements(_with_known_at(_numeric(table, ("value",), file), file, tables))
    elif "symbol" in table.columns and set(FIGURES) & set(table.columns):
        yield from _of_figures(_with_known_at(_numeric(table, FIGURES, file), file, tables))
    elif {"symbol", *SNAPSHOT_COLUMNS} <= set(table.columns):
        yield from _of_figures(_by_share(_with_known_at(_numeric(table, SNAPSHOT_COLUMNS, file), file, tables)))
    else:
        raise DataError(
            f"{file.name} has the columns {list(table.columns)}; fundamentals are statements ({', '.join(STATEMENT_COLUMNS)}), "
            f"figures (symbol, known_at and some of {', '.join(FIGURES)}) or ratios (symbol, {', '.join(SNAPSHOT_COLUMNS)})."
        )


def _numeric(table: pd.DataFrame, columns: Sequence[str], file: Path) -> pd.DataFrame:
    """The table with some columns as numbers, NaN for an empty cell; symbols are stripped. Raises DataError for other text."""
    numbers = {}
    for name in set(columns) & set(table.columns):
        cells = table[name].astype(str).str.strip()
        numbers[name] = pd.to_numeric(cells.where(~cells.str.lower().isin(NO_NUMBER)), errors="coerce")
        wrong = numbers[name].isna() & ~cells.str.lower().isin(NO_NUMBER)
        if wrong.any():
            raise DataError(
                f"{file.name} has {int(wrong.sum())} cells of {name} that are no numbers, the first '{cells[wrong].iloc[0]}'."
            )
    return table.assign(symbol=table["symbol"].astype(str).str.strip(), **numbers)


def _with_known_at(table: pd.DataFrame, file: Path, tables: FundamentalTables) -> pd.DataFrame:
    """The table with `known_at` in epoch seconds: its own, the date in the file's name, or so many days after the period."""
    in_name = re.search(r"\d{4}-\d{2}-\d{2}", file.stem)
    if "known_at" in table.columns:
        known = [_instant(value, file) for value in table["known_at"]]
    elif "period_end" in table.columns and tables.known_after_days is not None:
        delay = tables.known_after_days * DAY
        known = [_instant(value, file) + delay for value in table["period_end"]]
    elif "period_end" not in table.columns and in_name:
        known = [_instant(in_name.group(), file)] * len(table)
    else:
        raise ConfigError(
            f"{file.name} does not say since when its figures were known: it has no column known_at"
            + (", and fundamentals.known_after_days is not set (a filing comes up to 90 days after its period)."
               if "period_end" in table.columns else " and no date YYYY-MM-DD in its name.")
        )  # fmt: skip
    return table.assign(known_at=known)


def _instant(value: object, file: Path) -> int:
    """Epoch seconds of a time; a date without one counts when it is over."""
    if isinstance(value, (int, float, np.number)):
        raise DataError(f"{file.name} has the number {value} where a date stands; write it as YYYY-MM-DD.")
    try:
        time = pd.Timestamp(value)  # type: ignore[arg-type]
        whole_day = time.tz is None and time == time.normalize()
        seconds = int((time if time.tz else time.tz_localize("UTC")).timestamp())
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{file.name} has '{value}' where a date stands: {error}.") from error
    return seconds + DAY if whole_day else seconds


def _of_statements(table: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """A row for each instant at which something of a company became known, from all that was known then."""
    annual = ~table.get("freq", pd.Series("annual", table.index)).astype(str).str.lower().str.startswith("q")
    ends = pd.to_datetime(table["period_end"]).dt.tz_localize(None).astype("datetime64[s]").astype("int64") // DAY
    columns = (table["symbol"], table["known_at"], annual, ends, table["item"].astype(str), table["value"])
    lines = sorted(zip(*(column.tolist() for column in columns), strict=True))
    for symbol, of_symbol in groupby(lines, key=lambda line: line[0]):
        known: dict[bool, dict[int, dict[str, float]]] = {True: {}, False: {}}
        for known_at, news in groupby((_Entry(*line[1:]) for line in of_symbol), key=lambda entry: entry.known_at):
            for entry in news:
                if np.isfinite(entry.value):
                    known[entry.annual].setdefault(entry.period_end, {})[entry.item] = entry.value
            figures = _newest_figures(known[True], known[False])
            if not all(np.isnan(value) for value in figures.values()):
                yield (symbol, known_at, *(figures[name] for name in FIGURES))


def _years(periods: Periods) -> Years:
    """What annual statements say."""
    years = {end: _named(items, FLOWS) for end, items in periods.items()}
    return {end: flows for end, flows in years.items() if np.isfinite(list(flows.values())).any()}


def _years_of_quarters(periods: Periods) -> Years:
    """The years that four quarters make, all of which must be known."""
    years: Years = {}
    for end in periods:
        quarters = [_named(periods[at], FLOWS) for at in periods if 0 <= end - at < QUARTERS_SPAN]
        flows = {name: sum(one[name] for one in quarters) for name in FLOWS}
        if len(quarters) == QUARTERS and np.isfinite(list(flows.values())).all():
            years[end] = flows
    return years


def _named(items: Mapping[str, float], names: Mapping[str, Sequence[str]]) -> dict[str, float]:
    return {name: next((items[one] for one in known if one in items), np.nan) for name, known in names.items()}


def _newest_figures(annual: Periods, quarterly: Periods) -> dict[str, float]:
    """The figures of the newest year, with its growth against the year before, and the newest book and shares of any period."""
    years = _years_of_quarters(quarterly) | _years(annual)
    levels = dict.fromkeys(("book", "shares"), np.nan)
    for end in sorted({*annual, *quarterly}):
        items = {**annual.get(end, {}), **quarterly.get(end, {})}
        shares = max((items[name] for name in SHARES if name in items), default=np.nan)
        levels |= {
            name: value for name, value in (_named(items, BOOK) | {"shares": shares}).items() if np.isfinite(value)
        }
    end, shares = max(years, default=0), levels["shares"]
    year = years.get(end, dict.fromkeys(FLOWS, np.nan)) | levels
    before = next((years[at]["sales"] for at in years if YEAR_BEFORE[0] <= end - at <= YEAR_BEFORE[1]), np.nan)
    return {
        **{figure: year[name] / shares if shares > 0 else np.nan for figure, name in PER_SHARE.items()},
        "shares": shares,
        "sales_growth": year["sales"] / before - 1.0 if before > 0 else np.nan,
    }


def _by_share(table: pd.DataFrame) -> pd.DataFrame:
    """Figures by share from price ratios and the market's value."""
    price, earnings, to_sales, to_book, market_value = (table[name] for name in SNAPSHOT_COLUMNS)
    return table.assign(
        earnings_per_share=earnings,
        sales_per_share=price / to_sales,
        book_per_share=price / to_book,
        shares=market_value / price,
    )


def _of_figures(table: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
    figures = [table.get(name, pd.Series(np.nan, table.index)).astype(float).where(np.isfinite) for name in FIGURES]
    return zip(table["symbol"], table["known_at"], *figures, strict=True)
