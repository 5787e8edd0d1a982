"""Readers of one file of bars, in any of the usual layouts, as one long table."""

from __future__ import annotations

import gzip
import io
import json
import re
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pyarrow.fs import LocalFileSystem

from market_master.domain import OHLCV, NotOhlcv

ENDINGS = (".csv", ".csv.gz", ".parquet", ".feather", ".json", ".json.gz", ".jsonl", ".jsonl.gz")
SPLIT = "split_coefficient"

_NAMES = {
    "open": ("open", "o", "buy price"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c", "sell price"),
    "volume": ("volume", "vol", "v"),
    "symbol": ("symbol", "ticker"),
    SPLIT: ("split coefficient",),
}
_STAMPS = ("timestamp", "datetime", "date time", "date", "time", "t", "unix", "index", "", "unnamed: 0")
_OWN_STAMPS = {"start": ("open time", "bar start"), "end": ("close time", "bar end")}
_CLOCKS = ("tod", "time", "hour")
_INTERVAL = r"(?:\d+(?:min|m|h|d)|daily|hourly)"
_POSITIONS = ("open time", *OHLCV)
"""of rows without names: freqtrade's six, and the first six of Binance's twelve"""
_NO_NUMBER = ["", "nan", "NaN", "null", "None", "none", "N/A", "n/a", "-"]
"""empty cells; pandas' own list has NA, which is a symbol"""


@dataclass(frozen=True)
class Table:
    """What a file holds: columns symbol, stamp (as written), OHLCV and, if it has it, split_coefficient."""

    frame: pd.DataFrame
    zone: str | None
    """of its stamps, if the file's metadata tell it"""
    named: bool
    """whether the rows say whose they are; else the symbol is the file name's"""


def read_table(file: Path, *, stamp: str) -> Table:
    """The bars of a file; `stamp` (start or end) tells which of two columns of stamps to take.

    The symbol is that of the column or of the metadata, else `symbol_of` the file's name. Raises NotOhlcv, without the
    file's name, when it is empty, damaged, or not open, high, low, close and volume by bar.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            raw, zone = _raw(file)
    except (OSError, EOFError, ValueError, zlib.error, pd.errors.ParserWarning) as error:
        raise NotOhlcv(f"it can't be read ({str(error).strip().splitlines()[0]})") from error
    return Table(_long(raw, symbol_of(file.name), stamp), zone, any(_plain(c) in _NAMES["symbol"] for c in raw.columns))


def symbol_of(name: str) -> str:
    """The symbol a file's name tells, for files without a symbol column.

    AAPL_1h.csv, yahoo_daily_PETR4.SA.csv and vendor_1h_AAPL_1h.head.csv tell it beside an interval: the word before a
    closing one, or the one after another. ADABTC-1m-2021.csv tells it before the dash. Else the name is the symbol.
    """
    stem = re.sub(r"(\.(csv|parquet|feather|jsonl?|gz|head|excerpt))+$", "", name, flags=re.IGNORECASE)
    if dashed := re.match(rf"(.+?)-{_INTERVAL}(?:-|$)", stem):
        return dashed[1]
    closing = re.match(rf"(.+)_{_INTERVAL}$", stem)
    parts = re.split(rf"_{_INTERVAL}_", closing[1] if closing else stem)
    return parts[-1].rsplit("_", 1)[-1] if closing or len(parts) > 1 else stem


def _columnar(file: Path, kind: str) -> pd.DataFrame:
    """Opened by Arrow, whose threads can abort an ending interpreter over a file that Python opened (apache/arrow#34314)."""
    if kind == ".parquet":
        return pd.read_parquet(file, filesystem=LocalFileSystem(), partitioning=None)
    return pd.read_feather(file, use_threads=False)


def _raw(file: Path) -> tuple[pd.DataFrame, str | None]:
    """The file's table with its own column names, and the zone its metadata tell."""
    kind = next(ending for ending in sorted(ENDINGS, key=len, reverse=True) if file.name.lower().endswith(ending))
    if kind in (".parquet", ".feather"):
        frame = _columnar(file, kind)
        if frame.columns.nlevels > 1:
            return _unpivoted(frame), None
        frame = frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
        return frame, None
    content = gzip.decompress(file.read_bytes()) if kind.endswith(".gz") else file.read_bytes()
    text = content.decode("utf-8-sig")
    if not text.strip():
        raise NotOhlcv("it is empty")
    if kind.startswith(".csv"):
        return _csv(text), None
    document = (
        [json.loads(line) for line in text.splitlines() if line.strip()] if ".jsonl" in kind else json.loads(text)
    )
    return _json(document)


def _csv(text: str) -> pd.DataFrame:
    top = text.lstrip().split("\n", 3)[:3]
    separator = max(",;\t|", key=top[0].count)
    cells = [[cell.strip().strip('"') for cell in line.split(separator)] for line in top]
    options: dict[str, Any] = {"sep": separator, "keep_default_na": False, "na_values": _NO_NUMBER}
    options |= {"float_precision": "round_trip", "low_memory": False}
    if len(cells) > 1 and {_plain(cells[0][0]), _plain(cells[1][0])} <= {
        "price",
        "ticker",
        "symbols",
        "attributes",
        "",
    }:
        return _unpivoted(pd.read_csv(io.StringIO(text), header=[0, 1], index_col=0, **options))
    if sum(_is_number(cell) for cell in cells[0]) >= len(OHLCV):
        if len(cells[0]) not in (6, 12):
            raise NotOhlcv(
                f"it has no header, and {len(cells[0])} columns; known without names are rows of 6 and of 12"
            )
        return pd.read_csv(io.StringIO(text), header=None, **options).iloc[:, :6].set_axis(_POSITIONS, axis=1)
    names = {name: str for name in cells[0] if _plain(name) in _NAMES["symbol"]}
    return pd.read_csv(io.StringIO(text), dtype=names, index_col=False, skipinitialspace=True, **options)


def _unpivoted(wide: pd.DataFrame) -> pd.DataFrame:
    """The wide table of yfinance, whose columns are (price, ticker) or (ticker, price), with a row a bar and ticker.

    A ticker's row without any number is the other tickers' bar, not its own.
    """
    fields = next((level for level in (0, 1) if "close" in map(_plain, wide.columns.get_level_values(level))), None)
    if fields is None:
        raise NotOhlcv(f"its two lines of names have no close: {', '.join(map(str, wide.columns[:5]))} ...")
    parts = [
        wide.xs(ticker, axis=1, level=1 - fields).dropna(how="all").rename_axis("index").assign(symbol=str(ticker))
        for ticker in wide.columns.get_level_values(1 - fields).unique()
    ]
    return pd.concat([part.reset_index() for part in parts], ignore_index=True)


def _json(content: Any) -> tuple[pd.DataFrame, str | None]:
    """Alpha Vantage (one object, or one a line), rows without names, records, or columns."""
    records = content if isinstance(content, list) else [content]
    if records and all(isinstance(item, dict) and _time_series(item) for item in records):
        frames, zones = zip(*map(_alpha_vantage, records), strict=True)
        if len(set(zones)) > 1:
            raise NotOhlcv(f"its parts are of {len(set(zones))} time zones: {', '.join(map(str, sorted(set(zones))))}")
        return pd.concat(frames, ignore_index=True), zones[0]
    if records and all(isinstance(item, list) and len(item) in (6, 12) for item in records):
        return pd.DataFrame(records).iloc[:, :6].set_axis(_POSITIONS, axis=1), None
    if isinstance(content, dict) and not all(isinstance(values, (dict, list)) for values in content.values()):
        raise NotOhlcv(f"it holds no bars but {json.dumps(content)[:100]}")
    if records and not all(isinstance(item, dict) for item in records):
        raise NotOhlcv("its rows are neither records nor lists of 6 or 12 numbers")
    return pd.DataFrame(content), None


def _time_series(item: dict[str, Any]) -> str | None:
    return next((key for key in item if "Time Series" in key and isinstance(item[key], dict)), None)


def _alpha_vantage(item: dict[str, Any]) -> tuple[pd.DataFrame, str | None]:
    facts = {_plain(key): str(value) for key, value in dict(item.get("Meta Data", {})).items()}
    frame = pd.DataFrame.from_dict(item[str(_time_series(item))], orient="index").rename_axis("index").reset_index()
    return frame.assign(symbol=facts["symbol"]) if "symbol" in facts else frame, facts.get("time zone")


def _long(raw: pd.DataFrame, symbol: str, stamp: str) -> pd.DataFrame:
    """The columns of a Table out of a file's own, by their names."""
    if raw.empty:
        raise NotOhlcv(f"it is empty: {len(raw.columns)} columns and no row")
    plain = [_plain(name) for name in raw.columns]
    columns = {meaning: [at for at, name in enumerate(plain) if name in names] for meaning, names in _NAMES.items()}
    if missing := [name for name in OHLCV if not columns[name]]:
        listed = ", ".join(map(str, raw.columns[:8])) + (" ..." if len(raw.columns) > 8 else "")
        raise NotOhlcv(f"it is not OHLCV: it lacks {', '.join(missing)}; its columns are {listed}")
    if twice := [meaning for meaning, places in columns.items() if len(places) > 1]:
        raise NotOhlcv(f"it has more than one column for {' and for '.join(twice)}")
    long = {
        "symbol": raw.iloc[:, columns["symbol"][0]] if columns["symbol"] else symbol,
        "stamp": _stamp(raw, plain, stamp),
    }
    long |= {name: _numbers(raw.iloc[:, places[0]]) for name, places in columns.items() if places and name != "symbol"}
    frame = pd.DataFrame(long)
    if frame["symbol"].isna().any():
        raise NotOhlcv(f"{int(frame['symbol'].isna().sum())} of its {len(frame)} rows have no symbol")
    return frame.assign(symbol=frame["symbol"].astype("str").str.strip())


def _stamp(raw: pd.DataFrame, plain: Sequence[str], stamp: str) -> pd.Series:
    """The column of stamps; a date and the time of day beside it become one text."""
    opposite = "end" if stamp == "start" else "start"
    at = next((plain.index(name) for name in (*_OWN_STAMPS[stamp], *_STAMPS) if name in plain), None)
    if at is None:
        if any(name in plain for name in _OWN_STAMPS[opposite]):
            raise NotOhlcv(f"its stamps are bar {opposite}s; set provider.stamp to {opposite}")
        raise NotOhlcv(f"it lacks a time stamp; its columns are {', '.join(map(str, raw.columns[:8]))}")
    clock = next((plain.index(name) for name in _CLOCKS if name in plain), None) if plain[at] == "date" else None
    if clock is None:
        return raw.iloc[:, at]
    return raw.iloc[:, at].astype("str") + " " + raw.iloc[:, clock].astype("str")


def _numbers(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    if not numbers.notna().any():
        raise NotOhlcv(f"its column {column.name} holds no numbers but '{column.iloc[0]}'")
    return numbers


def _plain(name: Any) -> str:
    """A column's name without what vendors put around it: `1. open` and `<OPEN>` are open, `Open_Time` open time."""
    text = re.sub(r"^\d+[a-z]?\.\s*", "", str(name).lower().strip(" <>"))
    return re.sub(r"[\s_]+", " ", text)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d*)?([eE][+-]?\d+)?", text))
