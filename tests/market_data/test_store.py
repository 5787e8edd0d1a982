"""A bar once written never changes, whoever writes, whatever breaks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from api.errors import http_status
from market_master import files
from market_master.domain.bars import OHLCV, Bars
from market_master.domain.calendar import Timetable
from market_master.domain.clock import iso
from market_master.domain.errors import DataError, MixedGrid, NoBars, NotWritten, UnknownSymbol
from market_master.files import write_atomic
from market_master.market_data import store
from market_master.market_data.store import AppendResult, Store
from market_master.market_data.store.recent import RECENT_FILE
from tests.support.concurrency import race
from tests.support.random_bars import changed, random_bars

ODD = ("BRK.B", "NQ=F", "BTC/USDT", "^VIX", "005930.KS", "A B%2F", "ÖL")


def all_of(bars: Bars) -> dict[str, dict[str, np.ndarray]]:
    """Every symbol's series."""
    return {symbol: bars.series(symbol) for symbol in bars.symbols}


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its bytes and the time it was written; locks, and the newest bars kept apart, left out."""
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.endswith((".lock", RECENT_FILE))
    }


@pytest.fixture
def bars() -> Bars:
    """Three symbols with holes."""
    return random_bars(1, symbols=3, sessions=6, missing=0.1)


@pytest.fixture
def kept(home: Path) -> Store:
    """An empty store."""
    return Store(home / "data", "files", "1h")


def test_what_was_appended_is_what_is_read(kept, bars) -> None:
    """The same symbols, bars and values, to the last bit, on the same timetable."""
    assert kept.append(bars.timetable, all_of(bars)) == AppendResult(added=len(bars), known=0, conflicts=0)
    read = kept.bars()
    assert (read.timetable, read.symbols, kept.symbols()) == (bars.timetable, bars.symbols, bars.symbols)
    assert all(np.array_equal(getattr(read, name), getattr(bars, name)) for name in ("code", "bar_end", *OHLCV))
    assert kept.folder.relative_to(kept.root) == Path("bars/files/1h")
    assert store.stores(kept.root) == [kept]
    assert kept.holdings()[0] == {
        "symbol": "S1",
        "bars": len(bars.series("S1")["close"]),
        "first": iso(bars.series("S1")["bar_end"][0]),
        "last": iso(bars.series("S1")["bar_end"][-1]),
    }


def test_arrow_opens_the_files_itself(kept, bars, monkeypatch) -> None:
    """An Arrow thread that lets go of Python's file while the interpreter ends aborts it: `mm data list` did, once in 40."""
    kept.append(bars.timetable, all_of(bars))
    monkeypatch.setattr("pandas.io.parquet.get_handle", None)
    assert np.array_equal(kept.bars().close, bars.close)


def test_the_same_bars_again_change_nothing(kept, bars) -> None:
    """A re-fetch leaves every file as it was: bytes and time of writing."""
    kept.append(bars.timetable, all_of(bars))
    before = contents(kept.root)
    assert kept.append(bars.timetable, all_of(bars)) == AppendResult(added=0, known=len(bars), conflicts=0)
    assert kept.append(bars.timetable, all_of(bars.tail(3))) == AppendResult(added=0, known=9, conflicts=0)
    assert contents(kept.root) == before


def test_new_bars_are_added_wherever_they_belong(kept, bars) -> None:
    """Bars before, between and after the stored ones come to lie in order of time; in any order it is one store."""
    third = np.arange(len(bars)) % 3
    for part in (2, 0, 1):
        kept.append(bars.timetable, all_of(bars.take(third == part)))
    other = Store(kept.root, "other", "1h")
    other.append(bars.timetable, all_of(bars))
    for symbol in bars.symbols:
        assert np.array_equal(kept.bars((symbol,)).bar_end, bars.series(symbol)["bar_end"])
        assert np.array_equal(kept.bars((symbol,)).close, other.bars((symbol,)).close)


def test_a_bar_that_contradicts_is_kept_aside_and_the_stored_one_stays(kept, bars) -> None:
    """It is counted, lies in quarantine with the reason, once; the new bars beside it are added."""
    kept.append(bars.timetable, all_of(bars.take(bars.session < bars.session.max())))
    before = kept.bars()
    wrong = changed(bars, np.array([2]), close=bars.close[2] * 1.001, high=bars.high[2] * 1.01)
    new = int((bars.session == bars.session.max()).sum())
    assert kept.append(wrong.timetable, all_of(wrong)) == AppendResult(new, len(bars) - new - 1, 1)
    assert np.array_equal(kept.bars(until=before.newest).close, before.close)
    aside = kept.root / "quarantine" / "files" / "1h.csv"
    rows = pd.read_csv(aside)
    assert rows[["symbol", "bar_end", "reason"]].to_numpy().tolist() == [
        ["S1", bars.bar_end[2], "differs from the stored bar"]
    ]
    assert rows["close"].tolist() == pytest.approx([bars.close[2] * 1.001])
    once = contents(kept.root)
    assert kept.append(wrong.timetable, all_of(wrong)).conflicts == 1
    assert contents(kept.root) == once
    other = changed(wrong, np.array([3]), volume=1.0).take(np.array([3])).series("S1")
    assert kept.append(wrong.timetable, {"S1": other}) == AppendResult(added=0, known=0, conflicts=1)
    assert len(pd.read_csv(aside)) == 2


def test_quarantine_loses_no_row_whatever_columns_come_together(kept, bars) -> None:
    """A provider's rows have a stamp, the store's a bar_end: rows that differ in either are different rows."""
    silent = {
        "symbol": "S1",
        "open": -1.0,
        "high": -1.0,
        "low": -1.0,
        "close": -1.0,
        "volume": 0.0,
        "reason": "below 0",
    }
    provided = pd.DataFrame([{**silent, "stamp": "2024-01-02"}, {**silent, "stamp": "2024-01-03"}])
    file = kept.quarantine(provided)
    assert file
    kept.append(bars.timetable, all_of(bars))
    kept.append(bars.timetable, all_of(changed(bars, np.array([2]), volume=1.0)))
    for _ in range(2):
        kept.quarantine(provided)
        rows = pd.read_csv(file, dtype=str, keep_default_na=False)
        assert rows["stamp"].tolist() == ["2024-01-02", "2024-01-03", ""]
        assert rows["bar_end"].tolist() == ["", "", str(bars.bar_end[2])]
    assert kept.quarantine(provided.iloc[:0]) is None


def test_a_write_that_breaks_leaves_the_old_content_and_no_part(kept, bars, monkeypatch) -> None:
    """A full disk or a kill in the middle: readers see the bars of before, and the next append completes the work."""
    kept.append(bars.timetable, all_of(bars.take(bars.slot < 3)))
    before = contents(kept.root)

    def full(_: int) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(NotWritten, match="no space"):
            kept.append(bars.timetable, all_of(bars))
    assert contents(kept.root) == before
    kept.append(bars.timetable, all_of(bars))
    assert len(kept.bars()) == len(bars)


def test_a_first_write_that_breaks_leaves_no_file(home, monkeypatch) -> None:
    """There is no half-written file under the final name, nor a part beside it."""
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_atomic(home / "deep" / "x.json", b"{}")
    assert list((home / "deep").iterdir()) == []


@pytest.mark.parametrize("symbol", ODD)
def test_a_symbol_may_be_written_in_any_way(kept, bars, symbol) -> None:
    """Dots, slashes, carets and letters of any script come back as they went in, and stay in the folder."""
    series = {symbol: bars.series("S1")}
    kept.append(bars.timetable, series)
    assert kept.symbols() == kept.bars((symbol,)).symbols == (symbol,)
    assert [file.parent for file in kept.root.rglob("*.parquet")] == [kept.folder]
    assert kept.append(bars.timetable, series).added == 0


def test_two_grids_do_not_share_a_store(kept, bars) -> None:
    """Bars of another grid or calendar are refused before anything is written; another interval is another store."""
    kept.append(bars.timetable, all_of(bars))
    before = contents(kept.root)
    for other in (Timetable("XNYS", "1h", "clock"), Timetable("24/7", "1h")):
        with pytest.raises(MixedGrid, match=r"can't share one series.*Move"):
            kept.append(other, all_of(bars))
    assert contents(kept.root) == before
    assert Store(kept.root, "files", "5m").symbols() == ()


def test_an_empty_store_says_so(kept) -> None:
    """No bars is an error with a remedy; no symbols and no holdings are empty lists."""
    assert kept.symbols() == ()
    assert kept.holdings() == []
    assert store.stores(kept.root) == []
    for ask in (kept.bars, kept.timetable):
        with pytest.raises(NoBars, match=r"no 1h bars of 'files'; run the pipeline"):
            ask()


def test_an_unknown_symbol_is_refused_with_what_there_is(kept, bars) -> None:
    """404 with the name and the number of symbols, also beside known ones."""
    kept.append(bars.timetable, all_of(bars))
    with pytest.raises(UnknownSymbol, match=r"'GONE'; it has 3 symbols") as caught:
        kept.bars(("S1", "GONE"))
    assert isinstance(caught.value, DataError)
    assert (http_status(caught.value), caught.value.numbers) == (404, {"symbol": "GONE", "known": 3})


def test_last_and_until_are_cut_as_bars_are(kept, bars) -> None:
    """A window from the store is the same as the window of all bars: first until, then each symbol's last."""
    kept.append(bars.timetable, all_of(bars))
    moment = int(np.unique(bars.bar_end)[20])
    for last, until in ((None, moment), (4, None), (4, moment), (4, moment - 1)):
        wanted = bars if until is None else bars.until(until)
        wanted = wanted if last is None else wanted.tail(last)
        found = kept.bars(last=last, until=until)
        assert np.array_equal(found.bar_end, wanted.bar_end)
        assert np.array_equal(found.close, wanted.close)
    assert kept.bars(("S3", "S1"), last=2).symbols == ("S1", "S3")
    with pytest.raises(NoBars):
        kept.bars(until=int(bars.bar_end.min()) - 1)


def test_two_processes_that_append_at_once_lose_nothing(kept, bars) -> None:
    """Each writes every second bar of the same symbols in twenty appends; all bars are there, once."""
    whole = bars.take(bars.code == 0)
    race(
        "import numpy as np\nfrom pathlib import Path\nfrom tests.support.random_bars import random_bars\n"
        "from market_master.market_data.store import Store",
        "bars = random_bars(1, symbols=3, sessions=6, missing=0.1)\n"
        "bars = bars.take(bars.code == 0)\n"
        "store, half = Store(Path(sys.argv[1]), 'files', '1h'), int(sys.argv[2])\n"
        "for rows in np.array_split(np.arange(half, len(bars), 2), 20):\n"
        "    if len(rows): store.append(bars.timetable, {'S1': bars.take(rows).series('S1')})\n",
        [(kept.root, "0"), (kept.root, "1")],
    )
    assert np.array_equal(kept.bars().bar_end, whole.bar_end)
    assert np.array_equal(kept.bars().close, whole.close)
    assert list(kept.folder.glob("*.part")) == []


def test_the_newest_bars_are_one_file_that_follows_the_store(kept, bars) -> None:
    """What a server keeps in memory is what the Parquet files end with, for each symbol, after every append."""
    with pytest.raises(NoBars):
        kept.recent()
    kept.append(bars.timetable, all_of(bars.take(bars.slot < 3)))
    before = kept.recent()
    kept.append(bars.timetable, all_of(bars))
    assert kept.recent(before) is not before
    whole, recent = kept.bars(last=60), kept.recent()
    assert recent.symbols() == kept.symbols()
    np.testing.assert_array_equal(recent.bars(last=60).close, whole.close)
    instant = int(whole.bar_end[-3])
    np.testing.assert_array_equal(recent.bars(last=5, until=instant).bar_end, kept.bars(last=5, until=instant).bar_end)
    assert kept.recent(recent) is recent
    (kept.folder / RECENT_FILE).unlink()
    assert kept.recent(recent) is recent, "a server goes on while the store is being written"
    np.testing.assert_array_equal(kept.recent().bars().close, recent.bars().close)


def test_a_lean_installation_says_how_its_file_is_made(kept, bars, monkeypatch) -> None:
    """Without pandas it can't be made from the Parquet files; with it, it comes by itself."""
    kept.append(bars.timetable, all_of(bars))
    (kept.folder / RECENT_FILE).unlink()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pandas", None)
        with pytest.raises(NoBars, match=r"lean installation can't make it .* run `mm signal` once"):
            kept.recent()
    assert kept.recent().counts == {symbol: rows.stop - rows.start for symbol, rows in bars}
