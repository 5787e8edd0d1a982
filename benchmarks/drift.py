"""False alarms on a market in which nothing changes: our alarm on features beside Evidently's preset, on the same windows.

python -m benchmarks.drift [--windows 200] [--evidently 20]
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from market_master import config
from market_master.artifact.reference_window import Reference
from market_master.domain import clock
from market_master.market_data.ingest import fetch
from market_master.monitoring.drift import WINDOWS, CurrentWindow, ReferenceDistances, feature_drift
from market_master.monitoring.reading import ALARM_STREAK
from market_master.training import feature_table as features_step

LEARNED = 220


def main(windows: int, evidently: int) -> None:
    """Print, for windows of 5 and 20 sessions: how often a single feature, the family, and Evidently's preset alarm."""
    environ = {"MM_PROVIDER__SESSIONS": str(LEARNED + 40 + windows), "MM_UNIVERSE__WEIGHTS": "null"}
    settings = config.load(config.PROJECT_ROOT / "configs" / "demo.yaml", environ)
    market = fetch(settings, Path(tempfile.mkdtemp()), clock.now())
    table = features_step.compute_features(market.bars, settings, market.members)
    whole = table.complete
    values, names = table.values[whole].astype(np.float32), np.array(table.names)
    session = np.unique(market.bars.session, return_inverse=True)[1][whole]
    learned = session < LEARNED
    count = int(learned.sum())
    usual = ReferenceDistances.of(
        Reference(
            names, values[learned], session[learned], np.ones(count, dtype=bool), np.full(count, 2, dtype=np.int8),
            np.zeros(count), np.full((count, 5), np.nan), np.full(5, 0.2),
        )
    )  # fmt: skip
    last = int(session.max())
    days = range(last - windows + 1, last + 1)
    told = Table(
        "sessions", "one feature, any (3 in a row)", "our alarm (3 in a row)", "Evidently: dataset drift", "columns"
    )
    alarms = {day: _moved(usual, values, session, day) for day in days}
    for length in WINDOWS:
        single = np.mean([(length, "feature") in alarms[day] for day in days])
        family = np.mean([(length, "features") in alarms[day] for day in days])
        asked = np.linspace(days[0], days[-1], evidently).astype(int).tolist()
        shares = [_evidently(values, names, session, learned, day, length) for day in asked]
        told.add_row(
            str(length), f"{single:.0%} of days", f"{family:.1%} of days", f"{np.mean([s >= 0.5 for s in shares]):.0%} of windows",
            f"{np.mean(shares):.0%} drifted on average",
        )  # fmt: skip
    Console().print(told)


def _moved(usual: ReferenceDistances, values: np.ndarray, session: np.ndarray, day: int) -> set[tuple[int, str]]:
    inside = (session <= day) & (session > day - max(WINDOWS) - ALARM_STREAK + 1)
    newest = CurrentWindow(values[inside].astype(float), session[inside], None, None)  # type: ignore[arg-type]
    return {(reading.sessions, reading.cause) for reading in feature_drift(usual, newest) if reading.moved}


def _evidently(
    values: np.ndarray, names: np.ndarray, session: np.ndarray, learned: np.ndarray, day: int, length: int
) -> float:
    """The share of columns that its preset calls drifted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(numerical_columns=names.tolist())
        inside = (session <= day) & (session > day - length)
        frames = [pd.DataFrame(values[rows].astype(float), columns=names) for rows in (inside, learned)]
        sets = [Dataset.from_pandas(frame, data_definition=definition) for frame in frames]
        result = Report([DataDriftPreset()]).run(*sets).dict()
    return float(next(m["value"]["share"] for m in result["metrics"] if "DriftedColumnsCount" in m["metric_name"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--evidently", type=int, default=20)
    given = parser.parse_args()
    main(given.windows, given.evidently)
