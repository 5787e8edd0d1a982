"""Reading of fundamentals: statements in long form, or dated tables of figures or ratios.

Point in time only: a figure counts from when it was known, never from the end of the period it describes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from market_master.config.settings import FundamentalTables
from market_master.domain import DAY, FIGURES, Bars, ConfigError, DataError, Fundamentals, iso
from market_master.market_data.statements import ANNUAL, QUARTERLY, YEAR, StatementEntry, figures_of_statements

ENDINGS = (".csv", ".parquet")
STATEMENT_COLUMNS = ("symbol", "period_end", "item", "value")
SNAPSHOT_COLUMNS = ("price", "earnings_share", "price_sales", "price_book", "market_cap")
"""of a dated table of ratios, with any punctuation between the words"""
NO_NUMBER = ("", "nan", "none", "null", "n/a", "na", "-")
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")
LEAST_YIELD, LARGEST_YIELD = -2.0, 0.5
"""earnings over price; outside it is another currency, or another share (a depositary receipt, one before a split)"""


def read_fundamentals(tables: FundamentalTables) -> Fundamentals | None:
    """All reports of the configured file, or of the files of the configured folder; None where none is configured.

    Raises DataError for a file that can't be read, has no figures or contradicts itself, ConfigError when nothing says since
    when its figures were known.
    """
    if tables.path is None:
        return None
    if not tables.path.exists():
        raise DataError(f"There is no file or folder {tables.path}; set fundamentals.path to where the tables are.")
    files = [tables.path] if tables.path.is_file() else sorted(tables.path.iterdir())
    read = [_read(file, tables) for file in files if file.suffix.lower() in ENDINGS]
    stated = [
        *figures_of_statements(entry for table, file in read if _is_statement(table) for entry in _entries(table, file))
    ]
    dated = [row for table, _ in read if not _is_statement(table) for row in _figures(table)]
    if both := sorted({row[0] for row in stated} & {row[0] for row in dated}):
        raise DataError(
            f"{tables.path} has both statements and figures of {len(both)} symbols ({', '.join(both[:3])}); keep one of the two."
        )
    rows = [*stated, *dated]
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
    table[list(FIGURES)] = table.groupby("symbol")[list(FIGURES)].ffill()
    return Fundamentals(
        {
            str(symbol): {"known_at": report["known_at"].to_numpy(np.int64)}
            | {name: report[name].to_numpy(np.float64) for name in FIGURES}
            for symbol, report in table.groupby("symbol")
        }
    )


def require_plausible(fundamentals: Fundamentals, bars: Bars) -> None:
    """Refuse figures of other symbols, and those that can't be in the currency and the shares of the bars' prices.

    Each report is held against the first price after it. Raises DataError.
    """
    reports = fundamentals.reports
    if reports.keys().isdisjoint(bars.symbols):
        raise DataError(
            f"The fundamentals are of {len(reports)} symbols ({', '.join(sorted(reports)[:3])} ...), none of which is among the "
            f"{len(bars.symbols)} that have bars ({', '.join(bars.symbols[:3])} ...)."
        )
    strange = {}
    for symbol, rows in bars:
        ends = bars.bar_end[rows]
        known_at = reports.get(symbol, {}).get("known_at", np.array([], dtype=np.int64))
        after = np.searchsorted(ends, np.maximum(known_at[known_at <= ends[-1]], ends[0]))
        earned = fundamentals.known(symbol, "earnings_per_share", ends[after]) / bars.close[rows][after]
        if (wrong := earned[(earned > LARGEST_YIELD) | (earned < LEAST_YIELD)]).size:
            strange[symbol] = float(wrong[0])
    if strange:
        named = ", ".join(f"{symbol} ({share:.0%})" for symbol, share in strange.items())
        raise DataError(
            f"By their fundamentals, these earn more than {LARGEST_YIELD:.0%} of their price in a year, or lose more than "
            f"{-LEAST_YIELD:.0%}: {named}; figures must be in the currency and the shares of the prices. Convert them, or name the "
            "symbols in fundamentals.exclude."
        )


def _read(file: Path, tables: FundamentalTables) -> tuple[pd.DataFrame, Path]:
    """A table with plain column names, stripped symbols, numbers, and known_at in epoch seconds."""
    try:
        if file.suffix.lower() == ".parquet":
            table = pd.read_parquet(file)
        else:
            table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataError(f"The fundamentals {file} can't be read: {error}.") from error
    table.columns = [re.sub(r"\W+", "_", str(name).strip().lower()) for name in table.columns]
    figures = sorted(set(FIGURES) & set(table.columns))
    numbers = ("value",) if _is_statement(table) else figures or SNAPSHOT_COLUMNS
    if "symbol" not in table.columns or not set(numbers) <= set(table.columns):
        raise DataError(
            f"{file.name} has the columns {list(table.columns)}; fundamentals are statements ({', '.join(STATEMENT_COLUMNS)}), "
            f"figures (symbol, known_at and some of {', '.join(FIGURES)}) or ratios (symbol, {', '.join(SNAPSHOT_COLUMNS)})."
        )
    table = table.assign(
        symbol=table["symbol"].astype(str).str.strip(), **{name: _numbers(table, name, file) for name in numbers}
    )
    return table.assign(known_at=_known_at(table, file, tables)), file


def _is_statement(table: pd.DataFrame) -> bool:
    return set(STATEMENT_COLUMNS) <= set(table.columns)


def _numbers(table: pd.DataFrame, name: str, file: Path) -> pd.Series:
    """A column as numbers, NaN for an empty cell. Raises DataError for other text."""
    cells = table[name].astype(str).str.strip()
    empty = cells.str.lower().isin(NO_NUMBER)
    numbers = pd.to_numeric(cells.where(~empty), errors="coerce").where(np.isfinite)
    if (wrong := numbers.isna() & ~empty).any():
        raise DataError(
            f"{file.name} has {int(wrong.sum())} cells of {name} that are no numbers, the first '{cells[wrong].iloc[0]}'."
        )
    return numbers


def _known_at(table: pd.DataFrame, file: Path, tables: FundamentalTables) -> list[int]:
    """Since when each row was known: its own known_at, so many days after its period, or the date in the file's name."""
    in_name = ISO_DATE.findall(file.stem)
    if "known_at" in table.columns:
        return _instants(table["known_at"], file)
    if "period_end" in table.columns and tables.known_after_days is not None:
        return [end + tables.known_after_days * DAY for end in _instants(table["period_end"], file)]
    if "period_end" not in table.columns and len(in_name) == 1:
        return _instants(pd.Series(in_name * len(table)), file)
    lacking = "it has no column known_at"
    if "period_end" in table.columns:
        remedy = "fundamentals.known_after_days is not set (a filing comes up to 90 days after its period)"
    else:
        remedy = f"its name holds {len(in_name)} dates YYYY-MM-DD, where one would do"
    raise ConfigError(f"{file.name} does not say since when its figures were known: {lacking}, and {remedy}.")


def _instants(column: pd.Series, file: Path) -> list[int]:
    """Epoch seconds of times; a day counts when it is over. Raises DataError for what is no ISO date, or a time without zone."""
    known = {value: _instant(value, file) for value in column.unique().tolist()}
    return [known[value] for value in column.tolist()]


def _instant(value: Any, file: Path) -> int:
    wanted = f"{file.name} has '{value}' where a date stands; write it as YYYY-MM-DD"
    if isinstance(value, str) and not ISO_TIME.fullmatch(value.strip()):
        raise DataError(f"{wanted}.")
    try:
        time = pd.Timestamp(value.strip() if isinstance(value, str) else pd.Timestamp(value).isoformat())
        if isinstance(value, (int, float, np.number)) or time is pd.NaT:
            raise DataError(f"{wanted}.")
    except (ValueError, TypeError) as error:
        raise DataError(f"{wanted}: {error}.") from error
    if time == time.normalize():
        return int(time.tz_localize(None).tz_localize("UTC").timestamp()) + DAY
    if time.tz is None:
        raise DataError(f"{wanted}, or with the zone of the time, as in 2024-05-02T16:30:00-04:00.")
    return int(time.timestamp())


def _entries(table: pd.DataFrame, file: Path) -> Iterable[StatementEntry]:
    """The values of a statement file; the frequency is its column's, or annual where no two periods are closer than a year."""
    ends = pd.Series(_instants(table["period_end"], file), table.index) // DAY - 1
    if "freq" in table.columns:
        freq = table["freq"].astype(str).str.strip().str.lower()
        if (unknown := ~freq.isin((*ANNUAL, *QUARTERLY))).any():
            raise DataError(f"{file.name} has the freq '{freq[unknown].iloc[0]}'; it may be annual or quarterly.")
        annual = freq.isin(ANNUAL)
    else:
        annual = pd.Series(True, table.index)
        gaps = ends.groupby(table["symbol"]).apply(lambda days: np.diff(np.unique(days)).min(initial=YEAR[1])).min()
        if gaps < YEAR[0]:
            raise DataError(
                f"{file.name} has periods that end {gaps} days apart and no column freq (annual or quarterly)."
            )
    items = table["item"].astype(str).str.strip()
    columns = (table["symbol"], table["known_at"], annual, ends, items, table["value"])
    return map(StatementEntry, *(column.tolist() for column in columns))


def _figures(table: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
    """Symbol, known_at and FIGURES of each row; from ratios, by the price they were made with."""
    if not set(FIGURES) & set(table.columns):
        price, earnings, to_sales, to_book, market_value = (table[name] for name in SNAPSHOT_COLUMNS)
        table = table.assign(
            earnings_per_share=earnings,
            sales_per_share=price / to_sales,
            book_per_share=price / to_book,
            shares=market_value / price,
        )
    figures = [table.get(name, pd.Series(np.nan, table.index)).where(np.isfinite) for name in FIGURES]
    return zip(table["symbol"], table["known_at"], *figures, strict=True)
