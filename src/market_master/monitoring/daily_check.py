"""Daily check: settle, monitor, advance or withdraw the shadow, roll back, send alerts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from market_master.domain import JournalEntry
from market_master.lifecycle.auto_rollback import roll_back_if_needed
from market_master.lifecycle.shadow import ShadowComparison, compare_shadow, decide_shadow
from market_master.monitoring.alerts import Addresses
from market_master.monitoring.causes import MonitoringReport
from market_master.monitoring.monitor import monitor
from market_master.monitoring.notify import notify
from market_master.prediction_log import PredictionLog
from market_master.signals.settlement import settle_outcomes


@dataclass(frozen=True)
class DailyCheck:
    """What monitoring reports, and what followed from it."""

    report: MonitoringReport
    settled: int
    shadow: ShadowComparison | None
    """how the version in the shadow did, before anything was done"""
    moves: tuple[JournalEntry, ...]
    """moves of versions, in order"""
    delivered: int
    undelivered: int

    @property
    def wants_approval(self) -> bool:
        """A version has served its sessions and waits for somebody."""
        return self.shadow is not None and self.shadow.served and not self.moves

    @property
    def summary(self) -> str:
        """The day in a sentence or two."""
        moved = ", ".join(self.report.alarms) or "nothing"
        moves = " ".join(f"Version {entry.to_version} {entry.event}: {entry.reason}" for entry in self.moves)
        shadow = f" {self.shadow.summary}" if self.shadow and not self.moves else ""
        return f"Version {self.report.version} as of {self.report.as_of}: {moved} moved. {moves}{shadow}".strip()


def run_daily_check(
    model: str, home: Path, log: PredictionLog, to: Addresses, *, now: int, evidently: bool = True
) -> DailyCheck:
    """Settle, monitor, advance or withdraw the version in the shadow, roll back on a ground for it, deliver alerts.

    Raises what `monitor` raises.
    """
    settled = settle_outcomes(log, model, home, now=now)["settled"]
    report = monitor(model, home, log, now=now, evidently=evidently)
    shadow = compare_shadow(model, home, log)
    moves = (decide_shadow(shadow, model, home), roll_back_if_needed(model, home, report.alarms, of=report.version))
    deliveries = notify(home, to)
    return DailyCheck(
        report=report,
        settled=settled,
        shadow=shadow,
        moves=tuple(entry for entry in moves if entry is not None),
        delivered=sum(deliveries.values()),
        undelivered=len(deliveries) - sum(deliveries.values()),
    )
