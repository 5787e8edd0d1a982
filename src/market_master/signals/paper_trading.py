"""Paper trading: returns of the logged signals, beside the backtest of the same bars."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from market_master.backtest.engine import simulate
from market_master.backtest.history import index_history
from market_master.backtest.instrument import traded_instrument
from market_master.backtest.panel import Panel
from market_master.backtest.run import POSITIONS, rules_from_settings
from market_master.domain import Array, Bars, Ints, NoSignal, as_json, iso
from market_master.files import atomic_folder, require_empty_folder
from market_master.index.series import lookback_bars
from market_master.prediction.history import predict_history
from market_master.prediction.loaded_model import LoadedModel, load_model
from market_master.prediction_log import BACKFILLED, PredictionLog, Row
from market_master.registry.versions import Versions

MAX_DIFFERENCES = 20
WSS_TOLERANCE = 1e-12
"""WSS that differ by no more are equal"""


@dataclass(frozen=True)
class PaperTrading:
    """The logged signals traded forward; its field names are the JSON of `mm backtest --paper`."""

    sentence: str
    index: str
    instrument: str
    first: str
    last: str
    bars: int
    """of the instrument, from the first logged signal on"""
    traded: int
    """bars whose signal was acted upon"""
    backfilled: int
    """signals that were made afterwards: nobody could have traded on them"""
    late: int
    """signals that missed the next open, filled at the first one after they were made"""
    silent: int
    """bars without a signal: nothing is held"""
    differing: list[dict[str, Any]]
    """bars whose logged signal or WSS is not the backtest's: at most 20"""
    different: int
    paper_net: float
    """compounded, after costs"""
    backtest_net: float
    """of the same bars, every signal in time"""
    versions: list[str]


def trade_on_paper(model: str, home: Path, log: PredictionLog, out: Path) -> dict[str, Any]:
    """Trade the prediction log's signals on the store's bars and write paper.csv and summary.json into a new folder.

    The first signal made of a bar counts; one that was backfilled is not traded; one that came late is filled at the first
    open after it was made, where the provider is live. Raises NoSignal when none was logged, NoChampion, ConfigError (`out`
    holds something), NotWritten.
    """
    out, versions = require_empty_folder(out), Versions(home, model)
    champion = load_model(versions.champion())
    universe, bars = champion.settings.universe, champion.store(home).bars()
    logged = {int(row["bar_end"]): row for row in reversed(log.signals_since(model, universe.index, 0))}
    if not logged:
        raise NoSignal(f"No signal of {model} was logged yet: `mm backfill`, the server and scheduled runs log them.")
    traded = traded_instrument(bars, universe)
    since_first = traded.bars.take(traded.bars.bar_end >= min(logged))
    panel = Panel.of(since_first)
    signals, late = _executed_signals(logged, panel, since_first, live=champion.card.live)
    recomputed = _recomputed(logged, versions, champion, bars, panel.bar_end)
    recomputed_signals = [signal for signal, _ in recomputed]
    paper_net, backtest_net = _net(signals, panel, champion), _net(recomputed_signals, panel, champion)
    differences = _differences(logged, panel, recomputed)
    record = PaperTrading(
        sentence=_sentence(paper_net, backtest_net, len(differences), late),
        index=universe.index,
        instrument=traded.description,
        first=iso(int(panel.bar_end[0])),
        last=iso(int(panel.bar_end[-1])),
        bars=len(panel),
        traded=sum(signal is not None for signal in signals),
        backfilled=sum(row["source"] == BACKFILLED for row in logged.values()),
        late=late,
        silent=sum(end not in logged for end in panel.bar_end.tolist()),
        differing=differences[:MAX_DIFFERENCES],
        different=len(differences),
        paper_net=_compounded(paper_net),
        backtest_net=_compounded(backtest_net),
        versions=sorted({row["version"] for row in logged.values()}, key=int),
    )
    columns = {
        "bar_end": pd.to_datetime(panel.bar_end, unit="s", utc=True),
        "acted_upon": signals,
        "logged": [logged[end]["signal"] if end in logged else None for end in panel.bar_end.tolist()],
        "backtested": recomputed_signals,
        "paper_net": paper_net,
        "backtest_net": backtest_net,
    }
    return _write(out, record, pd.DataFrame(columns))


def _write(out: Path, record: PaperTrading, table: pd.DataFrame) -> dict[str, Any]:
    summary: dict[str, Any] = as_json(record) | {"files": {"paper": str(out / "paper.csv")}}
    with atomic_folder(out) as part:
        table.to_csv(part / "paper.csv", index=False)
        (part / "summary.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")
    return summary


def _executed_signals(
    logged: Mapping[int, Row], panel: Panel, bars: Bars, *, live: bool
) -> tuple[list[str | None], int]:
    """The signal acted upon at each bar, and how many signals came too late for their own next open."""
    signals: list[str | None] = [None] * len(panel)
    row_of, late = {end: n for n, end in enumerate(panel.bar_end.tolist())}, 0
    for end in sorted(logged):
        entry = logged[end]
        if entry["source"] == BACKFILLED or end not in row_of:
            continue
        row = row_of[end]
        if live and entry["made_at"] > bars.next_start[row]:
            late += 1
            row = int(np.searchsorted(bars.next_start, entry["made_at"]))
        if row < len(signals):
            signals[row] = entry["signal"]
    return signals, late


def _recomputed(
    logged: Mapping[int, Row], versions: Versions, champion: LoadedModel, bars: Bars, instants: Ints
) -> list[tuple[str | None, float]]:
    """Signal and WSS of each bar that has a logged one, by the version that made it, as a backtest makes them now."""
    recomputed: dict[int, tuple[str | None, float]] = {}
    for version in {row["version"] for row in logged.values()}:
        ends = sorted(end for end, row in logged.items() if row["version"] == version)
        version_model = champion if version == champion.artifact.version else load_model(versions.load(version))
        since = _lookback_start(version_model, bars, ends[0])
        series = index_history(version_model, predict_history(version_model, bars, since=since))
        of_version = set(ends)
        recomputed |= {
            int(end): (signal, float(wss))
            for end, signal, wss in zip(series.bar_end, series.signal, series.wss, strict=True)
            if int(end) in of_version
        }
    return [recomputed.get(end, (None, math.nan)) for end in instants.tolist()]


def _lookback_start(model: LoadedModel, bars: Bars, first: int) -> int:
    """An instant from which on a series makes the signal at `first`: as many bars before it as a signal is made of."""
    ends = np.unique(bars.bar_end)
    return int(ends[max(0, int(np.searchsorted(ends, first)) - lookback_bars(model.settings.policy))])


def _net(signals: Sequence[str | None], panel: Panel, champion: LoadedModel) -> Array:
    """Return of each bar, after costs; flat where there is no signal."""
    target = np.array([[POSITIONS[signal] if signal else 0.0] for signal in signals])
    rules = rules_from_settings(champion.settings, champion.settings.costs.index_bps)
    return simulate(target, panel, rules).net


def _differences(
    logged: Mapping[int, Row], panel: Panel, recomputed: Sequence[tuple[str | None, float]]
) -> list[dict[str, Any]]:
    """The bars whose logged signal or WSS is not the recomputed one."""
    differences = []
    for end, (signal, wss) in zip(panel.bar_end.tolist(), recomputed, strict=True):
        row = logged.get(end)
        if row is None or (row["signal"] == signal and abs(row["wss"] - wss) <= WSS_TOLERANCE):
            continue
        differences.append({
            "bar_end": iso(row["bar_end"]),
            "version": row["version"],
            "logged": row["signal"],
            "backtested": signal,
            "logged_wss": row["wss"],
            "backtested_wss": None if math.isnan(wss) else wss,
        })  # fmt: skip
    return differences


def _sentence(paper_net: Array, backtest_net: Array, different: int, late: int) -> str:
    agreement = (
        f"{different} logged signals are not the backtest's" if different else "every logged signal is the backtest's"
    )
    return (
        f"On paper {_compounded(paper_net):+.2%} after costs, the backtest of the same bars {_compounded(backtest_net):+.2%}: "
        f"{agreement}, {late} came too late for their open."
    )


def _compounded(net: Array) -> float:
    return float(np.prod(1 + net) - 1)
