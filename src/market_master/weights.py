"""The index's weights, as they were known at a bar."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from market_master.domain.errors import DataError, MissingWeight
from market_master.domain.sessions import iso


@dataclass(frozen=True)
class Weights:
    """Constituents' weights at a bar, normalised to 1 over those the provider knows."""

    by_symbol: dict[str, float]
    as_of: str | None
    """date of the table in force; None for equal weights"""
    index_share: float
    """the known constituents' share of the whole index before normalising"""


def at(
    table: Path | None, instant: int, known: Collection[str], *, asked: Collection[str], benchmark: str | None
) -> Weights:
    """The weights in force at an instant: the newest `as_of` not after it; equal ones when there is no table.

    `known` are the symbols that have bars, `asked` those the config names (empty = all). The benchmark is never a
    constituent. Raises MissingWeight when a named symbol has left a table it was in before, when no table is old
    enough, or when none of the known symbols has a weight.
    """
    eligible = sorted(set(known) & set(asked or known) - {benchmark})
    if table is None:
        return Weights({symbol: 1 / len(eligible) for symbol in eligible}, None, 1.0)
    frame = read(table)
    frame = frame[frame["as_of"] <= iso(instant)[:10]]
    if frame.empty:
        raise MissingWeight(
            f"The weights in {table.name} begin after {iso(instant)}; add a table with an earlier as_of.",
            as_of=iso(instant),
        )
    newest = str(frame["as_of"].max())
    current = frame[frame["as_of"] == newest].set_index("symbol")["weight"]
    left = sorted(set(asked) & (set(frame["symbol"]) - set(current.index)))
    if left:
        raise MissingWeight(
            f"{', '.join(left)} had a weight before {newest} and has none in {table.name} since; take it out of "
            "universe.symbols or give it a weight.",
            missing=left,
        )
    held = current[current.index.isin(eligible)]
    if held.empty or held.sum() <= 0:
        raise MissingWeight(
            f"None of the {len(eligible)} symbols has a weight in {table.name} as of {newest}.", symbols=len(eligible)
        )
    share = float(held.sum() / current.sum())
    return Weights({str(s): float(w) for s, w in (held / held.sum()).sort_index().items()}, newest, share)


def read(table: Path) -> pd.DataFrame:
    """A weights file as columns symbol, weight, as_of (ISO date; '' sorts first when the file has none).

    Raises DataError for a file that can't be read, lacks columns, repeats a symbol or has an impossible weight or date.
    """
    try:
        frame = pd.read_csv(table, dtype={"symbol": "str"}, keep_default_na=False, na_values={"weight": [""]})
    except (OSError, ValueError) as error:
        raise DataError(f"The weights file {table} can't be read: {error}.") from error
    lacking = {"symbol", "weight"} - set(frame.columns)
    if lacking:
        raise DataError(
            f"The weights file {table.name} lacks the column {' and '.join(sorted(lacking))}; it has {list(frame)}."
        )
    if "as_of" not in frame:
        frame["as_of"] = ""
    frame["symbol"] = frame["symbol"].str.strip()
    frame["as_of"] = frame["as_of"].astype("str").str.slice(0, 10)
    frame["weight"] = pd.to_numeric(frame["weight"], errors="coerce")
    bad = frame[~frame["weight"].between(0, math.inf, inclusive="left") | (frame["symbol"] == "")]
    if len(bad):
        raise DataError(
            f"The weights file {table.name} has {len(bad)} impossible rows, the first: {bad.iloc[0].to_dict()}."
        )
    undated = frame[~frame["as_of"].map(_is_date)]
    if len(undated):
        raise DataError(
            f"The weights file {table.name} has {len(undated)} rows whose as_of is not written YYYY-MM-DD, the first: "
            f"'{undated.iloc[0]['as_of']}'."
        )
    twice = frame[frame.duplicated(["symbol", "as_of"])]
    if len(twice):
        raise DataError(f"The weights file {table.name} names {twice.iloc[0]['symbol']} twice for one as_of.")
    return frame[["symbol", "weight", "as_of"]]


def _is_date(text: str) -> bool:
    """An ISO date, or nothing: dates are compared as text, and in another style the future may come first."""
    try:
        return text == "" or date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
