"""The engine of backtests beside vectorbt and a plain loop, on the same signals: equal equity, times, memory.

    .venv/bin/python -m benchmarks.backtest

Each instrument is all in or all out at the next open, at 2 bp, with capital of its own: what all three can say. They take turns,
so that a busy machine slows all; best of the rounds.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import vectorbt
from rich.console import Console
from rich.table import Table

from market_master.backtest.engine import simulate
from market_master.backtest.panel import Panel
from market_master.backtest.trading_rules import Rules
from market_master.domain.arrays import Array

BARS, INSTRUMENTS, SLOTS, ROUNDS = 5_000, 100, 7, 5
RATE = 0.0002
CASH = 1e6
"""vectorbt leaves out orders that are smaller than its rounding, in units"""


def main() -> None:
    """Print the tables."""
    panel = market(BARS)
    wanted = np.random.default_rng(2).choice([0.0, 1.0], panel.open.shape)
    ways: dict[str, Callable[[], Array]] = {
        "vectorbt, its equity": lambda: np.asarray(folio(wanted, panel).value()),
        "a plain loop": lambda: loop(wanted, panel),
        "ours, one instrument at a time": lambda: alone(wanted, panel),
    }
    expected = {name: way() for name, way in ways.items()}
    for name, equity in expected.items():
        assert np.abs(equity / expected["a plain loop"] - 1).max() < 1e-9, name
    together = wanted / INSTRUMENTS
    free = Rules(cost=0.0, slippage=0.0)
    ways["vectorbt, one capital, no cost"] = lambda: shared(together, panel)
    ways["ours, one capital, no cost"] = lambda: simulate(together, panel, free).equity
    assert np.abs(shared(together, panel) - simulate(together, panel, free).equity).max() < 1e-9
    ways["ours, one capital, at cost"] = lambda: simulate(together, panel).equity
    ways["the same with stops"] = lambda: simulate(together, panel, Rules(stop_loss=0.02, take_profit=0.04)).equity
    ways["stops and a daily loss stop"] = lambda: (
        simulate(together, panel, Rules(stop_loss=0.02, take_profit=0.04, daily_loss_stop=0.01)).equity
    )
    spent = {name: min(times) for name, times in turns(ways).items()}
    table = Table(
        "way", "seconds", "to vectorbt", title=f"{INSTRUMENTS} instruments x {BARS:,} bars, trades listed by ours"
    )
    for name, seconds in spent.items():
        table.add_row(name, f"{seconds:.3f}", f"{seconds / spent['vectorbt, its equity']:.2f}")
    Console().print(table)
    memory()


def market(bars: int) -> Panel:
    """Random walks on one clock."""
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(0.004 * random.standard_normal((bars, INSTRUMENTS)), axis=0))
    open_ = np.vstack([close[:1], close[:-1]]) * np.exp(0.001 * random.standard_normal(close.shape))
    clock = np.arange(bars)
    reach = np.exp(0.002 * np.abs(random.standard_normal((2, *close.shape))))
    return Panel(
        symbols=tuple(f"S{number:03}" for number in range(INSTRUMENTS)),
        bar_end=3600 * (1 + clock), session=clock // SLOTS, slot=clock % SLOTS, ends_session=clock % SLOTS == SLOTS - 1,
        open=open_, high=np.maximum(open_, close) * reach[0], low=np.minimum(open_, close) / reach[1], close=close,
    )  # fmt: skip


def folio(wanted: Array, panel: Panel) -> vectorbt.Portfolio:
    """vectorbt's portfolios; who buys with all the capital pays the fee out of it: RATE / (1 - RATE) of what is bought."""
    nothing = np.zeros((1, wanted.shape[1]))
    held = np.vstack([nothing, wanted[:-1]])
    before = np.vstack([nothing, held[:-1]])
    return vectorbt.Portfolio.from_orders(
        panel.close, size=np.where(held != before, held, np.nan), size_type="targetpercent", price=panel.open,
        fees=np.where(held > before, RATE / (1 - RATE), RATE), init_cash=1.0, freq="1h",
    )  # fmt: skip


def shared(wanted: Array, panel: Panel) -> Array:
    """vectorbt's equity of one capital, the positions' shares set anew at each open and each close, as ours are."""
    held = np.vstack([np.zeros((1, wanted.shape[1])), wanted[:-1]])
    marks = np.stack([panel.open, panel.close], axis=1).reshape(-1, wanted.shape[1])
    whole = vectorbt.Portfolio.from_orders(
        marks, size=np.repeat(held, 2, axis=0), size_type="targetpercent", price=marks, init_cash=CASH, freq="1h",
        group_by=True, cash_sharing=True, call_seq="auto",
    )  # fmt: skip
    return np.asarray(whole.value())[1::2] / CASH


def alone(wanted: Array, panel: Panel) -> Array:
    """Ours, each instrument with capital of its own: a run for each."""
    rules = Rules(cost=RATE, slippage=0.0)
    return np.column_stack([
        simulate(wanted[:, [n]], only(panel, n), rules).equity for n in range(len(panel.symbols))
    ])  # fmt: skip


def only(panel: Panel, number: int) -> Panel:
    """One instrument of a panel."""
    prices = {name: getattr(panel, name)[:, [number]] for name in ("open", "high", "low", "close")}
    return Panel((panel.symbols[number],), panel.bar_end, panel.session, panel.slot, panel.ends_session, **prices)


def loop(wanted: Array, panel: Panel) -> Array:
    """What a reader would write: bar by bar, instrument by instrument, in Python."""
    bars, instruments = wanted.shape
    equity = np.ones((bars, instruments))
    for i in range(instruments):
        opens, closes, targets = panel.open[:, i].tolist(), panel.close[:, i].tolist(), wanted[:, i].tolist()
        capital, held = 1.0, 0.0
        for t in range(1, bars):
            capital *= 1 + held * (opens[t] / closes[t - 1] - 1)
            capital *= 1 - RATE * abs(targets[t - 1] - held)
            held = targets[t - 1]
            capital *= 1 + held * (closes[t] / opens[t] - 1)
            equity[t, i] = capital
    return equity


def turns(ways: dict[str, Callable[[], Array]]) -> dict[str, list[float]]:
    """Seconds of each way, one after the other in every round."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            spent[name].append(time.perf_counter() - begun)
    return spent


def memory() -> None:
    """Memory at its highest beyond targets and prices, with four times the bars; decisions stand for 35 bars each."""
    table = Table("bars", "MiB beyond the inputs", "of which the answer", title="memory of one run")
    for bars in (BARS, 4 * BARS):
        panel = market(bars)
        target = np.full(panel.open.shape, np.nan)
        target[:: 5 * SLOTS] = np.random.default_rng(3).choice([0.0, 1.0], target[:: 5 * SLOTS].shape) / INSTRUMENTS
        tracemalloc.start()
        path = simulate(target, panel)
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        table.add_row(f"{len(path.net):,}", f"{peak / 2**20:.1f}", f"{kept / 2**20:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
