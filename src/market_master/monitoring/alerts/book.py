"""The book of alerts: opened once, quiet while open and some sessions after, then closed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock

from market_master.files import write_atomic

COOL_DOWN = 5
"""sessions after its end in which the same cause opens no new alert"""


@dataclass(frozen=True)
class Alert:
    """Something moved, in one model, from one cause."""

    id: str
    model: str
    version: str
    cause: str
    severity: str
    """info, warn or page"""
    reason: str
    opened: str
    """end of the newest bar when it was opened"""
    opened_session: int
    closed: str | None = None
    closed_session: int | None = None
    delivered: bool = False


@dataclass(frozen=True)
class Finding:
    """What a look at one cause came to; `moved` is None where there was too little to say."""

    cause: str
    severity: str
    moved: bool | None
    reason: str


@dataclass(frozen=True)
class Book:
    """The alerts of a home, in one file that is written whole."""

    file: Path

    def alerts(self) -> list[Alert]:
        """All of them, oldest first."""
        return [Alert(**row) for row in json.loads(self.file.read_bytes())] if self.file.exists() else []

    def note(
        self, findings: list[Finding], model: str, version: str, *, as_of: str, session: int, quiet_from: int
    ) -> None:
        """Open an alert for each cause that moved and has none, close those whose cause is gone.

        `quiet_from` is the session from which on an ended alert keeps its cause quiet: `COOL_DOWN` sessions ago.
        """

        def updated(alerts: list[Alert]) -> list[Alert]:
            for finding in findings:
                earlier = [alert for alert in alerts if (alert.model, alert.cause) == (model, finding.cause)]
                open_alert = next((alert for alert in earlier if alert.closed is None), None)
                if open_alert and finding.moved is False:
                    closed = replace(open_alert, closed=as_of, closed_session=session)
                    alerts = [closed if alert is open_alert else alert for alert in alerts]
                elif (
                    finding.moved and not open_alert and not any(_end_session(alert) >= quiet_from for alert in earlier)
                ):
                    alerts = [*alerts, _open_alert(finding, model, version, as_of, session)]
            return alerts

        self._update(updated)

    def mark_delivered(self, delivered: Mapping[str, bool]) -> None:
        """Remember which alerts, by id, have reached everybody."""
        self._update(lambda alerts: [replace(a, delivered=a.delivered or delivered.get(a.id, False)) for a in alerts])

    def _update(self, update: Callable[[list[Alert]], list[Alert]]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.file}.lock"):
            before = self.alerts()
            after = update(before)
            if after != before:
                write_atomic(self.file, json.dumps([asdict(alert) for alert in after], indent=1).encode())


def _end_session(alert: Alert) -> int:
    return alert.opened_session if alert.closed_session is None else alert.closed_session


def _open_alert(finding: Finding, model: str, version: str, as_of: str, session: int) -> Alert:
    name = hashlib.sha256(f"{model} {finding.cause} {as_of}".encode()).hexdigest()[:12]
    return Alert(name, model, version, finding.cause, finding.severity, finding.reason, as_of, session)
