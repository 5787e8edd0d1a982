"""Crypto exchanges: real ccxt, over HTTP, against answers recorded in Binance's form.

The numbers come from the simulated market; each list of klines ends with the one that is still forming.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from market_master import optional
from market_master.config import load
from market_master.domain import ConfigError, NoBars, ProviderAway, ProviderRefused, iso
from market_master.market_data.providers import Query
from market_master.market_data.providers.ccxt import Ccxt
from tests.support.market_platform import Platform, Request, platform

RECORDED = json.loads((Path(__file__).parent / "recorded" / "binance.json").read_text())
NOW = int(pd.Timestamp("2025-07-01T00:30Z").timestamp())
PAGE = 20


def respond(request: Request) -> Any:
    """The recorded answer; klines from `startTime` on, a page of them."""
    recorded = RECORDED[request.path]
    if not request.path.endswith("klines"):
        return recorded
    if request.query["symbol"] not in recorded:
        return (400, {}, b'{"code":-1121,"msg":"Invalid symbol."}')
    since = int(request.query["startTime"])
    return [kline for kline in recorded[request.query["symbol"]] if kline[0] >= since][:PAGE]


@pytest.fixture
def binance() -> Iterator[Platform]:
    """Binance, as it was recorded."""
    with platform(respond) as running:
        yield running


def provider(running: Platform, **options: Any) -> Ccxt:
    """ccxt's own Binance, asking there."""
    import ccxt

    def connect(name: str) -> Any:
        exchange = getattr(ccxt, name)({"enableRateLimit": False})
        exchange.urls["api"] = {
            kind: running.url + "/" + url.split("/", 3)[3]
            for kind, url in exchange.urls["api"].items()
            if isinstance(url, str)
        }
        return exchange

    return Ccxt("binance", connect=connect, **{"lookback": "10d", "sleep": lambda _: None, **options})


def query(*symbols: str, interval: str = "1h") -> Query:
    return Query(symbols, "24/7", interval, NOW)


def test_klines_become_valid_bars(binance: Platform) -> None:
    """All pages, as numbers, without the forming one; under the exchange's names and ccxt's alike."""
    fetched = provider(binance).fetch(query("BTCUSDT", "ETH/USDT"))
    for symbol, recorded in {"BTCUSDT": "BTCUSDT", "ETH/USDT": "ETHUSDT"}.items():
        klines = RECORDED["/api/v3/klines"][recorded]
        series = fetched.series[symbol]
        assert iso(series["bar_end"][-1]) == "2025-07-01T00:00:00Z"
        np.testing.assert_array_equal(series["close"], [float(kline[4]) for kline in klines[:-1]])
        np.testing.assert_array_equal(series["volume"], [float(kline[5]) for kline in klines[:-1]])
    assert [line.forming for line in fetched.report] == [1, 1]


def test_spot_and_perpetual_are_told_apart(binance: Platform) -> None:
    """Other bars, another source; a symbol of the other kind is refused, and the sentence says so."""
    spot, perpetual = (provider(binance, market=kind) for kind in ("spot", "perpetual"))
    assert (spot.source, perpetual.source) == ("ccxt-binance-spot", "ccxt-binance-perpetual")
    prices = [one.fetch(query("BTCUSDT")).series["BTCUSDT"]["close"] for one in (spot, perpetual)]
    assert (prices[0] != prices[1]).all()
    with pytest.raises(ProviderRefused, match="no spot market of SOLUSDT; SOLUSDT is of another kind"):
        spot.fetch(query("SOLUSDT"))
    with pytest.raises(ProviderRefused, match=r"no perpetual market of BTC/USDT; BTC/USDT is of another kind"):
        perpetual.fetch(query("BTC/USDT"))
    with pytest.raises(ProviderRefused, match=r"no spot market of DOGE, PEPE\. Symbols are written"):
        spot.fetch(query("DOGE", "BTCUSDT", "PEPE"))


@pytest.mark.parametrize("trouble", [(429, {}, b"{}"), (503, {}, b""), (0, {}, b"")])
def test_what_passes_is_waited_for(binance: Platform, trouble: Any) -> None:
    """The rate limit, maintenance and a broken connection; five times are too many."""
    pauses: list[float] = []
    binance.troubles += [trouble] * 2
    assert len(provider(binance, sleep=pauses.append).fetch(query("BTCUSDT")).series["BTCUSDT"]["close"]) == 48
    assert len(pauses) == 2
    binance.troubles += [trouble] * 5
    with pytest.raises(ProviderAway, match="binance gave no answer in 5 tries"):
        provider(binance).fetch(query("BTCUSDT"))


def test_what_does_not_pass_is_said_at_once(binance: Platform) -> None:
    """A symbol without klines, an interval and an exchange that there are not, and a whole exchange."""
    with pytest.raises(ProviderRefused, match="binance refuses: BadSymbol"):
        provider(binance, market="perpetual").fetch(query("SOLUSDT"))
    with pytest.raises(ConfigError, match="takes no whole exchange"):
        provider(binance).fetch(query())
    with pytest.raises(ConfigError, match="no 7h klines, but 1s, 1m"):
        provider(binance).fetch(query("BTCUSDT", interval="7h"))
    with pytest.raises(ConfigError, match="ccxt knows no exchange 'binnance'"):
        Ccxt("binnance").fetch(query("BTCUSDT"))
    with pytest.raises(NoBars, match="binance has no 1h bars of BTCUSDT since"):
        provider(binance).fetch(Query(("BTCUSDT",), "24/7", "1h", NOW + 86400 * 30))


def test_without_ccxt_a_config_that_names_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is read, with the remedy; any other config loads."""
    file = tmp_path / "c.yaml"
    file.write_text("name: c\ncalendar: 24/7\nprovider: {kind: ccxt, exchange: binance}\n")
    assert load(file, {}).provider.kind == "ccxt"

    def version(library: str) -> str:
        raise optional.PackageNotFoundError(library)

    monkeypatch.setattr(optional, "version", version)
    with pytest.raises(ConfigError, match=r"ccxt is not installed; .* pip install ccxt"):
        load(file, {})
    file.write_text("name: c\nprovider: {kind: simulated}\n")
    assert load(file, {}).provider.kind == "simulated"
