"""Bodies of POST /predict from stored bars, and stores of larger markets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from market_master.domain.bars import OHLCV
from market_master.domain.clock import iso
from market_master.prediction.loaded_model import LoadedModel


def distinct(champion: LoadedModel, home: Path, bars: int, count: int) -> list[bytes]:
    """Bodies of one symbol's newest bars, each with another newest volume; a single bar is the next one, not stored yet."""
    symbol = champion.card.symbols[0]
    stored = champion.store(home).bars((symbol,), last=bars)
    starts = stored.next_start if bars == 1 else stored.bar_start
    rows = [
        {"timestamp": iso(starts[n]), **{name: round(float(getattr(stored, name)[n]), 6) for name in OHLCV}}
        for n in range(len(stored))
    ]
    body: dict[str, Any] = {"symbol": symbol, "interval": champion.card.timetable["interval"], "bars": rows}
    contents = []
    for number in range(count):
        rows[-1]["volume"] = round(1e6 + number, 1)
        contents.append(json.dumps(body).encode())
    return contents


def write_market(champion: LoadedModel, home: Path, symbols: int) -> Path:
    """Fill a home's store with so many symbols, each with the bars of one of the champion's; returns the config to serve under."""
    store = champion.store(home)
    bars = store.bars(last=600)
    names = [f"M{number:03d}" for number in range(symbols)]
    store.append(
        champion.card.times, {name: bars.series(bars.symbols[n % len(bars.symbols)]) for n, name in enumerate(names)}
    )
    weights = home / "weights.csv"
    day = iso(bars.bar_start.min())[:10]
    weights.write_text("symbol,weight,as_of\n" + "".join(f"{name},{1 / symbols!r},{day}\n" for name in names))
    settings = champion.settings.model_dump(mode="json")
    settings["universe"]["weights"] = str(weights)
    file = home / "market.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file
