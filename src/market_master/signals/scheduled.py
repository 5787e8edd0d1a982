"""The scheduled signal: one logged for each bar, or one stated reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import FileLock, Timeout

from market_master.artifact.bundle import SHADOW
from market_master.config import Settings
from market_master.domain import (
    DAY,
    IndexSignal,
    LowCoverage,
    MarketMasterError,
    ModelError,
    NoBars,
    StaleData,
    instant,
    iso,
)
from market_master.index.attribution import explained_signal
from market_master.index.inputs import input_hashes, read_inputs
from market_master.index.signal import index_signal, predict_index
from market_master.lifecycle.auto_rollback import roll_back_if_needed
from market_master.market_data.ingest import update_store
from market_master.prediction.loaded_model import LoadedModel, load_model
from market_master.prediction.recorder import Recorder
from market_master.prediction.window import BarSource
from market_master.prediction_log import BACKFILLED, PredictionLog, Writer
from market_master.registry.champion import load_champion
from market_master.registry.versions import Versions
from market_master.signals.settlement import settle_outcomes


@dataclass(frozen=True)
class SignalRun:
    """Result of a scheduled run: a signal, or the reason why there is none."""

    status: Literal["signalled", "skipped"]
    bar_end: str | None
    """of the bar that the run was for"""
    reason: str
    signal: IndexSignal | None = None
    """with its explanation, if it was made for its time; a backfilled one has none"""
    settled: int = 0
    """earlier predictions whose outcome is known now"""


def run_scheduled_signal(
    settings: Settings, home: Path, log: PredictionLog, *, now: int, asof: int | None = None
) -> SignalRun:
    """Fetch, settle what has closed, and make and log the index's signal of the newest closed bar.

    `asof` is when the run was due, and the run is for the newest bar that had closed by then: when a later one has closed,
    or it has its signal, the run is skipped and says so. One run at a time. Raises NoChampion and what fetching raises.
    """
    try:
        with FileLock(home / "data" / "signal.lock", timeout=0):
            _write_spilled(log, home)
            champion = _load_champion(settings.registry.model, home)
            live = champion.card.live
            if not live:  # such a source has no other clock than its newest bar
                update_store(settings, home, now)
            bar = _newest_closed(champion, home, now)
            due = bar if asof is None else _closed_by(champion, asof)
            if due < bar:
                return SignalRun("skipped", iso(due), f"The run is late: the bar that ends {iso(bar)} has closed too.")
            if _has_signal(log, champion, bar):
                return _already_signalled(bar)
            if live:
                update_store(settings, home, now)
            settled = settle_outcomes(log, champion.ref.name, home, now=now)["settled"]
            run = signal_bar(champion, home, log, bar, now=now, source="scheduled")
            return replace(run, settled=settled)
    except Timeout:
        return SignalRun("skipped", None if asof is None else iso(asof), "Another run is making the signal now.")


def backfill_signals(
    settings: Settings, home: Path, log: PredictionLog, *, first: int, last: int, now: int
) -> list[SignalRun]:
    """Fetch, and make the signals of the bars that ended in a span and have none, in order, marked as backfilled.

    Each is made from the bars that had closed by then; one that the champion has learned from stays without a signal, which
    would be hindsight. Raises what fetching raises.
    """
    with FileLock(home / "data" / "signal.lock", timeout=600):
        _write_spilled(log, home)
        champion = _load_champion(settings.registry.model, home)
        update_store(settings, home, now)
        schedule = champion.card.times.between(first, last)
        ends = schedule.end[(schedule.end >= first) & (schedule.end <= min(last, now))]
        runs = [_backfill_bar(champion, home, log, end) for end in ends.tolist()]
        settle_outcomes(log, champion.ref.name, home, now=now)
        return runs


def signal_bar(champion: LoadedModel, home: Path, log: PredictionLog, bar: int, *, now: int, source: str) -> SignalRun:
    """Make and log the index's signal of a stored bar, and have the shadow predict the same bar; nothing is fetched.

    `source` is who made it, for the log; unless it was backfilled, the signal that is returned has its explanation.
    """
    bar_end = iso(bar)
    writer = Writer(log, home / "data" / "spill")
    try:
        recorder = Recorder(writer.put, source)
        try:
            store = _bars_up_to(bar, champion, home)
            inputs = read_inputs(champion, store, now=now, asof=bar, on_predictions=recorder.observer())
            signal = index_signal(champion, inputs)
        except (NoBars, StaleData, LowCoverage) as error:
            return SignalRun("skipped", bar_end, f"{error.title}: {error}")
        if signal.as_of != bar_end:
            reason = f"The store has no bar that ends {bar_end}; its newest ended {signal.as_of}."
            return SignalRun("skipped", bar_end, reason)
        recorder.signal(signal, partial(input_hashes, champion, inputs))
        shadow_note = _run_shadow(champion.ref.name, home, bar, now, recorder)
    finally:
        writer.close()
    if source != BACKFILLED:
        signal = explained_signal(champion, store, inputs)
    return SignalRun("signalled", signal.as_of, f"{signal.signal} {signal.signal_for}.{shadow_note}", signal)


def _backfill_bar(champion: LoadedModel, home: Path, log: PredictionLog, bar: int) -> SignalRun:
    if _has_signal(log, champion, bar):
        return _already_signalled(bar)
    if bar <= instant(champion.card.label_known):
        version, known = champion.ref.version, champion.card.label_known
        return SignalRun(
            "skipped", iso(bar), f"Version {version} has learned from bars up to {known}; it would be hindsight."
        )
    return signal_bar(champion, home, log, bar, now=bar, source=BACKFILLED)


def _bars_up_to(bar: int, model: LoadedModel, home: Path) -> BarSource:
    """Where the bars up to one are read: the file of the newest bars, unless there are later ones."""
    store = model.store(home)
    recent = store.recent()
    return recent if recent.newest() <= bar else store


def _newest_closed(champion: LoadedModel, home: Path, now: int) -> int:
    """End of the newest bar: by the calendar where the provider is live, else by the store."""
    if champion.card.live:
        return _closed_by(champion, now)
    return champion.store(home).recent().newest()


def _closed_by(champion: LoadedModel, instant: int) -> int:
    """End of the newest bar that the calendar had closed by an instant."""
    schedule = champion.card.times.between(instant - 15 * DAY, instant)
    return int(schedule.end[np.searchsorted(schedule.end, instant, "right") - 1])


def _write_spilled(log: PredictionLog, home: Path) -> None:
    """A bar's signal may lie on disk since the log was away; it has one then."""
    Writer(log, home / "data" / "spill").close()


def _already_signalled(bar: int) -> SignalRun:
    return SignalRun("skipped", iso(bar), f"The bar that ends {iso(bar)} has its signal already.")


def _load_champion(model: str, home: Path) -> LoadedModel:
    """The champion, or where it can't be served the one before it."""
    try:
        return load_champion(home, model)
    except ModelError:
        if roll_back_if_needed(model, home) is None:
            raise
        return load_champion(home, model)


def _run_shadow(model: str, home: Path, bar: int, now: int, recorder: Recorder) -> str:
    """Have the version in the shadow answer the same bar; it is logged, and nobody acts on it. Returns why it could not."""
    version = Versions(home, model).version_at_alias(SHADOW)
    if version is None:
        return ""
    try:
        shadow = load_model(Versions(home, model).load(version))
        predict_index(shadow, _bars_up_to(bar, shadow, home), now=now, asof=bar, on_predictions=recorder.observer())
    except MarketMasterError as error:
        return f" Version {version} in the shadow gave no answer: {error.title}: {error}"
    return ""


def _has_signal(log: PredictionLog, champion: LoadedModel, bar: int) -> bool:
    return log.signal_at(champion.ref.name, champion.settings.universe.index, bar) is not None
