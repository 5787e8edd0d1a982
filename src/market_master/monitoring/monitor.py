"""Monitoring of the champion: readings of bars and predictions, alerts, pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from market_master.artifact.bundle import SHADOW, ModelVersion
from market_master.artifact.reference_window import MAX_SESSIONS, Reference
from market_master.domain import Bars, Ints, iso, session_date
from market_master.files import write_atomic
from market_master.index.inputs import stored_bars_hash
from market_master.market_data.weights import index_weights
from market_master.monitoring import drift, performance
from market_master.monitoring.alerts import Alert
from market_master.monitoring.alerts.book import COOL_DOWN, Finding
from market_master.monitoring.causes import ALARM_TYPES, MonitoringReport
from market_master.monitoring.notify import alert_book
from market_master.monitoring.page import write_pages
from market_master.monitoring.performance import LoggedPredictions, RealisedPerformance, load_logged_predictions
from market_master.monitoring.reading import NOT_ENOUGH_HISTORY, Reading, evaluate_limit, insufficient_history
from market_master.prediction.loaded_model import LoadedModel, load_model
from market_master.prediction.predict import predict_stored
from market_master.prediction_log import PredictionLog
from market_master.registry.tracking import Run
from market_master.registry.versions import Versions
from market_master.reports.archive import monitoring_folder

MAX_MISSING_SHARE = 0.02
"""of the bars or of the weight that should have been there"""
MAX_UNSEEN_WEIGHT = 0.05
"""of the index weight, of symbols the champion never saw"""
PARITY_TOLERANCE = 1e-5
"""how far a probability that is computed again may lie from the one that was served"""
OUTAGE_BARS = 2
"""newest bars in a row without a signal"""


def monitor(model: str, home: Path, log: PredictionLog, *, now: int, evidently: bool = True) -> MonitoringReport:
    """Look at the champion, keep what was found in data/monitoring/, with its version's run and in the book of alerts.

    Pages go to data/reports/; those of Evidently only if asked for, they take most of the time.

    Raises NoChampion, NoBars, LogAway, and ModelError for a version without a reference.
    """
    versions = Versions(home, model)
    champion = load_model(versions.champion())
    reference, distances = drift.load_reference_distances(Path(versions.files(champion.artifact.version).folder))
    bars = champion.store(home).bars(until=now)
    since = _first_instant(bars)
    predictions = load_logged_predictions(log, champion.artifact, since)
    current = drift.current_window(champion, bars)
    readings = [
        *_prediction_readings(champion, reference, predictions),
        *_service_readings(champion, home, log, bars, predictions),
        *drift.feature_drift(distances, current),
        drift.joint_drift(distances, current),
    ]
    shadow_version = versions.version_at_alias(SHADOW)
    shadow = versions.load(shadow_version) if shadow_version else None
    report = MonitoringReport(
        as_of=iso(bars.newest),
        model=model,
        version=champion.artifact.version,
        shadow=shadow_version,
        compared=_compared_sessions(reference, current),
        alarms=sorted({r.cause for r in readings if r.moved and r.cause in ALARM_TYPES}, key=list(ALARM_TYPES).index),
        retrain=any(r.moved and ALARM_TYPES[r.cause].retrain for r in readings if r.cause in ALARM_TYPES),
        readings=readings,
        realised=_realised(predictions, reference, bars, champion.artifact),
        realised_shadow=_realised(load_logged_predictions(log, shadow, since), reference, bars, shadow)
        if shadow
        else [],
        alerts=_update_alerts(readings, champion.artifact, bars, home),
        reports={},
    )
    report = replace(report, reports=write_pages(report, champion, reference, current, home, evidently=evidently))
    _store_report(report, champion.artifact, bars, home)
    return report


def _first_instant(bars: Bars) -> int:
    """Of the newest sessions, as many as a reference keeps."""
    return int(bars.bar_end[bars.session >= np.unique(bars.session)[-MAX_SESSIONS:][0]].min())


def _prediction_readings(champion: LoadedModel, reference: Reference, predictions: LoggedPredictions) -> list[Reading]:
    return [
        *performance.performance_alarms(reference, predictions),
        *drift.prediction_drift(reference, predictions, champion),
        drift.calibration_drift(reference, predictions),
        drift.constant_predictions(predictions, champion),
    ]


def _service_readings(
    champion: LoadedModel, home: Path, log: PredictionLog, bars: Bars, predictions: LoggedPredictions
) -> list[Reading]:
    """Missing bars, unseen symbols, bars without a signal, and parity of the logged predictions with the version."""
    days = np.unique(bars.session)[-drift.WINDOWS[0] :]
    weights = index_weights(champion.settings.universe, bars.newest, set(bars.symbols))
    expected = bars.timetable.between(int(bars.bar_end.min()), bars.newest)
    ends = expected.end[np.isin(expected.session, days) & (expected.end <= bars.newest)]
    is_member = np.isin(np.asarray(bars.symbols)[bars.code], list(weights.by_symbol))
    present = int((np.isin(bars.bar_end, ends) & is_member).sum())
    missing = 1 - present / (len(ends) * len(weights.by_symbol))
    unseen = sum(weight for symbol, weight in weights.by_symbol.items() if symbol not in champion.card.symbols)
    return [
        _exact_reading("bars", "share of bars missing", len(days), missing, MAX_MISSING_SHARE),
        _exact_reading("universe", "weight of unseen symbols", 1, unseen, MAX_UNSEEN_WEIGHT),
        *_signal_readings(log, champion, ends, len(days)),
        _parity_reading(champion, home, log, predictions),
    ]


def _signal_readings(log: PredictionLog, champion: LoadedModel, ends: np.ndarray, sessions: int) -> list[Reading]:
    """Bars without a signal, and weight without an action, since signals were first logged."""
    rows = log.signals_since(champion.ref.name, champion.settings.universe.index, int(ends[0]))
    if not rows:
        reason = "No signal was ever logged for these bars."
        return [insufficient_history(cause, "signals", sessions, reason) for cause in ("outage", "coverage")]
    coverage_at = {int(row["bar_end"]): float(json.loads(row["record"])["coverage"]) for row in reversed(rows)}
    ends = ends[ends >= rows[0]["bar_end"]]
    coverage = np.array([coverage_at.get(int(end), 0.0) for end in ends])
    silent = int(np.argmax(coverage[::-1] > 0)) if (coverage > 0).any() else len(coverage)
    return [
        _exact_reading("outage", "newest bars without a signal", 1, float(silent), OUTAGE_BARS - 1),
        _exact_reading(
            "coverage", "weight without a fresh action", sessions, float(1 - coverage.mean()), MAX_MISSING_SHARE
        ),
    ]


def _parity_reading(champion: LoadedModel, home: Path, log: PredictionLog, predictions: LoggedPredictions) -> Reading:
    """The newest logged bar's answers, made again from the same stored bars by the same version."""
    statistic = "largest difference of a probability"
    rows = log.of_version(champion.ref.name, champion.ref.version, int(predictions.all_end.max(initial=0)))
    if not rows or not len(predictions.all_end):
        return insufficient_history("parity", statistic, 1, "No prediction was logged yet.")
    bar_end = int(rows[0]["bar_end"])
    signal = log.signal_at(champion.ref.name, champion.settings.universe.index, bar_end)
    store = champion.store(home)
    if signal and json.loads(signal["hashes"])["bars"] != stored_bars_hash(champion, store, bar_end):
        reason = f"Bars up to {iso(bar_end)} came after the signal was made; its answers can't be made again."
        return insufficient_history("parity", statistic, 1, reason)
    symbols = [str(row["symbol"]) for row in rows]
    recomputed = predict_stored(champion, store, symbols, now=bar_end, asof=bar_end)
    difference = max(
        abs(prediction.probabilities[name] - row[name])
        for prediction, row in zip(recomputed, rows, strict=True)
        for name in prediction.probabilities
    )
    return _exact_reading("parity", statistic, 1, float(difference), PARITY_TOLERANCE)


def _exact_reading(cause: str, statistic: str, sessions: int, value: float, limit: float) -> Reading:
    """A count that is exact needs no second look."""
    return evaluate_limit(cause, statistic, sessions, np.array([value]), limit, "at once", min_streak=1)


def _realised(
    predictions: LoggedPredictions, reference: Reference, bars: Bars, version: ModelVersion
) -> list[RealisedPerformance]:
    return performance.realised_performance(predictions, reference.prior, bars, version.card.members)


def _compared_sessions(reference: Reference, current: drift.CurrentWindow) -> dict[str, Any]:
    sessions = reference.session[reference.learned]
    days = np.unique(current.session)
    return {
        "reference": _first_and_last(sessions),
        "current": {str(length): _first_and_last(days[-length:]) for length in drift.WINDOWS},
    }


def _first_and_last(sessions: Ints) -> list[str]:
    """Dates of the first and the last session."""
    return [session_date(day).isoformat() for day in (sessions.min(), sessions.max())]


def _update_alerts(readings: Sequence[Reading], version: ModelVersion, bars: Bars, home: Path) -> list[Alert]:
    """Note the readings of each cause in the book of alerts; returns the alerts that are open now."""
    findings = []
    for cause, alarm in ALARM_TYPES.items():
        of_cause = [reading for reading in readings if reading.cause == cause]
        moved = [reading for reading in of_cause if reading.moved]
        has_history = any(reading.state != NOT_ENOUGH_HISTORY for reading in of_cause)
        reason = f"{alarm.meaning}: " + " ".join(reading.reason for reading in moved[:5])
        findings.append(Finding(cause, alarm.severity, bool(moved) if has_history else None, reason))
    days = np.unique(bars.session)
    book = alert_book(home)
    book.note(
        findings,
        version.name,
        version.version,
        as_of=iso(bars.newest),
        session=int(days[-1]),
        quiet_from=int(days[-COOL_DOWN:][0]),
    )
    return [alert for alert in book.alerts() if alert.model == version.name and alert.closed is None]


def _store_report(report: MonitoringReport, version: ModelVersion, bars: Bars, home: Path) -> None:
    """A file a day, and numbers with the version's run: their step is the session."""
    session = int(bars.session.max())
    file = monitoring_folder(home, report.model) / f"{session_date(session)}.json"
    write_atomic(file, json.dumps(asdict(report), indent=1).encode())
    overall = next((part for part in report.realised if part.part == "all"), None)
    numbers = {name: getattr(overall, name) for name in ("rpss", "dir", "ic", "hit_rate")} if overall else {}
    metrics = {f"live_{name}": value for name, value in numbers.items()}
    metrics |= {f"alarm_{cause}": float(cause in report.alarms) for cause in ALARM_TYPES}
    Run(home, version.run_id).metrics(metrics, step=session)
