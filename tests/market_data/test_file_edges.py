"""Files that are nearly right: each is read right or refused with a sentence, and none is read wrong in silence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from market_master.domain.clock import iso
from market_master.domain.errors import ConfigError, IntervalMismatch, MarketMasterError, NotOhlcv
from market_master.market_data.providers import FetchResult, Query
from market_master.market_data.providers.files import Files

HEADER = "date,open,high,low,close,volume\n"
NOW = 1_800_000_000


def fetch(path: Path, calendar: str = "XNYS", interval: str = "1d", *symbols: str, **options: Any) -> FetchResult:
    """What the provider makes of a file."""
    return Files(path, **options).fetch(Query(symbols, calendar, interval, NOW))


def write(file: Path, content: str | bytes) -> Path:
    """A file with a content."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def days(**changes: Any) -> pd.DataFrame:
    """Six valid daily bars."""
    prices = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.0, "volume": 1000.0}
    return pd.DataFrame({"date": pd.bdate_range("2025-03-03", periods=6), **prices, **changes})


def test_a_split_touches_its_own_symbol_only(tmp_path: Path) -> None:
    """In a long table of many symbols each is adjusted by its own coefficients, whatever the order of rows."""
    split = days(symbol="A", adjusted_close=1.0, split_coefficient=[1, 1, 1, 4, 1, 2])
    whole = days(symbol="B", adjusted_close=1.0, split_coefficient=1.0)
    frame = pd.concat([whole, split]).sample(frac=1, random_state=7)
    frame.to_parquet(tmp_path / "bars.parquet")
    fetched = fetch(tmp_path / "bars.parquet")
    np.testing.assert_allclose(fetched.series["A"]["close"], [12.5, 12.5, 12.5, 50, 50, 100])
    np.testing.assert_allclose(fetched.series["A"]["volume"], [8000, 8000, 8000, 2000, 2000, 1000])
    np.testing.assert_allclose(fetched.series["B"]["close"], 100)
    assert any("A 2025-03-06 (4:1), A 2025-03-10 (2:1)" in note for note in fetched.notes)


def test_real_unadjusted_prices_are_adjusted(shared_data: Path) -> None:
    """30 splits in 97 symbols: Apple's 7:1 and 4:1 leave no jump, and the feed's own error of GOOGL is reported."""
    fetched = fetch(shared_data / "us-daily-2010-2021" / "bars.parquet")
    jumps = {row.symbol: row.jumps for row in fetched.report if row.jumps}
    assert fetched.series["AAPL"]["close"][0] == pytest.approx(214.01 / 28, rel=1e-4)
    assert "AAPL" not in jumps
    assert jumps["GOOGL"] == 1
    assert sum(jumps.values()) < 12


def test_a_split_in_another_file_counts(tmp_path: Path) -> None:
    """A symbol's years in two files are one series: the second file's split adjusts the first file's prices."""
    frame = days(adjusted_close=1.0, split_coefficient=[1, 1, 1, 1, 2, 1])
    frame.iloc[:3].to_csv(tmp_path / "A_1d.csv", index=False)
    (tmp_path / "more").mkdir()
    frame.iloc[3:].to_csv(tmp_path / "more" / "A_1d.csv", index=False)
    np.testing.assert_allclose(fetch(tmp_path).series["A"]["close"], [50, 50, 50, 50, 100, 100])


def test_adjusted_close_does_not_replace_close(tmp_path: Path) -> None:
    """Classic Yahoo: prices are split-adjusted already, and stay as they are; Adj Close is not mixed in."""
    days().rename(columns=str.title).assign(**{"Adj Close": 5.0}).to_csv(tmp_path / "A.csv", index=False)
    np.testing.assert_array_equal(fetch(tmp_path / "A.csv").series["A"]["close"], 100)


def test_two_files_of_a_symbol_are_one_series(tmp_path: Path) -> None:
    """What both hold is a copy; where they differ, both rows go to quarantine."""
    days().iloc[:4].to_csv(tmp_path / "A_1d.csv", index=False)
    (tmp_path / "b").mkdir()
    days(close=[100, 100, 100.5, 100, 100, 100]).iloc[2:].to_csv(tmp_path / "b" / "A_1d.csv", index=False)
    (row,) = fetch(tmp_path).report
    assert (row.rows, row.kept, row.duplicates, row.conflicts) == (8, 5, 1, 2)


@pytest.mark.parametrize(
    ("stamps", "options", "ends"),
    [
        (["2025-03-03", "2025-03-04"], {}, ["03-03T21:00", "03-04T21:00"]),
        (["20250303", "20250304"], {}, ["03-03T21:00", "03-04T21:00"]),
        (["2025-03-03 00:00:00-05:00", "2025-03-10 00:00:00-04:00"], {}, ["03-03T21:00", "03-10T20:00"]),
        (["2025-03-03 05:00:00+00:00", "2025-03-10 04:00:00+00:00"], {}, ["03-03T21:00", "03-10T20:00"]),
        (["2025-03-03T21:00:00Z", "2025-03-10T20:00:00Z"], {"stamp": "end"}, ["03-03T21:00", "03-10T20:00"]),
        (["03/13/2025", "03/14/2025"], {}, ["03-13T20:00", "03-14T20:00"]),
        (["13/03/2025", "14/03/2025"], {}, ["03-13T20:00", "03-14T20:00"]),
        (["1740960000000", "1741046400000"], {}, ["03-03T21:00", "03-04T21:00"]),
        (["1740960000", "1741046400"], {}, ["03-03T21:00", "03-04T21:00"]),
    ],
)
def test_a_daily_stamp_is_its_session(tmp_path: Path, stamps: list[str], options: Any, ends: list[str]) -> None:
    """However a day is written, in its own zone or in UTC, the bar ends at that session's close."""
    file = write(tmp_path / "A.csv", HEADER + "".join(f"{stamp},1,1,1,1,1\n" for stamp in stamps))
    assert [iso(end)[5:16] for end in fetch(file, **options).series["A"]["bar_end"]] == ends


@pytest.mark.parametrize(
    ("stamp", "calendar", "options", "end", "told"),
    [
        ("2025-03-03 09:30", "XNYS", {}, "15:30", "America/New_York (assumed: the calendar's), bar start"),
        ("2025-03-03 15:30", "XNYS", {"timezone": "Europe/Paris"}, "15:30", "Europe/Paris (given), bar start"),
        ("2025-03-03T14:30:00.000000Z", "XNYS", {}, "15:30", "offset in the file, bar start"),
        ("2025-03-03 14:30:00 UTC", "XNYS", {}, "15:30", "offset in the file, bar start"),
        ("2025-03-03 09:30-05:00", "XNYS", {}, "15:30", "offset in the file, bar start"),
        ("2025/03/03 09:30", "XNYS", {}, "15:30", "America/New_York (assumed: the calendar's), bar start"),
        ("20250303 09:30:00", "XNYS", {}, "15:30", "America/New_York (assumed: the calendar's), bar start"),
        ("1741012200", "XNYS", {}, "15:30", "s since 1970, bar start"),
        ("1741012200000000", "XNYS", {}, "15:30", "us since 1970, bar start"),
        ("2025-03-03 09:30", "XHKG", {}, "02:30", "Asia/Hong_Kong (assumed: the calendar's), bar start"),
        ("2025-03-03 10:00", "24/7", {}, "11:00", "UTC (assumed: the calendar's), bar start"),
        ("28/03/2025 09:30", "XNYS", {}, "14:30", "America/New_York (assumed: the calendar's), bar start"),
    ],
)
def test_an_hours_stamp_is_one_instant(
    tmp_path: Path, stamp: str, calendar: str, options: Any, end: str, told: str
) -> None:
    """A stamp's own offset holds; without one it is the zone given, else the calendar's, and the report says which."""
    fetched = fetch(write(tmp_path / "A.csv", f"{HEADER}{stamp},1,1,1,1,1\n"), calendar, "1h", **options)
    assert iso(fetched.series["A"]["bar_end"][0])[11:16] == end
    assert fetched.report[0].stamps == told


def test_an_hour_the_clock_showed_twice_is_kept_aside(tmp_path: Path) -> None:
    """01:30 on the night Berlin's clocks go back is two instants: neither is guessed."""
    night = [f"2024-10-27 {hour:02d}:00,1,1,1,1,1\n" for hour in (0, 1, 2, 2, 3, 4, 5)]
    (row,) = fetch(write(tmp_path / "A.csv", HEADER + "".join(night)), "24/7", "1h", timezone="Europe/Berlin").report
    assert (row.kept, row.impossible) == (5, 2)


def test_a_column_of_ends_is_not_read_as_starts(tmp_path: Path) -> None:
    """Binance has both: open_time is taken for starts and close_time for ends, and the bars are the same."""
    text = "open_time,open,high,low,close,volume,close_time\n"
    text += "2025-03-03 10:00:00+03:00,1,1,1,1,1,2025-03-03 10:59:59.999000+03:00\n"
    both = write(tmp_path / "A.csv", text)
    starts, ends = (fetch(both, "24/7", "1h", stamp=stamp).series["A"]["bar_end"] for stamp in ("start", "end"))
    np.testing.assert_array_equal(starts, ends)
    only = write(tmp_path / "B.csv", text.replace("open_time", "close_time", 1).replace(",close_time\n", ",x\n"))
    with pytest.raises(NotOhlcv, match=r"bar ends; set provider\.stamp to end"):
        fetch(only, "24/7", "1h")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("A.csv", "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<VOL>\n2025.03.03\t09:30:00\t1\t1\t1\t1\t1\n"),
        ("A.csv", "Date;Open;High;Low;Close;Volume\n2025-03-03 09:30;1;1;1;1;1\n"),
        ("A.csv", "\ufeffDate,Open,High,Low,Close,Volume\r\n2025-03-03 09:30,1,1,1,1,1\r\n"),
        ("A.csv", ",Open,High,Low,Close,Volume\n2025-03-03 09:30,1,1,1,1,1\n"),
        ("A-1h.csv", "1741012200000,1,1,1,1,1\n"),
        ("A.json", json.dumps([{"t": 1741012200, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}])),
        ("A.jsonl", '{"timestamp":"2025-03-03T14:30:00Z","open":1,"high":1,"low":1,"close":1,"volume":1}\n'),
        ("A.json", json.dumps([[1741012200000, "1", "1", "1", "1", "1", 1741015799999, "0", 1, "0", "0", "0"]])),
        ("A.json.gz", gzip.compress(json.dumps([[1741012200000, 1, 1, 1, 1, 1]]).encode(), mtime=0)),
        ("A.csv.gz", gzip.compress((HEADER + "2025-03-03 09:30,1,1,1,1,1\n").encode(), mtime=0)),
    ],
)  # fmt: skip
def test_other_layouts_are_read(tmp_path: Path, name: str, content: str | bytes) -> None:
    """MetaTrader, semicolons, a byte order mark, an unnamed index, rows without names, records, lines, gzip."""
    fetched = fetch(write(tmp_path / name, content), "XNYS", "1h")
    assert [iso(end) for end in fetched.series["A"]["bar_end"]] == ["2025-03-03T15:30:00Z"]


def test_a_symbol_called_na_is_a_symbol(tmp_path: Path) -> None:
    """NA and TRUE are listed companies, no missing value and no truth."""
    text = "symbol," + HEADER + "NA,2025-03-03,1,1,1,1,1\nTRUE,2025-03-03,1,1,1,1,1\n"
    assert set(fetch(write(tmp_path / "bars.csv", text)).series) == {"NA", "TRUE"}


def test_numbers_that_are_none_are_kept_aside_not_guessed(tmp_path: Path) -> None:
    """A row of `null`, as Yahoo writes it, is quarantined; the others stay."""
    text = HEADER + "2025-03-03,1,1,1,1,1\n2025-03-04,null,null,null,null,null\n2025-03-05,1,1,1,1,-\n"
    (row,) = fetch(write(tmp_path / "A.csv", text)).report
    assert (row.kept, row.impossible) == (1, 2)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("A.csv", HEADER + "2025-03-03,x,1,1,1,1\n", "open holds no numbers but 'x'"),
        ("A.csv", "1,2,3,4,5,6,7\n", "no header"),
        ("A.csv", "date,open,high,low,close,Close,volume\n2025-03-03,1,1,1,1,1,1\n", "more than one column for close"),
        ("A.csv", HEADER + "2025-03-03 09:30:00Z,1,1,1,1,1\n2025-03-04 09:30:00,1,1,1,1,1\n", "1 of its 2 time stamps"),
        ("A.csv", "symbol," + HEADER + ",2025-03-03,1,1,1,1,1\n", "have no symbol"),
        ("A.csv", HEADER + "2025-03-03,1,1,1,1,1\n2025-03-04,1,1,1,1,1,2,3\n", "can't be read"),
        ("A.csv", b"\xff\xfe\x00binary", "can't be read"),
        ("A.parquet", b"no parquet", "can't be read"),
        ("A.feather", b"no feather", "can't be read"),
        ("A.json.gz", b"no gzip", "can't be read"),
        ("A.json", "{broken", "can't be read"),
        ("A.json", '{"Information": "rate limit reached"}', "rate limit reached"),
        ("A.json", "[]", "empty"),
        ("A.json", "[1, 2]", "neither records nor lists"),
        ("A.json", "7", "neither records nor lists"),
        ("A.jsonl", "\n", "empty"),
        ("A.txt", "what", "none of the kinds"),
    ],
)
def test_what_is_not_ohlcv_is_refused_with_a_sentence(
    tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    """Damaged, doubled, nameless, or something else altogether: the file is named, and what is wrong with it."""
    with pytest.raises(NotOhlcv, match=words) as caught:
        fetch(write(tmp_path / name, content))
    assert name in str(caught.value)


def test_a_folder_tells_all_it_refuses_before_anything_else(tmp_path: Path) -> None:
    """Ten refused files are named and the rest counted, before any interval is looked at; other kinds are noted."""
    for number in range(12):
        write(tmp_path / f"bad{number:02d}.csv", "a,b\n1,2\n")
    hours = pd.date_range("2025-03-03 14:30", periods=6, freq="h").astype(str)
    write(tmp_path / "HOUR.csv", HEADER + "".join(f"{hour}Z,1,1,1,1,1\n" for hour in hours))
    with pytest.raises(NotOhlcv, match=r"bad00\.csv.*bad09\.csv.* and 2 more") as caught:
        fetch(tmp_path)
    assert len(caught.value.numbers["files"]) == 12
    for bad in tmp_path.glob("bad*"):
        bad.unlink()
    with pytest.raises(IntervalMismatch, match=r"HOUR\.csv holds bars of 3600 seconds .*1d bars are asked for"):
        fetch(tmp_path)
    write(tmp_path / "HOUR.csv", HEADER + "2025-03-03,1,1,1,1,1\n")
    write(tmp_path / "README.md", "what this is")
    assert any("README.md" in note for note in fetch(tmp_path).notes)


def test_few_bars_tell_no_interval_and_gaps_do_not_change_it(tmp_path: Path) -> None:
    """Friday and Monday are daily bars; a thin market's minutes are minutes; a week is no day."""
    assert (
        len(
            fetch(write(tmp_path / "A.csv", HEADER + "2025-03-07,1,1,1,1,1\n2025-03-10,1,1,1,1,1\n")).series["A"][
                "open"
            ]
        )
        == 2
    )
    minutes = [0, 1, 2, 9, 17, 30, 31, 44, 58, 59]
    thin = "".join(f"2025-03-03 10:{minute:02d},1,1,1,1,1\n" for minute in minutes)
    assert fetch(write(tmp_path / "B.csv", HEADER + thin), "XNYS", "1m").report[0].kept == len(minutes)
    weeks = "".join(f"{day:%Y-%m-%d},1,1,1,1,1\n" for day in pd.date_range("2025-01-06", periods=9, freq="7D"))
    with pytest.raises(IntervalMismatch, match="7d"):
        fetch(write(tmp_path / "C.csv", HEADER + weeks))


def test_a_wide_table_gives_a_ticker_its_own_bars(tmp_path: Path) -> None:
    """yfinance's many tickers, in either order of its two lines of names, with a bar only one of them has."""
    fields = ["Open", "High", "Low", "Close", "Volume"]
    index = pd.DatetimeIndex(["2025-03-03", "2025-03-04", "2025-03-05"], name="Date")
    for order in (["Price", "Ticker"], ["Ticker", "Price"]):
        pairs = [
            (field, ticker) if order[0] == "Price" else (ticker, field) for ticker in ("X", "Y") for field in fields
        ]
        wide = pd.DataFrame(1.0, index=index, columns=pd.MultiIndex.from_tuples(pairs, names=order))
        wide.loc["2025-03-04", [pair for pair in pairs if "Y" in pair]] = np.nan
        wide.to_csv(tmp_path / "wide.csv")
        wide.to_parquet(tmp_path / "wide.parquet")
        for name in ("wide.csv", "wide.parquet"):
            fetched = fetch(tmp_path / name)
            assert [(row.symbol, row.kept, row.impossible) for row in fetched.report] == [("X", 3, 0), ("Y", 2, 0)]


def test_a_zone_that_is_none_is_a_setting_that_can_not_be_used(tmp_path: Path) -> None:
    """A wrong provider.timezone, or calendar, is a sentence on the setting."""
    file = write(tmp_path / "A.csv", HEADER + "2025-03-03,1,1,1,1,1\n")
    with pytest.raises(ConfigError, match=r"'New York' is no time zone; provider\.timezone"):
        fetch(file, timezone="New York")
    with pytest.raises(ConfigError, match="XNOWHERE"):
        fetch(file, "XNOWHERE")


def test_the_path_is_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another path is another source; the same one, written relative or absolute, is the same."""
    monkeypatch.chdir(tmp_path)
    assert Files(Path("a.csv")).source == Files(tmp_path / "a.csv").source != Files(tmp_path / "b.csv").source
    assert len(Files(Path("a.csv")).source) == len("files-") + 8


def test_no_content_crashes_the_reader(tmp_path: Path) -> None:
    """Whatever the bytes, the answer is bars or a refusal of ours: a good file cut, spliced and scrambled."""
    rng = np.random.default_rng(7)
    text = days().to_csv(index=False).encode()
    lists = json.dumps([[1741012200000 + 86_400_000 * day, 1, 1, 1, 1, 1] for day in range(6)]).encode()
    answers = []
    for number in range(300):
        content = bytearray(text if number % 2 else lists)
        for _ in range(int(rng.integers(1, 6))):
            at = int(rng.integers(0, len(content)))
            content[at : at + int(rng.integers(0, 9))] = bytes(rng.choice(list(b'0,;"[]{}-:\n\t\x00\xffaN'), 3))
        file = write(tmp_path / ("A.csv" if number % 2 else "A.json"), bytes(content))
        try:
            answers.append(f"{len(fetch(file, '24/7').series['A']['close'])} bars")
        except MarketMasterError as error:
            answers.append(str(error))
    assert all(answers)
    assert 10 < sum(answer.endswith(" bars") for answer in answers) < 290
