"""The index's weights, as they were known at a bar."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from market_master.config.settings import Universe
from market_master.domain import DataError, MissingWeight, iso


class WeightRow(NamedTuple):
    """One line of a weights file; an `as_of` of '' is always in force."""

    symbol: str
    weight: float
    as_of: str
    name: str = ""
    """of the company or coin, where the file has one"""


@dataclass(frozen=True)
class Weights:
    """Constituents' weights at a bar, normalised to 1 over those the provider knows."""

    by_symbol: dict[str, float]
    as_of: str | None
    """date of the table in force; None for equal weights"""
    index_share: float
    """the known constituents' share of the whole index before normalising"""


def weights_of_table(
    table: Path | None,
    instant: int,
    known: Collection[str],
    *,
    requested: Collection[str],
    benchmark: str | None,
    renamed: Mapping[str, str] | None = None,
) -> Weights:
    """The weights in force at an instant: the newest `as_of` not after it; equal ones when there is no table.

    `known` are the symbols that have bars, `asked` those the config names (empty = all). The benchmark is never a
    constituent. A symbol of the table that is `renamed` weighs as the one whose bars stand for it: weights that meet
    (two classes of shares) add up. Raises MissingWeight when a named symbol has left a table it was in before, when no
    table is old enough, or when none of the known symbols has a weight.
    """
    eligible = sorted(set(known) & set(requested or known) - {benchmark})
    if table is None:
        return Weights({symbol: 1 / len(eligible) for symbol in eligible}, None, 1.0)
    rows = [row for row in read_weights(table) if row.as_of <= iso(instant)[:10]]
    if not rows:
        raise MissingWeight(
            f"The weights in {table.name} begin after {iso(instant)}; add a table with an earlier as_of.",
            as_of=iso(instant),
        )
    newest = max(row.as_of for row in rows)
    name, current = dict(renamed or {}), defaultdict[str, float](float)
    for row in rows:
        if row.as_of == newest:
            current[name.get(row.symbol, row.symbol)] += row.weight
    removed = sorted(set(requested) & ({name.get(row.symbol, row.symbol) for row in rows} - set(current)))
    if removed:
        raise MissingWeight(
            f"{', '.join(removed)} had a weight before {newest} and has none in {table.name} since; take it out of "
            "universe.symbols or give it a weight.",
            missing=removed,
        )
    available = {symbol: current[symbol] for symbol in eligible if symbol in current}
    total = math.fsum(available.values())
    if total <= 0:
        raise MissingWeight(
            f"None of the {len(eligible)} symbols has a weight in {table.name} as of {newest}.", symbols=len(eligible)
        )
    by_symbol = {symbol: weight / total for symbol, weight in available.items()}
    return Weights(by_symbol, newest, total / math.fsum(current.values()))


def read_weights(table: Path) -> tuple[WeightRow, ...]:
    """The rows of a weights file, in its order; read again only when the file has changed.

    Raises DataError for a file that can't be read, lacks columns, repeats a symbol or has an impossible weight or date.
    """
    try:
        return _read(table, table.stat().st_mtime_ns)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"The weights file {table} can't be read: {error}.") from error


@lru_cache(maxsize=8)
def _read(table: Path, _written: int) -> tuple[WeightRow, ...]:
    with table.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, skipinitialspace=True)
        columns = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = columns
        lines = list(reader)
    if not columns:
        raise ValueError("it is empty")
    lacking = {"symbol", "weight"} - set(columns)
    if lacking:
        raise DataError(
            f"The weights file {table.name} lacks the column {' and '.join(sorted(lacking))}; it has {columns}."
        )
    rows = [
        WeightRow(
            symbol=_text(row, "symbol"),
            weight=_number(row["weight"]),
            as_of=_text(row, "as_of")[:10],
            name=_text(row, "name"),
        )
        for row in lines
    ]
    bad = [line for row, line in zip(rows, lines, strict=True) if not (0 <= row.weight < math.inf and row.symbol)]
    if bad:
        raise DataError(f"The weights file {table.name} has {len(bad)} impossible rows, the first: {bad[0]}.")
    undated = [row for row in rows if not _is_date(row.as_of)]
    if undated:
        raise DataError(
            f"The weights file {table.name} has {len(undated)} rows whose as_of is not written YYYY-MM-DD, the first: "
            f"'{undated[0].as_of}'."
        )
    keys: set[tuple[str, str]] = set()
    for row in rows:
        if (row.symbol, row.as_of) in keys:
            raise DataError(f"The weights file {table.name} names {row.symbol} twice for one as_of.")
        keys.add((row.symbol, row.as_of))
    return tuple(rows)


def _text(row: Mapping[str, str | None], column: str) -> str:
    return (row.get(column) or "").strip()


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _is_date(text: str) -> bool:
    """An ISO date, or nothing: dates are compared as text, and in another style the future may come first."""
    try:
        return text == "" or date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def index_weights(universe: Universe, instant: int, known: Collection[str]) -> Weights:
    """The weights in force at an instant among the symbols that have bars. Raises MissingWeight."""
    return weights_of_table(
        universe.weights,
        instant,
        known,
        requested=universe.symbols,
        benchmark=universe.benchmark,
        renamed=universe.renamed,
    )


def symbol_names(universe: Universe) -> dict[str, str]:
    """Names of companies or coins by symbol, the newest that the weights file gives. Raises DataError."""
    rows = sorted(read_weights(universe.weights), key=lambda row: row.as_of) if universe.weights else []
    return {universe.renamed.get(row.symbol, row.symbol): row.name for row in rows if row.name}
