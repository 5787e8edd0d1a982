"""Provider of crypto exchanges' klines through ccxt: one exchange, and one kind of market."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd
from pydantic import Field, field_validator
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from market_master.config.settings import ProviderSettings
from market_master.domain import (
    DAY,
    INTERVALS,
    OHLCV,
    ConfigError,
    MalformedAnswer,
    NoBars,
    ProviderAway,
    ProviderRefused,
    iso,
)
from market_master.market_data.providers import FetchResult, Query
from market_master.market_data.providers.normalise import normalise
from market_master.optional import require_part
from market_master.plugins import register
from market_master.progress import report_progress

KLINES = 1000
"""that one answer is asked for; exchanges give fewer"""
ATTEMPTS = 5


class CcxtProvider(ProviderSettings, extra="forbid"):
    """Section `provider` of kind `ccxt`."""

    kind: Literal["ccxt"]
    exchange: str
    """ccxt's name of it, such as binance, kraken or bybit"""
    market: Literal["spot", "perpetual"] = "spot"
    lookback: str = Field("720d", pattern=r"^\d+d$")

    @field_validator("kind")
    @classmethod
    def _installed(cls, kind: Literal["ccxt"]) -> Literal["ccxt"]:
        require_part("ccxt")
        return kind


@register("market_data.providers", "ccxt", settings=CcxtProvider)
@dataclass(frozen=True)
class Ccxt:
    """Bars of the last `lookback` days; symbols are the exchange's (BTCUSDT) or ccxt's (BTC/USDT, BTC/USDT:USDT)."""

    exchange: str
    market: Literal["spot", "perpetual"] = "spot"
    lookback: str = "720d"
    connect: Callable[[str], Any] | None = None
    """what opens an exchange by its name; none = ccxt"""
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    live = True

    @property
    def source(self) -> str:
        """Exchange and kind of market: spot and perpetual are never one series."""
        return f"ccxt-{self.exchange}-{self.market}"

    def fetch(self, query: Query) -> FetchResult:
        """All closed, valid bars of the query's symbols.

        Raises ConfigError (no ccxt, no such exchange or interval, no symbols), ProviderRefused for a symbol that the
        exchange or this kind of market has not, ProviderAway after five tries, NoBars, or MalformedAnswer.
        """
        if not query.symbols:
            raise ConfigError("The provider 'ccxt' takes no whole exchange; name the symbols in universe.symbols.")
        exchange = self._open(query.interval)
        symbols = self.query(exchange, query)
        start = query.now - int(self.lookback.removesuffix("d")) * DAY
        frames = []
        for done, (symbol, unified) in enumerate(symbols.items(), start=1):
            frames.append(self.extract(exchange, symbol, unified, query, start))
            report_progress("fetch", done, len(symbols))
        rows = pd.concat(frames, ignore_index=True)
        if rows.empty:
            raise NoBars(f"{self.exchange} has no {query.interval} bars of {', '.join(symbols)} since {iso(start)}.")
        empty = [symbol for symbol, frame in zip(symbols, frames, strict=True) if frame.empty]
        fetched = normalise(rows, query, grid="session", stamp="start")
        notes = tuple(f"{self.exchange} has no bars of {symbol}." for symbol in empty)
        return replace(fetched, notes=fetched.notes + notes)

    def query(self, exchange: Any, query: Query) -> dict[str, str]:
        """Our symbol -> ccxt's, of this kind of market."""
        markets = self._ask(exchange.load_markets).values()
        kinds = {"spot": "spot", "perpetual": "swap"}
        mine = [market for market in markets if market["type"] == kinds[self.market]]
        names = {name: market["symbol"] for market in mine for name in (market["id"], market["symbol"])}
        if unknown := [symbol for symbol in query.symbols if symbol not in names]:
            others = {name for market in markets for name in (market["id"], market["symbol"])}
            elsewhere = [symbol for symbol in unknown if symbol in others]
            raise ProviderRefused(
                f"{self.exchange} has no {self.market} market of {', '.join(unknown)}"
                + (f"; {', '.join(elsewhere)} is of another kind, see provider.market" if elsewhere else "")
                + ". Symbols are written as BTCUSDT, BTC/USDT (spot) or BTC/USDT:USDT (perpetual).",
                symbols=unknown,
            )
        return {symbol: names[symbol] for symbol in query.symbols}

    def extract(self, exchange: Any, symbol: str, unified: str, query: Query, start: int) -> pd.DataFrame:
        """The rows of one symbol from a start on, asked for answer by answer."""
        rows: list[list[float]] = []
        since = start * 1000
        while since < query.now * 1000:
            klines = self._ask(exchange.fetch_ohlcv, unified, query.interval, since, KLINES)
            newer = [kline for kline in klines if not rows or kline[0] > rows[-1][0]]
            if not newer:
                break
            rows += newer
            since = int(newer[-1][0]) + INTERVALS[query.interval] * 1000
        frame = pd.DataFrame(rows, columns=["stamp", *OHLCV])
        if frame.isna().any(axis=None):
            raise MalformedAnswer(f"{self.exchange} gave klines of {symbol} with values that are no numbers.")
        stamps = pd.to_datetime(frame["stamp"], unit="ms", utc=True)
        return frame.astype(float).assign(symbol=symbol, stamp=stamps)[["symbol", "stamp", *OHLCV]]

    def _open(self, interval: str) -> Any:
        exchange = (self.connect or _connect)(self.exchange)
        if interval not in (exchange.timeframes or {}):
            raise ConfigError(f"{self.exchange} has no {interval} klines, but {', '.join(exchange.timeframes or {})}.")
        exchange.options["defaultType"] = {"spot": "spot", "perpetual": "swap"}[self.market]
        return exchange

    def _ask(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """An answer of the exchange, with patience for what may pass."""
        import ccxt

        retrying = Retrying(
            retry=retry_if_exception_type(ccxt.NetworkError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential_jitter(multiplier=1, max=60, jitter=1),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(method, *arguments)
        except ccxt.NetworkError as error:
            raise ProviderAway(
                f"{self.exchange} gave no answer in {ATTEMPTS} tries ({type(error).__name__}: {str(error)[:200]}); wait "
                "some minutes and run again.",
                tries=ATTEMPTS,
            ) from error
        except ccxt.BaseError as error:
            raise ProviderRefused(f"{self.exchange} refuses: {type(error).__name__}: {str(error)[:200]}.") from error


def _connect(name: str) -> Any:
    """ccxt's exchange of a name; it keeps to the exchange's own rate limit."""
    import ccxt

    if name not in ccxt.exchanges:
        raise ConfigError(
            f"ccxt knows no exchange '{name}'; it has binance, kraken, bybit, coinbase and {len(ccxt.exchanges)} in all."
        )
    return getattr(ccxt, name)({"enableRateLimit": True, "timeout": 20_000})
