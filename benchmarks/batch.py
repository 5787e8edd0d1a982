"""A batch of 27 symbols x 3,000 bars: its time, its memory, and beside it the quadratic way that begins anew at every bar.

    python -m benchmarks.batch [--bars 3000] [--symbols 27]

The champion is one of configs/test.yaml, trained in a folder of its own; the bars are a longer simulated market, as CSVs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from market_master import config, features
from market_master.batch.score import run_batch, score_bars
from market_master.decision import policy
from market_master.domain import clock
from market_master.domain.actions import SCORES
from market_master.domain.bars import OHLCV, Bars
from market_master.domain.model_inputs import model_inputs
from market_master.index.series import index_series
from market_master.market_data.providers import Query
from market_master.market_data.providers.first_of import open_provider
from market_master.market_data.quality import read_files
from market_master.pipeline import train
from market_master.prediction.history import predict_history
from market_master.prediction.loaded_model import LoadedModel
from market_master.registry.champion import load_champion

MODEL = "market-master"
PARTS = ("read the files", "answer every bar", "answers, index and outcomes", "all, tables and evaluation written")
QUADRATIC_AT = 7
"""bars at which the whole history is computed anew, spread over the series"""


def main(count: int, symbols: int) -> None:
    """Print the tables."""
    file = config.PROJECT_ROOT / "configs" / "test.yaml"
    with tempfile.TemporaryDirectory() as name:
        home, folder = Path(name) / "home", Path(name) / "bars"
        train(config.load(file, {}), home, now=clock.now())
        champion = load_champion(home, MODEL)
        bars = market(count, symbols)
        write(bars, folder)
        console = Console(width=110)
        console.print(timed(champion, folder, Path(name), bars))
        console.print(quadratic(champion, bars, folder))
        console.print(memory(champion, symbols, count))


def market(count: int, symbols: int) -> Bars:
    """The last bars of each symbol of a simulated market that is long enough."""
    environ = {"MM_PROVIDER__SYMBOLS": str(symbols), "MM_PROVIDER__SESSIONS": str(count // 7 + 10)}
    settings = config.load(config.PROJECT_ROOT / "configs" / "test.yaml", environ)
    fetched = open_provider(settings.provider).fetch(Query((), settings.calendar, settings.interval, clock.now()))
    return Bars.of(fetched.timetable, fetched.series).tail(count)


def write(bars: Bars, folder: Path) -> None:
    """One CSV a symbol."""
    folder.mkdir()
    for symbol, rows in bars:
        frame = pd.DataFrame({name: getattr(bars, name)[rows] for name in OHLCV})
        frame.insert(0, "timestamp", pd.to_datetime(bars.bar_start[rows], unit="s", utc=True))
        frame.to_csv(folder / f"{symbol}.csv", index=False)


def timed(champion: LoadedModel, folder: Path, out: Path, bars: Bars) -> Table:
    """Seconds of each part, best of three after one to import what is imported late."""
    table = Table(
        "part", "seconds", "CPU seconds", title=f"{len(bars.symbols)} symbols, {len(bars):,} bars; best of three"
    )
    spent: dict[str, list[tuple[float, float]]] = {part: [] for part in PARTS}
    times, now = champion.card.times, clock.now()
    for turn in range(4):
        marks = [(time.perf_counter(), time.process_time())]
        read_files(folder, Query((), times.calendar, times.interval, now))
        marks.append((time.perf_counter(), time.process_time()))
        predict_history(champion, bars)
        marks.append((time.perf_counter(), time.process_time()))
        score_bars(champion, bars, None)
        marks.append((time.perf_counter(), time.process_time()))
        run_batch(champion, folder, None, out / f"out{turn}", now=now)
        marks.append((time.perf_counter(), time.process_time()))
        steps = np.diff(np.array(marks), axis=0)
        for part, step in zip(PARTS, steps.tolist(), strict=True):
            spent[part].append((step[0], step[1]))
    for part, found in spent.items():
        table.add_row(part, *(f"{min(column):.2f}" for column in zip(*found[1:], strict=True)))
    return table


def quadratic(champion: LoadedModel, bars: Bars, folder: Path) -> Table:
    """At each bar the features of the whole history anew, for its newest row: on a few bars, times all of them."""
    ends = np.unique(bars.bar_end)[champion.card.warmup :]
    picked = ends[np.linspace(0, len(ends) - 1, QUADRATIC_AT).astype(int)]
    begun = time.process_time()
    naive = [_anew(champion, bars, int(end)) for end in picked]
    slow = (time.process_time() - begun) / len(picked) * len(ends)
    begun = time.process_time()
    result = score_bars(champion, bars, None)
    fast = time.process_time() - begun
    begun = time.process_time()
    read_files(folder, Query((), champion.card.times.calendar, champion.card.times.interval, clock.now()))
    read = time.process_time() - begun
    wss = result.index.wss[np.searchsorted(result.index.bar_end, picked)]
    table = Table(
        "way", "CPU seconds", "times", title=f"{len(ends):,} bars of the index; same WSS at {len(picked)} of them"
    )
    table.add_row("once over the series", f"{fast:.2f}", "1")
    table.add_row("the whole history at every bar (extrapolated)", f"{slow:,.0f}", f"{slow / fast:,.0f}")
    table.add_row("once, and the files read once", f"{fast + read:.2f}", "1")
    again, once = slow + read * len(ends), fast + read
    table.add_row("both at every bar, as the ancestor does (extrapolated)", f"{again:,.0f}", f"{again / once:,.0f}")
    assert np.allclose(naive, wss, atol=1e-12, rtol=0)
    return table


def _anew(champion: LoadedModel, bars: Bars, end: int) -> float:
    """The equal-weight WSS at one bar, with every feature of every bar before it computed again."""
    seen, card = bars.until(end), champion.card
    values = features.compute(seen, card.features, members=card.members)
    inputs = model_inputs(values, seen.symbols, seen.code, card.symbols)
    whole = np.isfinite(values).all(axis=1)
    decided = np.full(len(seen), policy.HOLD)
    decided[whole] = champion.actions(champion.probabilities(inputs[whole])).action
    return float(SCORES[decided[(seen.bar_end == end) & whole]].mean())


def memory(champion: LoadedModel, symbols: int, count: int) -> Table:
    """Peak above what goes in and comes out, for a series and one four times as long."""
    table = Table("bars", "inputs MB", "answers MB", "peak beyond both MB", title="memory of answering (tracemalloc)")
    for times in (1, 4):
        bars = market(count * times, symbols)
        held = sum(
            getattr(bars, name).nbytes for name in ("code", "bar_end", "bar_start", "next_start", "next_end", *OHLCV)
        )
        predict_history(champion, bars.tail(200))
        tracemalloc.start()
        said = predict_history(champion, bars)
        index_series(said, champion.settings.universe, champion.settings.policy)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        given = sum(getattr(said, name).nbytes for name in ("rows", "probabilities", "rule_action", "action"))
        table.add_row(f"{len(bars):,}", f"{held / 1e6:.1f}", f"{given / 1e6:.1f}", f"{(peak - given) / 1e6:.1f}")
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=3000)
    parser.add_argument("--symbols", type=int, default=27)
    given = parser.parse_args()
    main(given.bars, given.symbols)
