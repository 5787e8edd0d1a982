"""Pages: what monitoring found, in words first, with Evidently's views beside it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from market_master import labels, reports
from market_master.artifact.reference_window import Reference
from market_master.decision import policy
from market_master.domain.errors import MarketMasterError
from market_master.domain.model_inputs import model_inputs
from market_master.domain.records import as_json
from market_master.index.attribution import explained_signal
from market_master.index.inputs import read_inputs
from market_master.monitoring.drift import WINDOWS, CurrentWindow
from market_master.monitoring.reading import TOO_LITTLE, Reading
from market_master.prediction.loaded_model import LoadedModel
from market_master.reports import evidently as page

if TYPE_CHECKING:
    from market_master.monitoring.causes import AlarmType, MonitoringReport

MOST_FEATURES = 40


def pages(
    seen: MonitoringReport,
    causes: dict[str, AlarmType],
    champion: LoadedModel,
    reference: Reference,
    current: CurrentWindow,
    home: Path,
    *,
    evidently: bool,
) -> dict[str, str]:
    """Write data/reports/<day>-monitoring.html and, if asked, <day>-evidently-5.html and -20; returns their paths by kind."""
    folder, day = home / "data" / "reports", seen.compared["current"][str(WINDOWS[0])][1]
    written = {f"evidently-{n}": folder / f"{day}-evidently-{n}.html" for n in WINDOWS} if evidently else {}
    for sessions, file in zip(WINDOWS, written.values(), strict=False):
        page.write_page(
            _current(champion, current, sessions),
            _reference(champion, reference),
            file,
            name=f"{seen.model} version {seen.version}: newest {sessions} sessions against its training window",
        )
    written["monitoring"] = reports.write_page(
        "monitoring.html",
        folder / f"{day}-monitoring.html",
        seen=asdict(seen),
        day=day,
        pages={f"{n} sessions": f"{day}-evidently-{n}.html" for n in WINDOWS if evidently},
        alarms=_alarms(seen.readings, causes),
        unknown=sorted({r.cause for r in seen.readings if r.state == TOO_LITTLE}, key=list(causes).index),
        realised={
            f"Champion, version {seen.version}": [asdict(row) for row in seen.realised],
            **(
                {f"Shadow, version {seen.shadow}": [asdict(row) for row in seen.realised_shadow]} if seen.shadow else {}
            ),
        },
        features=_furthest(seen.readings),
        signal=_signal(champion, home, current.bars.newest),
    )
    written["index"] = reports.write_index(folder)
    return {kind: str(file) for kind, file in written.items()}


def _signal(champion: LoadedModel, home: Path, bar: int) -> dict[str, Any]:
    """The signal at the newest bar and what moved it, or why there is none."""
    try:
        store = champion.store(home)
        return as_json(explained_signal(champion, store, read_inputs(champion, store, now=bar, asof=bar)))
    except MarketMasterError as error:
        return {"refusal": f"{error.title}: {error}"}


def _alarms(readings: list[Reading], causes: dict[str, AlarmType]) -> list[dict[str, Any]]:
    """One row a reading, in the order of the causes; of single features only those that moved."""
    shown = [r for r in readings if r.cause in causes and (r.cause != "feature" or r.moved)]
    return [
        {**asdict(r), "severity": causes[r.cause].severity, "words": causes[r.cause].words}
        for r in sorted(shown, key=lambda r: list(causes).index(r.cause))
    ]


def _furthest(readings: list[Reading]) -> list[dict[str, Any]]:
    told = [r for r in readings if r.cause in ("feature", "level") and r.value is not None and r.limit]
    return [asdict(r) for r in sorted(told, key=lambda r: -(r.value or 0) / (r.limit or 1))[:MOST_FEATURES]]


def _current(champion: LoadedModel, current: CurrentWindow, sessions: int) -> pd.DataFrame:
    """The newest sessions as the champion sees and answers them, with the labels that are known."""
    known = labels.labeler_from_state(champion.card.label).transform(current.bars)
    action = known.action[current.rows]
    days = np.unique(current.session)[-sessions:]
    rows = np.flatnonzero(np.isin(current.session, days) & (action >= 0))
    codes = current.bars.code[current.rows][rows]
    inputs = model_inputs(current.values[rows], current.bars.symbols, codes, champion.card.symbols)
    probabilities = champion.probabilities(inputs)
    return _frame(champion, current.values[rows], action[rows], probabilities)


def _reference(champion: LoadedModel, reference: Reference) -> pd.DataFrame:
    """The training window, with the answers that were given out of fold."""
    rows = np.flatnonzero(reference.learned & np.isfinite(reference.probabilities[:, 0]))
    return _frame(champion, reference.values[rows], reference.action[rows], reference.probabilities[rows])


def _frame(champion: LoadedModel, values: np.ndarray, action: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    rows = page.drawn(len(values))
    decided = policy.assign_actions(probabilities[rows], champion.settings.policy.rule, champion.calibration.cuts)
    return page.frame(champion.card.features, values[rows], action[rows], decided)
