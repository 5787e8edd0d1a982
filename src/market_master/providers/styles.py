"""The styles bars come in: one reader a family, each giving columns symbol, stamp, open, high, low, close, volume."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from market_master.domain.bars import OHLCV
from market_master.domain.errors import NotOhlcv

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".feather", ".json", ".json.gz", ".jsonl")
STAMPS = ("timestamp", "datetime", "date", "open_time", "time", "bar_end")
RENAMED = {"buy price": "open", "sell price": "close"}
INTERVAL = r"(?:\d+(?:min|m|h|d)|daily|hourly)"
KLINES = 12
"""columns of a Binance kline file, which has no header"""


@dataclass(frozen=True, eq=False)
class Table:
    """One file's rows as they are: stamps not yet in UTC; `zone` where the file itself names one."""

    frame: pd.DataFrame
    zone: str | None = None
    note: str | None = None
    names_symbols: bool = True
    """the rows say whose they are; else the file's name was taken"""


def read(file: Path) -> Table:
    """The rows of a file in any known style. Raises NotOhlcv naming the file and what is wrong with it."""
    try:
        if file.suffix == ".parquet":
            return _columns(pd.read_parquet(file), file)
        if file.suffix == ".feather":
            return _columns(pd.read_feather(file), file)
        if ".json" in file.name:
            return _json(file)
        return _csv(file)
    except NotOhlcv:
        raise
    except Exception as error:
        raise NotOhlcv(f"{file.name} can't be read as bars: {type(error).__name__}: {error}.") from error


def symbol_of(file: Path) -> str:
    """The symbol a file's name tells, for files without a symbol column.

    AAPL_1h.csv, yahoo_daily_PETR4.SA.csv and vendor_1h_AAPL_1h.head.csv tell it beside an interval: the word before a
    closing one, or the one after another. ADABTC-1m-2021.csv tells it before the dash. Else the name is the symbol.
    """
    name = file.name
    for ending in (".gz", ".csv", ".parquet", ".feather", ".jsonl", ".json", ".head", ".excerpt"):
        name = name.removesuffix(ending)
    if dashed := re.match(rf"(.+?)-{INTERVAL}(?:-|$)", name):
        return dashed[1]
    closing = re.match(rf"(.+)_{INTERVAL}$", name)
    words = re.split(rf"_{INTERVAL}_", closing[1] if closing else name)
    return words[-1].rsplit("_", 1)[-1] if closing or len(words) > 1 else name


def _csv(file: Path) -> Table:
    head = pd.read_csv(file, header=None, nrows=3, dtype=str, keep_default_na=False)
    first = [str(cell).strip() for cell in head.iloc[0]] if len(head) else []
    if not first:
        raise NotOhlcv(f"{file.name} is empty.")
    if first[0].isdigit() and len(first) == KLINES:
        frame = pd.read_csv(file, header=None).iloc[:, :6].set_axis(["timestamp", *OHLCV], axis=1)
        return _columns(frame, file)
    if first[0] == "Price" and len(head) > 1 and head.iloc[1, 0] == "Ticker":
        wide = pd.read_csv(file, header=[0, 1], index_col=0, skiprows=[2])
        wide.columns.names = ["field", "symbol"]
        frame = wide.stack(level="symbol", future_stack=True).rename_axis(["timestamp", "symbol"]).reset_index()
        return _columns(frame.dropna(subset=["Open", "High", "Low", "Close"], how="all"), file)
    return _columns(pd.read_csv(file), file)


def _json(file: Path) -> Table:
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    parts = content.decode("utf-8").splitlines() if ".jsonl" in file.name else [content.decode("utf-8")]
    documents = [json.loads(part) for part in parts if part.strip()]
    if len(documents) == 1 and isinstance(documents[0], list):
        frame = pd.DataFrame(documents[0], columns=["timestamp", *OHLCV])
        return _columns(frame, file)
    tables = [_alphavantage(document, file) for document in documents]
    if not tables:
        raise NotOhlcv(f"{file.name} is empty.")
    return Table(pd.concat([table.frame for table in tables]), tables[0].zone)


def _alphavantage(document: Any, file: Path) -> Table:
    keys = [key for key in document if key.startswith("Time Series")] if isinstance(document, dict) else []
    if not keys:
        raise NotOhlcv(f"{file.name} is JSON, but neither a list of bars nor an Alpha Vantage time series.")
    meta = {key.split(". ", 1)[-1]: value for key, value in document.get("Meta Data", {}).items()}
    rows = pd.DataFrame.from_dict(document[keys[0]], orient="index")
    rows = rows.rename(columns=lambda name: RENAMED.get(name.split(". ", 1)[-1], name.split(". ", 1)[-1]))
    frame = rows.rename_axis("timestamp").reset_index()
    if "Symbol" in meta:
        frame["symbol"] = meta["Symbol"]
    table = _columns(frame, file)
    return Table(table.frame, meta.get("Time Zone"), table.note, table.names_symbols)


def _columns(frame: pd.DataFrame, file: Path) -> Table:
    """A long table by the names of its columns, whatever their case."""
    frame = frame.rename(columns=lambda name: str(name).strip().lower())
    if frame.empty:
        raise NotOhlcv(f"{file.name} is empty: it has a header and no rows.")
    stamp = next((name for name in STAMPS if name in frame), None)
    lacking = [name for name in OHLCV if name not in frame]
    if stamp is None or lacking:
        what = ([] if stamp else ["a time stamp"]) + lacking
        have = ", ".join(map(str, frame.columns[:8])) + (", ..." if len(frame.columns) > 8 else "")
        raise NotOhlcv(f"{file.name} is not OHLCV: it lacks {', '.join(what)}; its columns are {have}.")
    clock = frame[stamp]
    if "tod" in frame:
        clock = clock.astype(str) + " " + frame["tod"].astype(str)
    note = None
    prices = frame[list(OHLCV)].apply(pd.to_numeric, errors="coerce").astype(float)
    if "split_coefficient" in frame and "adjusted_close" in frame:
        prices, note = _split_adjusted(prices, frame["split_coefficient"], clock, file)
    named = frame["symbol"].astype(str) if "symbol" in frame else symbol_of(file)
    return Table(prices.assign(stamp=clock, symbol=named), None, note, "symbol" in frame)


def _split_adjusted(
    prices: pd.DataFrame, split: pd.Series, clock: pd.Series, file: Path
) -> tuple[pd.DataFrame, str | None]:
    """Prices before each split divided by it, volumes multiplied; the file's own coefficients, dividends left alone."""
    order = clock.astype(str).argsort()
    later = split.iloc[order[::-1]].cumprod().shift(fill_value=1.0).sort_index()
    adjusted = prices.div(later, axis=0).assign(volume=prices["volume"] * later)
    count = int((split != 1).sum())
    return adjusted, f"{file.name}: prices adjusted for {count} splits by its split_coefficient." if count else None
