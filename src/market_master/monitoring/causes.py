"""Causes of alarms, and the report of one look at the champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from market_master.monitoring.alerts import Alert
from market_master.monitoring.performance import RealisedPerformance
from market_master.monitoring.reading import Reading


@dataclass(frozen=True)
class AlarmType:
    """How loud an alarm is, whether it asks for a new candidate, and what it means."""

    severity: str
    retrain: bool
    meaning: str


ALARM_TYPES = {
    "outage": AlarmType("page", False, "the newest bars have no signal"),
    "constant": AlarmType("page", False, "the champion says the same of everything"),
    "parity": AlarmType("page", False, "answers made again differ from those that were served"),
    "performance": AlarmType("page", True, "the daily gain over the prior has fallen"),
    "direction": AlarmType("page", True, "direction is worse than at promotion, by more than chance"),
    "domain": AlarmType("warn", True, "a classifier can tell these sessions from the training window"),
    "features": AlarmType("warn", True, "a feature lies further out than any past block of the training window"),
    "predictions": AlarmType("warn", False, "the mix of answers has moved"),
    "calibration": AlarmType("warn", False, "probabilities are less calibrated than in any past block"),
    "coverage": AlarmType("warn", False, "part of the index weight had no fresh action"),
    "bars": AlarmType("warn", False, "bars that the calendar has are missing"),
    "universe": AlarmType("warn", True, "weight lies on symbols the champion never saw"),
    "feature": AlarmType("info", False, "single features lie outside all past blocks"),
    "labels": AlarmType("info", False, "the mix of outcomes has moved"),
}
"""`level` readings (prices' spread, volume, the clock) are told and never alarm"""


@dataclass(frozen=True)
class MonitoringReport:
    """One look at the champion; its field names are the JSON of `mm drift` and GET /drift."""

    as_of: str
    model: str
    version: str
    shadow: str | None
    compared: dict[str, Any]
    """first and last session of the reference and of the windows"""
    alarms: list[str]
    """causes that moved, loudest first"""
    retrain: bool
    readings: list[Reading]
    realised: list[RealisedPerformance]
    realised_shadow: list[RealisedPerformance]
    alerts: list[Alert]
    """open ones"""
    reports: dict[str, str]
