"""Monitor: has the world moved, and is the champion still as good as it was when it was promoted? From logged answers only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from market_master.artifact.bundle import SHADOW, ModelVersion
from market_master.artifact.reference_window import SESSIONS, Reference
from market_master.domain.arrays import Ints
from market_master.domain.bars import Bars
from market_master.domain.clock import iso, session_date
from market_master.files import write_atomic
from market_master.index.inputs import stored_bars_hash
from market_master.market_data.weights import weigh
from market_master.monitoring import drift, performance
from market_master.monitoring.alerts import Alert
from market_master.monitoring.alerts.book import COOL_DOWN, Finding
from market_master.monitoring.causes import ALARM_TYPES, MonitoringReport
from market_master.monitoring.notify import book_of
from market_master.monitoring.page import pages
from market_master.monitoring.performance import LoggedPredictions, Realised, load_logged_predictions
from market_master.monitoring.reading import TOO_LITTLE, Reading, evaluate_limit, insufficient_history
from market_master.prediction.loaded_model import LoadedModel, load_model
from market_master.prediction.predict import predict_stored
from market_master.prediction_log import PredictionLog
from market_master.registry.tracking import Run
from market_master.registry.versions import Versions
from market_master.reports.archive import monitoring_folder

MOST_LOST = 0.02
"""of the bars or of the weight that should have been there"""
MOST_NEW = 0.05
"""of the index weight, of symbols the champion never saw"""
SAME = 1e-5
"""how far a probability made again may lie from the one that was served"""
OUTAGE_BARS = 2
"""newest bars in a row without a signal"""


def monitor(model: str, home: Path, log: PredictionLog, *, now: int, evidently: bool = True) -> MonitoringReport:
    """Look at the champion, keep what was found in data/monitoring/, with its version's run and in the book of alerts.

    Pages go to data/reports/; those of Evidently only if asked for, they take most of the time.

    Raises NoChampion, NoBars, LogAway, and ModelError for a version without a reference.
    """
    versions = Versions(home, model)
    champion = load_model(versions.champion())
    reference, usual = drift.load_reference_distances(Path(versions.place(champion.model.version).folder))
    bars = champion.store(home).bars(until=now)
    settled = load_logged_predictions(log, champion.model, _since(bars))
    readings = [
        *_answers(champion, reference, settled),
        *_service(champion, home, log, bars, settled),
        *drift.feature_drift(usual, current := drift.current_window(champion, bars)),
        drift.joint_drift(usual, current),
    ]
    other = versions.behind(SHADOW)
    shadow = versions.load(other) if other else None
    seen = MonitoringReport(
        as_of=iso(bars.newest),
        model=model,
        version=champion.model.version,
        shadow=other,
        compared=_compared(reference, current),
        alarms=sorted({r.cause for r in readings if r.moved and r.cause in ALARM_TYPES}, key=list(ALARM_TYPES).index),
        retrain=any(r.moved and ALARM_TYPES[r.cause].retrain for r in readings if r.cause in ALARM_TYPES),
        readings=readings,
        realised=_realised(settled, reference, bars, champion.model),
        realised_shadow=_realised(load_logged_predictions(log, shadow, _since(bars)), reference, bars, shadow)
        if shadow
        else [],
        alerts=_alerts(readings, champion.model, bars, home),
        reports={},
    )
    seen = replace(seen, reports=pages(seen, ALARM_TYPES, champion, reference, current, home, evidently=evidently))
    _keep(seen, champion.model, bars, home)
    return seen


def _since(bars: Bars) -> int:
    """The first instant of the newest sessions, as many as a reference keeps."""
    return int(bars.bar_end[bars.session >= np.unique(bars.session)[-SESSIONS:][0]].min())


def _answers(champion: LoadedModel, reference: Reference, settled: LoggedPredictions) -> list[Reading]:
    return [
        *performance.performance_alarms(reference, settled),
        *drift.answer_drift(reference, settled, champion),
        drift.calibration_drift(reference, settled),
        drift.constant_answers(settled, champion),
    ]


def _service(
    champion: LoadedModel, home: Path, log: PredictionLog, bars: Bars, settled: LoggedPredictions
) -> list[Reading]:
    """Is every bar there, has it its signal, and are the signals what they would be if made again?"""
    days = np.unique(bars.session)[-drift.WINDOWS[0] :]
    table = weigh(champion.settings.universe, bars.newest, set(bars.symbols))
    expected = bars.timetable.between(int(bars.bar_end.min()), bars.newest)
    ends = expected.end[np.isin(expected.session, days) & (expected.end <= bars.newest)]
    members = np.isin(np.asarray(bars.symbols)[bars.code], list(table.by_symbol))
    held = int((np.isin(bars.bar_end, ends) & members).sum())
    lost = 1 - held / (len(ends) * len(table.by_symbol))
    new = sum(weight for symbol, weight in table.by_symbol.items() if symbol not in champion.card.symbols)
    return [
        _at_once("bars", "share of bars missing", len(days), lost, MOST_LOST),
        _at_once("universe", "weight of unseen symbols", 1, new, MOST_NEW),
        *_signals(log, champion, ends, len(days)),
        _parity(champion, home, log, settled),
    ]


def _signals(log: PredictionLog, champion: LoadedModel, ends: np.ndarray, sessions: int) -> list[Reading]:
    """Bars without a signal, and weight without an action, since signals were first logged."""
    rows = log.signals_since(champion.ref.name, champion.settings.universe.index, int(ends[0]))
    if not rows:
        none = "No signal was ever logged for these bars."
        return [insufficient_history(cause, "signals", sessions, none) for cause in ("outage", "coverage")]
    covered = {int(row["bar_end"]): float(json.loads(row["record"])["coverage"]) for row in reversed(rows)}
    ends = ends[ends >= rows[0]["bar_end"]]
    there = np.array([covered.get(int(end), 0.0) for end in ends])
    silent = int(np.argmax(there[::-1] > 0)) if (there > 0).any() else len(there)
    return [
        _at_once("outage", "newest bars without a signal", 1, float(silent), OUTAGE_BARS - 1),
        _at_once("coverage", "weight without a fresh action", sessions, float(1 - there.mean()), MOST_LOST),
    ]


def _parity(champion: LoadedModel, home: Path, log: PredictionLog, settled: LoggedPredictions) -> Reading:
    """The newest logged bar's answers, made again from the same stored bars by the same version."""
    what = "largest difference of a probability"
    rows = log.of_version(champion.ref.name, champion.ref.version, int(settled.all_end.max(initial=0)))
    if not rows or not len(settled.all_end):
        return insufficient_history("parity", what, 1, "No prediction was logged yet.")
    bar_end = int(rows[0]["bar_end"])
    signal = log.signal_at(champion.ref.name, champion.settings.universe.index, bar_end)
    store = champion.store(home)
    if signal and json.loads(signal["hashes"])["bars"] != stored_bars_hash(champion, store, bar_end):
        late = f"Bars up to {iso(bar_end)} came after the signal was made; its answers can't be made again."
        return insufficient_history("parity", what, 1, late)
    symbols = [str(row["symbol"]) for row in rows]
    again = predict_stored(champion, store, symbols, now=bar_end, asof=bar_end)
    off = max(
        abs(made.probabilities[name] - row[name])
        for made, row in zip(again, rows, strict=True)
        for name in made.probabilities
    )
    return _at_once("parity", what, 1, float(off), SAME)


def _at_once(cause: str, statistic: str, sessions: int, value: float, limit: float) -> Reading:
    """A count that is exact needs no second look."""
    return evaluate_limit(cause, statistic, sessions, np.array([value]), limit, "at once", needed=1)


def _realised(settled: LoggedPredictions, reference: Reference, bars: Bars, version: ModelVersion) -> list[Realised]:
    return performance.realised(settled, reference.prior, bars, version.card.members)


def _compared(reference: Reference, current: drift.CurrentWindow) -> dict[str, Any]:
    learned = reference.session[reference.learned]
    days = np.unique(current.session)
    return {
        "reference": _dates(learned),
        "current": {str(length): _dates(days[-length:]) for length in drift.WINDOWS},
    }


def _dates(sessions: Ints) -> list[str]:
    """The first and the last."""
    return [session_date(day).isoformat() for day in (sessions.min(), sessions.max())]


def _alerts(readings: Sequence[Reading], version: ModelVersion, bars: Bars, home: Path) -> list[Alert]:
    """What the readings of each cause come to, noted in the book; the alerts that are open now."""
    findings = []
    for cause, meaning in ALARM_TYPES.items():
        mine = [reading for reading in readings if reading.cause == cause]
        moved = [reading for reading in mine if reading.moved]
        known = [reading for reading in mine if reading.state != TOO_LITTLE]
        reason = f"{meaning.words}: " + " ".join(reading.reason for reading in moved[:5])
        findings.append(Finding(cause, meaning.severity, bool(moved) if known else None, reason))
    days = np.unique(bars.session)
    book = book_of(home)
    book.note(
        findings,
        version.name,
        version.version,
        as_of=iso(bars.newest),
        session=int(days[-1]),
        quiet_from=int(days[-COOL_DOWN:][0]),
    )
    return [alert for alert in book.alerts() if alert.model == version.name and alert.closed is None]


def _keep(seen: MonitoringReport, version: ModelVersion, bars: Bars, home: Path) -> None:
    """A file a day, and numbers with the version's run: their step is the session."""
    session = int(bars.session.max())
    write_atomic(
        monitoring_folder(home, seen.model) / f"{session_date(session)}.json",
        json.dumps(asdict(seen), indent=1).encode(),
    )
    whole = next((part for part in seen.realised if part.part == "all"), None)
    numbers = {"rpss": whole.rpss, "dir": whole.dir, "ic": whole.ic, "hit_rate": whole.hit_rate} if whole else {}
    told = {f"live_{name}": value for name, value in numbers.items()}
    told |= {f"alarm_{cause}": float(cause in seen.alarms) for cause in ALARM_TYPES}
    Run(home, version.run_id).metrics(told, step=session)
