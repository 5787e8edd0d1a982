"""Paper: what the logged signals would have earned as they were said, beside the backtest of the same bars."""

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
from market_master.backtest.instrument import instrument
from market_master.backtest.panel import Panel
from market_master.backtest.run import POSITIONS, index_history, rules_of
from market_master.domain.arrays import Array, Ints
from market_master.domain.bars import Bars
from market_master.domain.clock import iso
from market_master.domain.errors import NoSignal
from market_master.domain.records import as_json
from market_master.files import atomic_folder, require_empty_folder
from market_master.index.series import lookback_bars
from market_master.prediction.history import predict_history
from market_master.prediction.loaded_model import LoadedModel, load_model
from market_master.prediction_log import PredictionLog
from market_master.prediction_log.log import BACKFILLED
from market_master.prediction_log.tables import Row
from market_master.registry.versions import Versions

SHOWN = 20
CLOSE = 1e-12
"""WSS that differ by no more are the same"""


@dataclass(frozen=True)
class Paper:
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


def paper(model: str, home: Path, log: PredictionLog, out: Path) -> dict[str, Any]:
    """Trade the prediction log's signals on the store's bars and write paper.csv and summary.json into a new folder.

    The first signal made of a bar counts; one that was backfilled is not traded; one that came late is filled at the first
    open after it was made, where the provider is live. Raises NoSignal when none was logged, NoChampion, ConfigError (`out`
    holds something), NotWritten.
    """
    out, versions = require_empty_folder(out), Versions(home, model)
    champion = load_model(versions.champion())
    universe, bars = champion.settings.universe, champion.store(home).bars()
    rows = {int(row["bar_end"]): row for row in reversed(log.signals_since(model, universe.index, 0))}
    if not rows:
        raise NoSignal(f"No signal of {model} was logged yet: `mm backfill`, the server and scheduled runs log them.")
    traded = instrument(bars, universe)
    panel = Panel.of(traded.bars, traded.bars.bar_end >= min(rows))
    said, late = _said(rows, panel, traded.bars.take(traded.bars.bar_end >= min(rows)), live=champion.card.live)
    again = _again(rows, versions, champion, bars, panel.bar_end)
    nets = [_net(words, panel, champion) for words in (said, [word for word, _ in again])]
    both = zip(panel.bar_end.tolist(), again, strict=True)
    differing = [_differing(rows[end], word, wss) for end, (word, wss) in both if end in rows]
    wrong = [told for told in differing if told is not None]
    told = Paper(
        sentence=_sentence(nets, len(wrong), late),
        index=universe.index,
        instrument=traded.words,
        first=iso(int(panel.bar_end[0])),
        last=iso(int(panel.bar_end[-1])),
        bars=len(panel),
        traded=sum(word is not None for word in said),
        backfilled=sum(row["source"] == BACKFILLED for row in rows.values()),
        late=late,
        silent=sum(end not in rows for end in panel.bar_end.tolist()),
        differing=wrong[:SHOWN],
        different=len(wrong),
        paper_net=float(np.prod(1 + nets[0]) - 1),
        backtest_net=float(np.prod(1 + nets[1]) - 1),
        versions=sorted({row["version"] for row in rows.values()}, key=int),
    )
    with atomic_folder(out) as part:
        columns = {
            "bar_end": pd.to_datetime(panel.bar_end, unit="s", utc=True),
            "acted_upon": said,
            "logged": [rows[end]["signal"] if end in rows else None for end in panel.bar_end.tolist()],
            "backtested": [word for word, _ in again],
            "paper_net": nets[0],
            "backtest_net": nets[1],
        }
        pd.DataFrame(columns).to_csv(part / "paper.csv", index=False)
        answer: dict[str, Any] = as_json(told) | {"files": {"paper": str(out / "paper.csv")}}
        (part / "summary.json").write_text(json.dumps(answer, indent=2), encoding="utf-8")
    return answer


def _said(rows: Mapping[int, Row], panel: Panel, bars: Bars, *, live: bool) -> tuple[list[str | None], int]:
    """What was acted upon at each bar, and how many signals came too late for their own next open."""
    said: list[str | None] = [None] * len(panel)
    place, late = {end: n for n, end in enumerate(panel.bar_end.tolist())}, 0
    for end in sorted(rows):
        row = rows[end]
        if row["source"] == BACKFILLED or end not in place:
            continue
        at = place[end]
        if live and row["made_at"] > bars.next_start[at]:
            late += 1
            at = int(np.searchsorted(bars.next_start, row["made_at"]))
        if at < len(said):
            said[at] = row["signal"]
    return said, late


def _again(
    rows: Mapping[int, Row], versions: Versions, champion: LoadedModel, bars: Bars, clock: Ints
) -> list[tuple[str | None, float]]:
    """Signal and WSS of each bar that has a logged one, by the version that made it, as a backtest makes them now."""
    found: dict[int, tuple[str | None, float]] = {}
    for version in {row["version"] for row in rows.values()}:
        mine = sorted(end for end, row in rows.items() if row["version"] == version)
        speaker = champion if version == champion.artifact.version else load_model(versions.load(version))
        series = index_history(speaker, predict_history(speaker, bars, since=_early_enough(speaker, bars, mine[0])))
        found |= {
            int(end): (word, float(wss))
            for end, word, wss in zip(series.bar_end, series.signal, series.wss, strict=True)
            if int(end) in rows and rows[int(end)]["version"] == version
        }
    return [found.get(end, (None, math.nan)) for end in clock.tolist()]


def _early_enough(champion: LoadedModel, bars: Bars, first: int) -> int:
    """An instant from which on a series makes the signal at `first`: as many bars before it as a signal is made of."""
    clock = np.unique(bars.bar_end)
    return int(clock[max(0, int(np.searchsorted(clock, first)) - lookback_bars(champion.settings.policy))])


def _net(words: Sequence[str | None], panel: Panel, champion: LoadedModel) -> Array:
    """Return of each bar, after costs; without a signal nothing is held."""
    target = np.array([[POSITIONS[word] if word else 0.0] for word in words])
    rules = rules_of(champion.settings, champion.settings.costs.index_bps)
    return simulate(target, panel, rules).net


def _differing(row: Row, word: str | None, wss: float) -> dict[str, Any] | None:
    if row["signal"] == word and abs(row["wss"] - wss) <= CLOSE:
        return None
    told = {"logged": row["signal"], "backtested": word, "logged_wss": row["wss"]}
    return {
        "bar_end": iso(row["bar_end"]),
        "version": row["version"],
        **told,
        "backtested_wss": None if wss != wss else wss,
    }


def _sentence(nets: list[Array], wrong: int, late: int) -> str:
    earned, should = (float(np.prod(1 + net) - 1) for net in nets)
    same = "every logged signal is the backtest's" if not wrong else f"{wrong} logged signals are not the backtest's"
    return (
        f"On paper {earned:+.2%} after costs, the backtest of the same bars {should:+.2%}: {same}, {late} came too late for "
        "their open."
    )
