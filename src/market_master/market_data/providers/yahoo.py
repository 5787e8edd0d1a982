"""Provider of Yahoo Finance through yfinance.

Free, unofficial, split-adjusted, and short of memory inside the day.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd
from pydantic import Field
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from market_master.config.settings import ProviderSettings
from market_master.domain import DAY, OHLCV, ConfigError, DataError, NoBars, iso
from market_master.market_data.providers import FetchResult, Query
from market_master.market_data.providers.normalise import normalise
from market_master.plugins import register

MEMORY_DAYS = {"1m": 8, "5m": 60, "15m": 60, "30m": 60, "1h": 730}
"""how far back Yahoo serves each interval; daily bars have no limit"""
MAX_ATTEMPTS = 5

Download = Callable[..., pd.DataFrame]
"""(symbol, interval=, start=, end=) -> one symbol's frame as yfinance gives it, empty when Yahoo has nothing"""


class YahooProvider(ProviderSettings, extra="forbid"):
    """Section `provider` of kind `yahoo`."""

    kind: Literal["yahoo"]
    lookback: str = Field("720d", pattern=r"^\d+d$")


@register("market_data.providers", "yahoo", settings=YahooProvider)
@dataclass(frozen=True)
class Yahoo:
    """Bars of the last `lookback` days of any symbol Yahoo knows; prices are adjusted for splits, not for dividends."""

    lookback: str = "720d"
    download: Download | None = None
    """what asks Yahoo; none = yfinance"""
    sleep: Callable[[float], None] = time.sleep

    live = True
    source = "yahoo"

    def fetch(self, query: Query) -> FetchResult:
        """All closed, valid bars of the query's symbols.

        Raises ConfigError without symbols or for more days than Yahoo keeps, DataError when it can't be reached in five
        tries, NoBars when it has nothing of any symbol.
        """
        request = self.query(query)
        frames = {symbol: self._ask(symbol, request) for symbol in query.symbols}
        empty = [symbol for symbol, frame in frames.items() if frame.empty]
        if len(empty) == len(frames):
            raise NoBars(
                f"Yahoo has no {query.interval} bars of {', '.join(empty)} for the {self.lookback} before "
                f"{iso(query.now)}; check the symbols on Yahoo's site."
            )
        fetched = normalise(self.extract(frames, daily=query.interval == "1d"), query, grid="session", stamp="start")
        return replace(fetched, notes=fetched.notes + tuple(f"Yahoo has no bars of {symbol}." for symbol in empty))

    def query(self, query: Query) -> dict[str, Any]:
        """What to ask Yahoo for: interval, and start and end in epoch seconds."""
        if not query.symbols:
            raise ConfigError("Yahoo can't list its symbols; name them in universe.symbols.")
        days, limit = int(self.lookback.removesuffix("d")), MEMORY_DAYS.get(query.interval)
        if limit is not None and days > limit:
            raise ConfigError(
                f"Yahoo keeps {query.interval} bars for {limit} days, provider.lookback asks for {days}; "
                f"set it to {limit}d or less, or take a longer interval.",
                asked=days,
                limit=limit,
            )
        return {"interval": query.interval, "start": query.now - days * DAY + CLOCK_MARGIN_SECONDS, "end": query.now}

    def extract(self, frames: dict[str, pd.DataFrame], *, daily: bool) -> pd.DataFrame:
        """One long frame: symbol, stamp, OHLCV; stamps are bar starts in UTC, a daily row's is its session's date."""
        long = []
        for symbol, frame in frames.items():
            if not frame.empty:
                stamps = pd.DatetimeIndex(frame.index)
                rows = frame.rename(columns=str.lower)[list(OHLCV)].astype(float)
                stamp = stamps.tz_localize(None) if daily else stamps.tz_convert("UTC")
                long.append(rows.assign(symbol=symbol, stamp=stamp))
        return pd.concat(long, ignore_index=True)[["symbol", "stamp", *OHLCV]]

    def _ask(self, symbol: str, request: dict[str, Any]) -> pd.DataFrame:
        download = self.download or _history
        patience = Retrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_after_attempt(MAX_ATTEMPTS),
            wait=wait_exponential_jitter(multiplier=2, max=60, jitter=2),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return patience(download, symbol, **request)
        except Exception as error:
            if not _is_transient(error):
                raise
            raise DataError(
                f"Yahoo gave no answer for {symbol} in {MAX_ATTEMPTS} tries ({error}); wait some minutes and run again.",
                tries=MAX_ATTEMPTS,
            ) from error


CLOCK_MARGIN_SECONDS = 300
"""seconds by which Yahoo's clock may be ahead when it measures how far back a start lies"""


def _is_transient(error: BaseException) -> bool:
    """Whether an error may be gone when one asks again: the rate limit, a broken connection, Yahoo's own downtime."""
    from yfinance.exceptions import YFDataException, YFRateLimitError

    return isinstance(error, (YFRateLimitError, YFDataException, OSError))


def _history(symbol: str, *, interval: str, start: int, end: int) -> pd.DataFrame:
    """One symbol from yfinance. Not `yfinance.download`: that one swallows the rate limit and gives an empty frame."""
    import yfinance
    from yfinance.exceptions import YFTickerMissingError

    hidden, yfinance.config.debug.hide_exceptions = yfinance.config.debug.hide_exceptions, False
    try:
        return yfinance.Ticker(symbol).history(
            interval=interval, start=start, end=end, auto_adjust=False, back_adjust=False, actions=False, prepost=False
        )
    except YFTickerMissingError:
        return pd.DataFrame()
    except OSError as error:
        if getattr(getattr(error, "response", None), "status_code", None) == 404:
            return pd.DataFrame()
        raise
    finally:
        yfinance.config.debug.hide_exceptions = hidden
