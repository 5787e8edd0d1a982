"""Automatic rollback of a champion that can't be served, answers otherwise, lost its edge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from market_master.artifact.bundle import PREVIOUS
from market_master.domain import JournalEntry, ModelError, NoChampion, RegistryAway
from market_master.lifecycle.promote import MOVES, ROLLED_BACK, roll_back
from market_master.registry.champion import load_champion
from market_master.registry.journal import journal_of
from market_master.registry.versions import Versions

GUARD = "guard"
"""who did it, in the journal"""
ROLLBACK_ALARMS = {
    "parity": "its answers, made again, differ from those it served",
    "direction": "its direction over 20 sessions lies more than three standard errors below what it had shown at promotion",
}
"""alarms that are a reason to go back"""


def roll_back_if_needed(
    model: str, home: Path, alarms: Sequence[str] = (), *, of: str | None = None
) -> JournalEntry | None:
    """Roll back on a failure to serve, or on an alarm that is a ground for it; None where there was none, or no way back.

    `of` is the version that the alarms are about: they say nothing of another one that has taken over since. There is no
    way back to a version that the guard itself had left.
    """
    versions = Versions(home, model)
    grounds = [ROLLBACK_ALARMS[alarm] for alarm in alarms if alarm in ROLLBACK_ALARMS and of == versions.production()]
    reason = _failure(model, home) or next(iter(grounds), None)
    moves = [entry for entry in journal_of(home).entries() if entry.event in MOVES]
    returned = bool(moves) and moves[-1].event == ROLLED_BACK and moves[-1].by == GUARD
    if reason is None or returned or versions.version_at_alias(PREVIOUS) is None:
        return None
    try:
        return roll_back(None, GUARD, f"The champion was left: {reason}.", model, home)
    except ModelError:
        return None


def _failure(model: str, home: Path) -> str | None:
    """Why the champion can't be served, None when it can, or when there is none."""
    try:
        load_champion(home, model)
    except (NoChampion, RegistryAway):
        return None
    except ModelError as error:
        return f"it can't be served ({error})"
    return None
