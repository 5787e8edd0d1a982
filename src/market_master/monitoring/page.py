"""Pages of a monitoring report: its findings in words, and Evidently's views."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from market_master import labels, reports
from market_master.artifact.reference_window import Reference
from market_master.decision import policy
from market_master.domain import MarketMasterError, as_json, model_inputs
from market_master.index.attribution import explained_signal
from market_master.index.inputs import read_inputs
from market_master.monitoring.causes import ALARM_TYPES, MonitoringReport
from market_master.monitoring.drift import WINDOWS, CurrentWindow
from market_master.monitoring.reading import NOT_ENOUGH_HISTORY, Reading
from market_master.prediction.loaded_model import LoadedModel
from market_master.reports import evidently as evidently_page

SHOWN_FEATURES = 40


def write_pages(
    report: MonitoringReport,
    champion: LoadedModel,
    reference: Reference,
    current: CurrentWindow,
    home: Path,
    *,
    evidently: bool,
) -> dict[str, str]:
    """Write data/reports/<day>-monitoring.html and, if asked, <day>-evidently-5.html and -20; returns their paths by kind."""
    folder, day = home / "data" / "reports", report.compared["current"][str(WINDOWS[0])][1]
    written = {f"evidently-{n}": folder / f"{day}-evidently-{n}.html" for n in WINDOWS} if evidently else {}
    for sessions, file in zip(WINDOWS, written.values(), strict=False):
        evidently_page.write_page(
            _current_table(champion, current, sessions),
            _reference_table(champion, reference),
            file,
            name=f"{report.model} version {report.version}: newest {sessions} sessions against its training window",
        )
    written["monitoring"] = reports.write_page(
        "monitoring.html",
        folder / f"{day}-monitoring.html",
        report=asdict(report),
        day=day,
        pages={f"{n} sessions": f"{day}-evidently-{n}.html" for n in WINDOWS if evidently},
        alarms=_alarm_rows(report.readings),
        unknown=sorted(
            {r.cause for r in report.readings if r.state == NOT_ENOUGH_HISTORY}, key=list(ALARM_TYPES).index
        ),
        realised={
            f"Champion, version {report.version}": [asdict(row) for row in report.realised],
            **(
                {f"Shadow, version {report.shadow}": [asdict(row) for row in report.realised_shadow]}
                if report.shadow
                else {}
            ),
        },
        features=_furthest_features(report.readings),
        signal=_signal_or_refusal(champion, home, current.bars.newest),
    )
    written["index"] = reports.write_index(folder)
    return {kind: str(file) for kind, file in written.items()}


def _signal_or_refusal(champion: LoadedModel, home: Path, bar: int) -> dict[str, Any]:
    """The signal at the newest bar and what moved it, or why there is none."""
    try:
        store = champion.store(home)
        return as_json(explained_signal(champion, store, read_inputs(champion, store, now=bar, asof=bar)))
    except MarketMasterError as error:
        return {"refusal": f"{error.title}: {error}"}


def _alarm_rows(readings: list[Reading]) -> list[dict[str, Any]]:
    """One row a reading, in the order of the causes; of single features only those that moved."""
    shown = [r for r in readings if r.cause in ALARM_TYPES and (r.cause != "feature" or r.moved)]
    return [
        {**asdict(r), "severity": ALARM_TYPES[r.cause].severity, "meaning": ALARM_TYPES[r.cause].meaning}
        for r in sorted(shown, key=lambda r: list(ALARM_TYPES).index(r.cause))
    ]


def _furthest_features(readings: list[Reading]) -> list[dict[str, Any]]:
    rows = [r for r in readings if r.cause in ("feature", "level") and r.value is not None and r.limit]
    return [asdict(r) for r in sorted(rows, key=lambda r: -(r.value or 0) / (r.limit or 1))[:SHOWN_FEATURES]]


def _current_table(champion: LoadedModel, current: CurrentWindow, sessions: int) -> pd.DataFrame:
    """The newest sessions with the champion's actions, where the label is known."""
    labelled = labels.labeler_from_state(champion.card.label).transform(current.bars)
    action = labelled.action[current.rows]
    days = np.unique(current.session)[-sessions:]
    rows = np.flatnonzero(np.isin(current.session, days) & (action >= 0))
    codes = current.bars.code[current.rows][rows]
    inputs = model_inputs(current.values[rows], current.bars.symbols, codes, champion.card.symbols)
    probabilities = champion.probabilities(inputs)
    return _table(champion, current.values[rows], action[rows], probabilities)


def _reference_table(champion: LoadedModel, reference: Reference) -> pd.DataFrame:
    """The training window with its out-of-fold actions."""
    rows = np.flatnonzero(reference.learned & np.isfinite(reference.probabilities[:, 0]))
    return _table(champion, reference.values[rows], reference.action[rows], reference.probabilities[rows])


def _table(champion: LoadedModel, values: np.ndarray, action: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    rows = evidently_page.sample_rows(len(values))
    decided = policy.assign_actions(probabilities[rows], champion.settings.policy.rule, champion.calibration.cuts)
    return evidently_page.page_table(champion.card.features, values[rows], action[rows], decided)
