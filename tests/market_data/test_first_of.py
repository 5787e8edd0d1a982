"""Several providers: the first that answers a symbol has it, it is said whose it is, and a series never mixes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from market_master.config import Settings, load
from market_master.domain import ConfigError, FetchCoverage, MixedGrid, ProviderAway, clock
from market_master.market_data.ingest import fetch, update_store
from market_master.market_data.providers import Query
from market_master.market_data.providers.first_of import FirstOf
from market_master.market_data.providers.simulated import Simulated
from market_master.prediction.predict import predict_stored
from market_master.registry.champion import load_champion
from tests.support.market_platform import Platform, Request, platform
from tests.support.quick_training import QUICK, train_quickly
from tests.support.trained_home import settings_of as named_settings

NOW = int(pd.Timestamp("2025-07-01T00:00Z").timestamp())
SERIES = Simulated(symbols=4, sessions=20, imperfections=()).fetch(Query((), "24/7", "1h", NOW)).series
SYMBOLS = ("S001", "S002", "S003", "S004")


def serving(symbols: tuple[str, ...], factor: float) -> Any:
    """An answer for some symbols, prices multiplied; 404 for the others."""

    def respond(request: Request) -> Any:
        symbol = request.query["symbol"]
        if symbol not in symbols:
            return (404, {}, b"")
        columns = SERIES[symbol]
        return [
            {
                "time": int(end) - 3600,
                **{name: float(columns[name][at]) * factor for name in ("open", "high", "low", "close")},
                "volume": float(columns["volume"][at]),
            }
            for at, end in enumerate(columns["bar_end"])
            if int(end) - 3600 >= int(request.query["start"])
        ]

    return respond


def settings_of(folder: Path, *running: Platform, grid: str = "auto") -> Settings:
    """A config of several platforms, in order."""
    lines = [
        f"  - {{kind: http, base_url: '{one.url}', time_format: s, attempts: 1, grid: {grid}}}\n" for one in running
    ]
    file = folder / "several.yaml"
    file.write_text(
        f"name: several\ncalendar: 24/7\nuniverse: {{symbols: [{', '.join(SYMBOLS)}]}}\nproviders:\n" + "".join(lines)
    )
    return load(file, {})


def test_the_first_that_answers_has_the_symbol(tmp_path: Path) -> None:
    """What the first has is not asked of the second, and the store says whose each series is."""
    with platform(serving(SYMBOLS[:2], 1.0)) as first, platform(serving(SYMBOLS, 2.0)) as second:
        market = fetch(settings_of(tmp_path, first, second), tmp_path, NOW)
    assert {request.query["symbol"] for request in second.requests} == {"S003", "S004"}
    for symbol, factor in zip(SYMBOLS, (1, 1, 2, 2), strict=True):
        close = market.bars.close[market.bars.rows(symbol)]
        np.testing.assert_allclose(close, SERIES[symbol]["close"] * factor)
    sources = [market.origins[symbol] for symbol in SYMBOLS]
    assert sources[0] == sources[1] != sources[2] == sources[3]
    assert market.live


def test_a_series_never_mixes(tmp_path: Path) -> None:
    """While its provider is away a symbol has no newer bars, though another one offers them."""
    day = 24
    with platform(serving(SYMBOLS, 1.0)) as first, platform(serving(SYMBOLS, 2.0)) as second:
        settings = settings_of(tmp_path, first, second)
        update_store(settings, tmp_path, NOW - day * 3600)
        first.respond = lambda _: (500, {}, b"")
        with pytest.raises((ProviderAway, FetchCoverage), match="no answer in 1 tries"):
            update_store(settings, tmp_path, NOW)
        assert not second.requests
        first.respond = serving(SYMBOLS[1:], 1.0)
        with pytest.raises(FetchCoverage, match="S001"):
            update_store(settings, tmp_path, NOW)
        first.respond = serving(SYMBOLS, 1.0)
        market = fetch(settings, tmp_path, NOW)
    for symbol in SYMBOLS:
        np.testing.assert_allclose(market.bars.close[market.bars.rows(symbol)], SERIES[symbol]["close"])
    assert not second.requests


def test_one_that_fails_leaves_its_symbols_to_the_next(tmp_path: Path) -> None:
    """On the first day, when no series is anybody's yet; the notes say why."""
    with platform(lambda _: (500, {}, b"")) as first, platform(serving(SYMBOLS, 2.0)) as second:
        market = fetch(settings_of(tmp_path, first, second), tmp_path, NOW)
    assert set(market.origins) == set(SYMBOLS)
    assert any("gave no answer in 1 tries" in note for note in market.notes)
    np.testing.assert_allclose(market.bars.close[market.bars.rows("S001")], SERIES["S001"]["close"] * 2)


def test_when_none_answers_the_first_failure_is_raised(tmp_path: Path) -> None:
    """With its own kind and sentence."""
    with (
        platform(lambda _: (500, {}, b"")) as first,
        platform(serving((), 2.0)) as second,
        pytest.raises(ProviderAway, match="no answer"),
    ):
        update_store(settings_of(tmp_path, first, second), tmp_path, NOW)


@pytest.mark.nightly
def test_a_prediction_says_whose_bars_it_was_made_of(tmp_path: Path) -> None:
    """The version's card keeps the origins."""
    settings = named_settings("test", **QUICK)
    simulated = settings.provider.model_dump()
    providers = [simulated, {**simulated, "seed": simulated["seed"] + 1}]
    several = Settings.model_validate(
        {**settings.model_dump(), "provider": {"kind": "first_of", "providers": providers}}
    )
    train_quickly(tmp_path, several)
    champion = load_champion(tmp_path, "market-master")
    (prediction,) = predict_stored(champion, champion.store(tmp_path), ["S001"], now=clock.now())
    assert prediction.provenance.provider == FirstOf(providers).providers[0].source


def test_providers_and_provider_exclude_each_other(tmp_path: Path) -> None:
    """Either one or several; and several are two at least."""
    file = tmp_path / "c.yaml"
    file.write_text("name: c\nprovider: {kind: simulated}\nproviders: [{kind: simulated}, {kind: yahoo}]\n")
    with pytest.raises(ConfigError, match="leave one of them out"):
        load(file, {})
    file.write_text("name: c\nproviders: [{kind: simulated}]\n")
    with pytest.raises(ConfigError, match="two or more, 1 is given"):
        load(file, {})
    file.write_text("name: c\nproviders: [{kind: simulated}, {kind: yahoo, lookbakc: 3d}]\n")
    with pytest.raises(
        ConfigError, match=r"providers\.1\.yahoo\.lookbakc' is not a setting; the nearest known one is 'lookback'"
    ):
        load(file, {})


def test_bars_of_two_grids_are_refused(tmp_path: Path) -> None:
    """Symbols of one universe share one time axis."""
    with platform(serving(SYMBOLS[:2], 1.0)) as first, platform(serving(SYMBOLS, 2.0)) as second:
        settings = settings_of(tmp_path, first, second)
        options = settings.provider.model_dump()
        options["providers"][1]["grid"] = "clock"
        mixed = Settings.model_validate({**settings.model_dump(), "provider": options})
        with pytest.raises(MixedGrid, match="different time axes"):
            update_store(mixed, tmp_path, NOW)
