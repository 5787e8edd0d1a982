"""Yahoo: closed bars of what was asked, patience with a busy server, and a plain word where it has nothing.

The recorded answers have the form `yfinance.Ticker.history(auto_adjust=False, actions=False)` gives; their numbers come
from the simulated market, over the weekend on which New York's clocks went forward.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from market_master.domain.bars import Bars
from market_master.domain.clock import iso
from market_master.domain.errors import ConfigError, DataError, NoBars
from market_master.market_data.providers import Query
from market_master.market_data.providers.yahoo import Yahoo

RECORDED = Path(__file__).parent / "recorded"
EVENING = int(pd.Timestamp("2025-03-11T22:00Z").timestamp())
NOON = int(pd.Timestamp("2025-03-11T16:00Z").timestamp())


def test_recorded_hours_become_valid_bars() -> None:
    """Four sessions of two symbols: bars end where New York's session has them, before and after the clock change."""
    fetched = _yahoo().fetch(_query())
    bars = Bars.of(fetched.timetable, fetched.series)
    assert len(bars) == 56
    assert iso(bars.bar_end[0]) == "2025-03-06T15:30:00Z"
    assert iso(bars.newest) == "2025-03-11T20:00:00Z"
    assert [(line.symbol, line.kept, line.missing) for line in fetched.report] == [("S001", 28, 0), ("S002", 28, 0)]
    assert fetched.quarantine.empty


def test_prices_are_traded_prices() -> None:
    """Close is Yahoo's Close, adjusted for splits only, not its Adj Close."""
    close = _yahoo().fetch(_query()).series["S001"]["close"]
    np.testing.assert_allclose(close, _recorded("S001", interval="1h")["Close"])


def test_the_forming_bar_is_dropped() -> None:
    """At noon the bar that ends at 12:30 is still forming: the newest is that of 11:30."""
    fetched = _yahoo().fetch(_query(now=NOON))
    assert iso(fetched.series["S001"]["bar_end"][-1]) == "2025-03-11T15:30:00Z"
    assert all(line.forming > 0 for line in fetched.report)


def test_a_day_closes_with_its_session() -> None:
    """A daily row, stamped with midnight, ends at the session's close; today's is forming until then."""
    ends = _yahoo().fetch(_query(interval="1d")).series["S002"]["bar_end"]
    assert [iso(end)[5:16] for end in ends] == ["03-06T21:00", "03-07T21:00", "03-10T20:00", "03-11T20:00"]
    assert len(_yahoo().fetch(_query(interval="1d", now=NOON)).series["S002"]["bar_end"]) == 3


def test_a_symbol_without_bars_is_noted() -> None:
    """What Yahoo does not know is told, and the others are served."""
    fetched = _yahoo().fetch(_query("S001", "GONE"))
    assert set(fetched.series) == {"S001"}
    assert any("GONE" in note for note in fetched.notes)


def test_nothing_at_all_is_an_error() -> None:
    """If Yahoo has no bars of any symbol there is nothing to go on with."""
    with pytest.raises(NoBars, match="no 1h bars of GONE, LOST for the 720d before 2025-03-11"):
        _yahoo().fetch(_query("GONE", "LOST"))


def test_symbols_must_be_named() -> None:
    """Yahoo can't list what it has."""
    with pytest.raises(ConfigError, match=r"universe\.symbols"):
        _yahoo().fetch(Query((), "XNYS", "1h", EVENING))


@pytest.mark.parametrize(("interval", "limit"), [("1m", 8), ("5m", 60), ("15m", 60), ("30m", 60), ("1h", 730)])
def test_looking_back_too_far_is_refused(interval: str, limit: int) -> None:
    """More days than Yahoo keeps are an error with both numbers, not a shorter history in silence."""
    with pytest.raises(ConfigError, match=rf"for {limit} days, provider.lookback asks for {limit + 1};"):
        Yahoo(lookback=f"{limit + 1}d").query(_query(interval=interval))
    start = Yahoo(lookback=f"{limit}d").query(_query(interval=interval))["start"]
    assert limit * 86400 - 600 < EVENING - start < limit * 86400
    assert Yahoo(lookback="9999d").query(_query(interval="1d"))["start"] > 0


def test_a_busy_server_is_asked_again_with_growing_pauses() -> None:
    """Rate limit, broken connection, downtime: up to five tries, each pause longer than the last, jittered."""
    from yfinance.exceptions import YFDataException, YFRateLimitError

    pauses: list[float] = []
    troubles: list[Exception] = [YFRateLimitError(), ConnectionError("reset"), TimeoutError(), YFDataException("down")]
    fetched = Yahoo(download=_grudging(troubles), sleep=pauses.append).fetch(_query("S001"))
    assert len(fetched.series["S001"]["bar_end"]) == 28
    assert len(pauses) == 4
    for pause, least in zip(pauses, (2, 4, 8, 16), strict=True):
        assert least <= pause <= least + 2


def test_patience_ends_after_five_tries() -> None:
    """A server that refuses five times ends the fetch with a sentence; no half universe is handed on."""
    from yfinance.exceptions import YFRateLimitError

    pauses: list[float] = []
    troubles: list[Exception] = [YFRateLimitError() for _ in range(5)]
    with pytest.raises(DataError, match=r"no answer for S001 in 5 tries \(Too Many Requests"):
        Yahoo(download=_grudging(troubles), sleep=pauses.append).fetch(_query("S001", "S002"))
    assert len(pauses) == 4


def test_a_mistake_is_not_repeated() -> None:
    """An error that asking again can't mend comes out at once."""
    pauses: list[float] = []
    with pytest.raises(KeyError):
        Yahoo(download=_grudging([KeyError("bug")]), sleep=pauses.append).fetch(_query("S001"))
    assert pauses == []


def test_yfinance_is_asked_for_unadjusted_closed_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adjustment is off by name, pre- and post-market are out, and errors are not swallowed while Yahoo is asked."""
    import yfinance

    asked: dict[str, Any] = {}

    class _Ticker:
        def __init__(self, symbol: str) -> None:
            self.symbol = symbol

        def history(self, **options: Any) -> pd.DataFrame:
            asked.update(options, hidden=yfinance.config.debug.hide_exceptions)
            if self.symbol == "GONE":
                raise yfinance.exceptions.YFPricesMissingError("GONE", "")
            return _recorded(self.symbol, interval=options["interval"])

    monkeypatch.setattr(yfinance, "Ticker", _Ticker)
    fetched = Yahoo().fetch(_query("S001", "GONE"))
    assert set(fetched.series) == {"S001"}
    assert (asked["auto_adjust"], asked["back_adjust"], asked["prepost"], asked["hidden"]) == (
        False,
        False,
        False,
        False,
    )
    assert yfinance.config.debug.hide_exceptions is True


def _yahoo() -> Yahoo:
    return Yahoo(download=_recorded)


def _query(*symbols: str, interval: str = "1h", now: int = EVENING) -> Query:
    return Query(symbols or ("S001", "S002"), "XNYS", interval, now)


def _recorded(symbol: str, *, interval: str, **_: int) -> pd.DataFrame:
    """A recorded answer; empty for a symbol that was not recorded."""
    rows = pd.read_csv(RECORDED / f"yahoo_{interval}.csv", index_col=0)
    rows = rows[rows["Ticker"] == symbol].drop(columns="Ticker")
    rows.index = pd.to_datetime(rows.index, utc=True).tz_convert("America/New_York").rename(rows.index.name)
    return rows


def _grudging(troubles: list[Exception]) -> Callable[..., pd.DataFrame]:
    """A download that fails once for each trouble, then answers."""
    waiting = iter(troubles)

    def download(symbol: str, *, interval: str, **asked: int) -> pd.DataFrame:
        for trouble in waiting:
            raise trouble
        return _recorded(symbol, interval=interval, **asked)

    return download
