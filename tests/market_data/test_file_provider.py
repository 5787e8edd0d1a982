"""Files in the styles users have are read right, or refused with a sentence that names the file and what is wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from market_master.domain.bars import OHLCV
from market_master.domain.clock import iso
from market_master.domain.errors import IntervalMismatch, MixedGrid, NoBars, NotOhlcv
from market_master.market_data.providers import FetchResult, Query
from market_master.market_data.providers.files import Files

NOW = 1_800_000_000


def fetch(
    path: Path, calendar: str = "XNYS", interval: str = "1h", *symbols: str, now: int = NOW, **options: Any
) -> FetchResult:
    """What the provider makes of a file."""
    return Files(path, **options).fetch(Query(symbols, calendar, interval, now))


def frame_of(starts: Any, **changes: Any) -> pd.DataFrame:
    """A small table of valid bars."""
    count = len(starts)
    base = 100 + np.arange(count, dtype=float)
    columns = {"open": base, "high": base + 2, "low": base - 2, "close": base + 1, "volume": np.full(count, 1000.0)}
    return pd.DataFrame({"timestamp": starts, **columns, **changes})


HOURS = pd.date_range("2025-03-07 09:30", periods=7, freq="h", tz="America/New_York")
"""a Friday; the clocks change on the Sunday after"""
MONDAY = pd.date_range("2025-03-10 09:30", periods=7, freq="h", tz="America/New_York")


def _ends(fetched: FetchResult, symbol: str) -> list[str]:
    return [iso(end) for end in fetched.series[symbol]["bar_end"]]


def _as_csv(frame: pd.DataFrame, file: Path) -> Path:
    frame.to_csv(file, index=False)
    return file


def _styles(folder: Path) -> dict[str, Path]:
    """The same seven bars of AAPL in many styles."""
    utc, naive = HOURS.tz_convert("UTC"), HOURS.tz_localize(None)
    plain = frame_of(utc)
    capital = plain.rename(columns={"timestamp": "Datetime"} | {name: name.title() for name in OHLCV})
    header = [["Price", *(c.title() for c in OHLCV)], ["Ticker", *["AAPL"] * 5], ["Datetime", *[""] * 5]]
    multi = "\n".join(",".join(row) for row in header) + "\n" + plain.to_csv(index=False, header=False)
    series = {
        str(t): {f"{n}. {c}": str(v) for n, (c, v) in enumerate(row.items(), 1)}
        for t, row in zip(naive, plain[list(OHLCV)].to_dict("records"), strict=True)
    }
    vantage = {
        "Meta Data": {"2. Symbol": "AAPL", "6. Time Zone": "US/Eastern"},
        "Time Series (60min)": dict(reversed(series.items())),
    }
    lists = [
        [int(t.timestamp() * 1000), *row] for t, row in zip(utc, plain[list(OHLCV)].to_numpy().tolist(), strict=True)
    ]
    klines = pd.DataFrame([[*row, row[0] + 1, 0, 0, 0, 0, 0] for row in lists])
    files = {
        "csv with offsets": _as_csv(plain.assign(timestamp=HOURS.astype(str)), folder / "a" / "AAPL_1h.csv"),
        "naive csv": _as_csv(plain.assign(timestamp=naive), folder / "b" / "AAPL_1h.csv"),
        "capital names and extras": _as_csv(capital.assign(Dividends=0.0, Symbol="AAPL"), folder / "c" / "x.csv"),
        "ibkr extras": _as_csv(plain.assign(wap=1.0, count=3), folder / "d" / "ibkr_1h_AAPL_1h.csv"),
        "date and time of day": _as_csv(
            plain.assign(date=naive.strftime("%Y-%m-%d"), ToD=naive.strftime("%H:%M:%S")).drop(columns="timestamp"),
            folder / "e" / "AAPL_1h.csv",
        ),
        "three-line header": folder / "g" / "prices.csv",
        "alpha vantage": folder / "h" / "AAPL.json",
        "freqtrade lists": folder / "i" / "AAPL-1h.json.gz",
        "klines": folder / "j" / "AAPL-1h-2025-03.csv",
        "parquet": folder / "k" / "AAPL.parquet",
        "feather": folder / "l" / "AAPL-1h.feather",
    }
    files["three-line header"].write_text(multi)
    files["alpha vantage"].write_text(json.dumps(vantage))
    files["freqtrade lists"].write_bytes(gzip.compress(json.dumps(lists).encode()))
    klines.to_csv(files["klines"], index=False, header=False)
    plain.to_parquet(files["parquet"])
    plain.rename(columns={"timestamp": "date"}).to_feather(files["feather"])
    return files


STYLES = (
    "csv with offsets", "naive csv", "capital names and extras", "ibkr extras", "date and time of day", "three-line header",
    "alpha vantage", "freqtrade lists", "klines", "parquet", "feather",
)  # fmt: skip


def test_arrow_opens_parquet_files_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread of Arrow's holds a file that Python opened; a folder called like a partition adds no column."""
    folder = tmp_path / "symbol=MSFT"
    folder.mkdir()
    frame = pd.DataFrame({"timestamp": HOURS, **dict.fromkeys(OHLCV, 100.0)})
    frame.to_parquet(folder / "AAPL.parquet")
    monkeypatch.setattr("pandas.io.parquet.get_handle", None)
    assert list(fetch(folder / "AAPL.parquet").series) == ["AAPL"]


@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_the_same_bars(tmp_path: Path, style: str) -> None:
    """However they are written, they are the same seven bars of AAPL, the last one ending at the close."""
    for name in "abcdefghijkl":
        (tmp_path / name).mkdir()
    fetched = fetch(_styles(tmp_path)[style])
    assert list(fetched.series) == ["AAPL"]
    assert _ends(fetched, "AAPL") == [*(f"2025-03-07T{hour}:30:00Z" for hour in range(15, 21)), "2025-03-07T21:00:00Z"]
    np.testing.assert_allclose(fetched.series["AAPL"]["close"], 101 + np.arange(7))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Date,Open,High,Low,Close,Adj Close,Volume\n", "is empty"),
        ("", "can't be read|is empty"),
        ("date,AAPL,MSFT\n2025-03-07,1,2\n", "lacks open, high, low, close, volume"),
        ("Date,Open,High,Low,Close\n07/03/2025 09:30,1,1,1,1\n", "lacks volume"),
        ("open,high,low,close,volume\n1,1,1,1,1\n", "lacks a time stamp"),
        ("date,open,high,low,close,volume\nsoon,1,1,1,1,1\n", "time stamps"),
        ("date,open,high,low,close,volume\n03/07/2025 09:30,1,1,1,1,1\n", "can't be told apart"),
    ],
)
def test_what_is_not_ohlcv_is_refused_by_name(tmp_path: Path, content: str, words: str) -> None:
    """The sentence names the file and what is wrong; nothing is guessed."""
    (tmp_path / "odd.csv").write_text(content)
    with pytest.raises(NotOhlcv, match=rf"odd\.csv.*({words})"):
        fetch(tmp_path / "odd.csv")


@pytest.mark.parametrize("pattern", ["%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"])
def test_day_and_month_are_told_apart_by_a_number_above_twelve(tmp_path: Path, pattern: str) -> None:
    """14/03 and 03/14 are the same day; 07/03 alone would be refused."""
    hours = (MONDAY + pd.Timedelta("4D")).tz_localize(None)
    fetched = fetch(_as_csv(frame_of(hours.strftime(pattern)), tmp_path / "A_1h.csv"))
    assert _ends(fetched, "A")[0] == "2025-03-14T14:30:00Z"


def test_one_refused_file_refuses_the_folder(tmp_path: Path) -> None:
    """No file of a folder is skipped in silence."""
    _as_csv(frame_of(HOURS), tmp_path / "AAPL_1h.csv")
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(NotOhlcv, match=r"notes\.csv"):
        fetch(tmp_path)
    (tmp_path / "notes.csv").unlink()
    assert list(fetch(tmp_path).series) == ["AAPL"]


def test_no_file_is_said(tmp_path: Path) -> None:
    """A path to nothing, and a folder with nothing, are missing data."""
    with pytest.raises(NoBars, match="no file or folder"):
        fetch(tmp_path / "nowhere")
    with pytest.raises(NoBars, match="holds no file"):
        fetch(tmp_path)


def test_another_interval_is_refused(tmp_path: Path) -> None:
    """Five-minute bars are not hourly bars."""
    file = _as_csv(frame_of(pd.date_range("2025-03-07 14:30", periods=30, freq="5min", tz="UTC")), tmp_path / "A.csv")
    with pytest.raises(IntervalMismatch, match=r"A\.csv holds bars of 300 seconds"):
        fetch(file)


def test_dirty_rows_are_dropped_or_kept_aside_and_counted(tmp_path: Path) -> None:
    """Copies dropped; conflicts and impossible bars quarantined with the reason; nothing is lost uncounted."""
    good = frame_of([*HOURS, *MONDAY])
    bad = good.iloc[[3]].assign(low=-1.0)
    frame = pd.concat([good.drop(index=3), bad, good.iloc[[5]], good.iloc[[6]].assign(close=107.5)])
    fetched = fetch(_as_csv(frame, tmp_path / "A_1h.csv"))
    (row,) = fetched.report
    assert (row.rows, row.kept, row.duplicates, row.conflicts, row.impossible) == (16, 12, 1, 2, 1)
    assert row.missing == 2
    assert sorted(set(fetched.quarantine["reason"])) == ["low must be above 0", "other values for the same bar"]


def test_forming_off_grid_and_out_of_session_are_told_apart(tmp_path: Path) -> None:
    """Only closed bars of the grid inside a session are bars."""
    odd = pd.DatetimeIndex([*HOURS, HOURS[2] + pd.Timedelta("7min"), HOURS[6] + pd.Timedelta("2h"), *MONDAY])
    now = int(MONDAY[3].timestamp()) + 60
    (row,) = fetch(_as_csv(frame_of(odd), tmp_path / "A_1h.csv"), now=now).report
    assert (row.off_grid, row.out_of_session, row.forming) == (1, 1, 4)
    assert row.kept == 10


def test_half_days_and_clock_changes_are_the_calendars(tmp_path: Path) -> None:
    """On 2024-11-29 New York closed at 13:00; on 2025-03-10 it opened an hour earlier in UTC than on the Friday before."""
    half = pd.date_range("2024-11-29 09:30", periods=4, freq="h", tz="America/New_York")
    fetched = fetch(_as_csv(frame_of([*half, *HOURS, *MONDAY]), tmp_path / "A_1h.csv"))
    ends = _ends(fetched, "A")
    assert ends[3] == "2024-11-29T18:00:00Z"
    assert ends[4] == "2025-03-07T15:30:00Z"
    assert ends[11] == "2025-03-10T14:30:00Z"


def test_stamps_may_be_ends(tmp_path: Path) -> None:
    """`stamp: end` reads the same bars from their ends, and the report says how stamps were read."""
    ends = pd.DatetimeIndex([*(HOURS[1:]), HOURS[-1] + pd.Timedelta("30min")])
    fetched = fetch(_as_csv(frame_of(ends), tmp_path / "A_1h.csv"), stamp="end")
    assert _ends(fetched, "A")[-1] == "2025-03-07T21:00:00Z"
    assert fetched.report[0].stamps.endswith("bar end")


def test_two_grids_are_refused_with_the_symbols_of_each(tmp_path: Path) -> None:
    """09:30, 10:30 and 09:30, 10:00 can't share a time axis; one grid can be chosen."""
    clock = pd.DatetimeIndex([HOURS[0], *(HOURS[:6] + pd.Timedelta("30min"))])
    _as_csv(frame_of(HOURS), tmp_path / "YHOO_1h.csv")
    _as_csv(frame_of(clock), tmp_path / "IBKR_1h.csv")
    with pytest.raises(MixedGrid, match=r"session grid \(YHOO\).*clock grid \(IBKR\)"):
        fetch(tmp_path)
    assert fetch(tmp_path, "XNYS", "1h", "IBKR").timetable.grid == "clock"
    assert fetch(tmp_path, grid="session").report[0].off_grid == 6


def test_unadjusted_splits_are_adjusted_by_the_files_own_coefficients_or_noted(tmp_path: Path) -> None:
    """With split_coefficient the prices before are divided by it; without, the jump is told."""
    days = pd.bdate_range("2025-03-03", periods=6)
    price = np.array([100.0, 100, 100, 20, 20, 20])
    flat = {"open": price, "high": price, "low": price, "close": price}
    extra = {"adjusted_close": 20.0, "split_coefficient": [1, 1, 1, 5, 1, 1]}
    adjusted = fetch(_as_csv(frame_of(days, **flat, **extra), tmp_path / "A.csv"), "XNYS", "1d")
    np.testing.assert_allclose(adjusted.series["A"]["close"], 20.0)
    np.testing.assert_allclose(adjusted.series["A"]["volume"], [5000.0] * 3 + [1000.0] * 3)
    raw = fetch(_as_csv(frame_of(days, **flat), tmp_path / "B.csv"), "XNYS", "1d")
    assert raw.report[0].jumps == 1
    assert "split" in raw.notes[0]


SAMPLES = {
    "alphavantage_60min_ADBE.json": ("XNYS", "1h", "ADBE", 138),
    "alphavantage_60min_renamed_keys_merged.head.jsonl": ("XNYS", "1h", "ABNB", 137),
    "alphavantage_daily_ADBE.json": ("XNYS", "1d", "ADBE", 100),
    "alphavantage_daily_adjusted_split_TSLA.excerpt.csv": ("XNYS", "1d", "TSLA", 349),
    "binance_1h_local_offsets_BTCUSDT_1h.head.csv": ("24/7", "1h", "BTCUSDT", 1199),
    "binance_klines_noheader_epochms_ADABTC-1m-2021-11-27.csv": ("24/7", "1m", "ADABTC", 10),
    "empty_VVAR3.SA.csv": ("BVMF", "1d", "", "is empty"),
    "freqtrade_UNITTEST_BTC-8m.json.gz": ("24/7", "1m", "BTC", 13681),
    "freqtrade_XRP_USDT_USDT-1h-futures.feather": ("24/7", "1h", "XRP", 100),
    "freqtrade_XRP_USDT_USDT-1h-futures.json.gz": ("24/7", "1h", "XRP", 100),
    "ibkr_1h_AAPL_1h.head.csv": ("XNYS", "1h", "AAPL", 1199),
    "ibkr_5m_NVDA_5m.head.csv": ("XNYS", "5m", "NVDA", 1499),
    "minute_date_tod_DISCK_duplicate_block.excerpt.csv": ("XNYS", "1m", "DISCK", 288),
    "ndx_close_wide_ndx_prices.head.csv": ("XNYS", "1d", "", "lacks open"),
    "not_ohlcv_wide_forecasts_AAPL_1h.csv": ("XNYS", "1h", "", "not OHLCV"),
    "perp_1m_naive_timestamps.head.csv": ("24/7", "1m", "BTC", 999),
    "reencoded_yfinance_multiheader_COST_1h.csv": ("XNYS", "1h", "COST", 300),
    "reencoded_yfinance_multiticker_wide_1h.csv": ("XNYS", "1h", "PEP", 203),
    "winfut_5m_ddmmyyyy_no_volume.head.csv": ("BVMF", "5m", "", "lacks volume"),
    "yahoo_daily_PCAR3.SA.head.csv": ("BVMF", "1d", "PCAR3.SA", 118),
    "yahoo_daily_adjclose_PETR4.SA.head.csv": ("BVMF", "1d", "PETR4.SA", 590),
    "yfinance_1d_AAPL_1d.csv": ("XNYS", "1d", "AAPL", 251),
    "yfinance_1h_exthours_COST_1h.csv": ("XNYS", "1h", "COST", 445),
    "yfinance_1h_futures_NQ_F_1h.csv": ("CMES", "1h", "NQ=F", 1466),
    "yfinance_1h_fx_EURUSD_X_1h.head.csv": ("24/7", "1h", "EURUSD=X", 299),
    "yfinance_1h_offsets_AMD_1h.head.csv": ("XNYS", "1h", "AMD", 1199),
    "yfinance_5m_oneday_AAPL_5m.csv": ("XNYS", "5m", "AAPL", 78),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_published_files_are_read_right_or_refused(shared_data: Path, name: str) -> None:
    """Files as vendors publish them: the bars kept, or the word of the refusal."""
    calendar, interval, symbol, expected = SAMPLES[name]
    file = shared_data / "raw-samples" / name
    if isinstance(expected, str):
        with pytest.raises(NotOhlcv, match=expected) as caught:
            fetch(file, calendar, interval)
        assert name in str(caught.value)
        return
    fetched = fetch(file, calendar, interval, symbol)
    assert len(fetched.series[symbol]["bar_end"]) == expected


def test_every_sample_is_in_the_table(shared_data: Path) -> None:
    """No published style goes untested."""
    assert {file.name for file in (shared_data / "raw-samples").iterdir()} == set(SAMPLES)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "calendar", "interval", "kept"),
    [
        ("us-1h-aligned", "XNYS", "1h", 76_931),
        ("crypto-1h", "24/7", "1h", 575_232),
        ("us-daily", "XNYS", "1d", None),
        ("kr-1h", "XKRX", "1h", None),
    ],
)
def test_real_sets_are_read_whole(shared_data: Path, name: str, calendar: str, interval: str, kept: int | None) -> None:
    """Every row is kept, or counted with the reason."""
    fetched = fetch(shared_data / name / "bars.parquet", calendar, interval)
    for row in fetched.report:
        lost = row.duplicates + row.conflicts + row.impossible + row.off_grid + row.out_of_session + row.forming
        assert row.kept + lost == row.rows
    if kept is not None:
        assert sum(row.kept for row in fetched.report) == kept


def test_the_real_mixed_grid_is_refused_by_name(shared_data: Path) -> None:
    """us-1h mixes two vendors' grids: refused with the symbols of each, and readable grid by grid."""
    file = shared_data / "us-1h" / "bars.parquet"
    with pytest.raises(MixedGrid, match=r"AMD.*AAPL"):
        fetch(file)
    assert fetch(file, "XNYS", "1h", "AAPL", "QQQ").timetable.grid == "clock"


def test_real_holidays_are_no_sessions(shared_data: Path) -> None:
    """The feed's flat bars on Brazilian holidays are dropped by the calendar."""
    fetched = fetch(shared_data / "br-daily" / "bars.parquet", "BVMF", "1d")
    assert sum(row.out_of_session for row in fetched.report) > 300
