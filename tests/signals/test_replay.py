"""A served signal can be made again: identical, or the word says where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from market_master.domain import clock
from market_master.domain.clock import instant
from market_master.domain.errors import NoSignal
from market_master.market_data.store.recent import RECENT_FILE
from market_master.prediction_log import PredictionLog
from market_master.registry.champion import load_champion
from market_master.signals.replay import replay_signal
from market_master.signals.scheduled import run_scheduled_signal
from tests.support.servers import MODEL, in_process
from tests.support.trained_home import settings_of


def test_a_scheduled_signal_is_made_again_to_the_bit(altered: Path, log: PredictionLog) -> None:
    """Bars, weights, feature code and graph hash to what they did, and every number is the same."""
    run = run_scheduled_signal(settings_of("test"), altered, log, now=clock.now())
    again = replay_signal(MODEL, None, altered, log, asof=clock.now())
    assert (again.identical, again.differences, again.source) == (True, [], "scheduled")
    assert again.as_of == run.bar_end
    assert set(again.hashes) == {"bars", "weights", "features", "graph"}
    assert all(pair["served"] == pair["now"] != "" for pair in again.hashes.values())


def test_a_signal_of_the_server_is_made_again_too(altered: Path, log: PredictionLog) -> None:
    """What it answered from memory is what the store gives."""
    with in_process(altered) as client:
        served = client.get("/signal/index").json()
    again = replay_signal(MODEL, None, altered, log, asof=clock.now())
    assert (again.identical, again.source) == (True, "stored")
    assert again.signal == served


def test_an_altered_signal_is_told_number_by_number(altered: Path, log: PredictionLog) -> None:
    """What was written into the log by another hand is not what the version says."""
    run_scheduled_signal(settings_of("test"), altered, log, now=clock.now())
    record = json.loads(log.signals(1)[0]["record"])
    record["wss"], record["constituents"][2]["action"] = 1.5, "strong_buy"
    with log.transaction() as connection:
        connection.execute(text("UPDATE signals SET record = :record"), {"record": json.dumps(record)})
    again = replay_signal(MODEL, None, altered, log, asof=clock.now())
    assert not again.identical
    assert {"wss", "constituents[2].action"} >= {row["where"] for row in again.differences} >= {"wss"}


def test_other_bars_are_told_by_their_hash(altered: Path, log: PredictionLog) -> None:
    """A stored bar that was changed behind the store's back shows, though it may change no number."""
    run_scheduled_signal(settings_of("test"), altered, log, now=clock.now())
    champion = load_champion(altered, MODEL)
    file = next(champion.store(altered).folder.glob("*.parquet"))
    bars = pd.read_parquet(file)
    bars.iloc[-3, bars.columns.get_loc("volume")] = np.nextafter(bars["volume"].iloc[-3], np.inf)
    bars.to_parquet(file, index=False)
    (file.parent / RECENT_FILE).unlink()
    again = replay_signal(MODEL, None, altered, log, asof=clock.now())
    assert not again.identical
    assert again.hashes["bars"]["served"] != again.hashes["bars"]["now"]
    assert all(again.hashes[name]["served"] == again.hashes[name]["now"] for name in ("weights", "features", "graph"))


def test_what_stood_at_an_instant_is_the_newest_bar_closed_by_then(altered: Path, log: PredictionLog) -> None:
    """An hour before the newest bar there was no signal in this home, and the refusal says so."""
    run = run_scheduled_signal(settings_of("test"), altered, log, now=clock.now())
    assert run.bar_end is not None
    with pytest.raises(NoSignal, match="mm backfill"):
        replay_signal(MODEL, None, altered, log, asof=instant(run.bar_end) - 1)
    assert replay_signal(MODEL, None, altered, log, asof=instant(run.bar_end)).as_of == run.bar_end
