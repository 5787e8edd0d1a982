"""Promotion, shadow and rollback: the one place that moves these aliases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from market_master.artifact.bundle import PREVIOUS, PRODUCTION, SHADOW, ModelVersion
from market_master.config import Settings
from market_master.domain import JournalEntry, NotPromotable
from market_master.prediction.loaded_model import verify_model
from market_master.provenance import commit
from market_master.registry.journal import journal_of
from market_master.registry.versions import Versions

if TYPE_CHECKING:
    from market_master.gate.decide import Decision

PROMOTABLE = ("promoted", "provisional")
ROLLED_BACK, SHADOWED = "rolled_back", "shadowed"
MOVES = (*PROMOTABLE, ROLLED_BACK)
"""what puts a version into production"""
ALIASES = {**dict.fromkeys(MOVES, PRODUCTION), SHADOWED: SHADOW}


def promote(decision: Decision, settings: Settings, home: Path) -> JournalEntry:
    """Carry out the gate's decision: write the intention, move the alias, write that it is done; or write the rejection.

    Where the settings ask for sessions in the shadow of a champion, `shadow` is moved and `production` stays.
    """
    model, sessions = settings.registry.model, settings.shadow.sessions
    event, reason = decision.outcome, decision.reason
    if sessions and event in PROMOTABLE and decision.champion_version is not None:
        event = SHADOWED
        reason += f" It runs {sessions} sessions in the shadow of version {decision.champion_version} first."
    facts: dict[str, Any] = {
        "verdicts": decision.verdicts,
        "data_hash": decision.data_hash,
        "feature_fingerprint": decision.feature_fingerprint,
        "code_commit": decision.code_commit,
        "details": {
            "run_id": decision.run_id,
            "lane": decision.lane,
            "recipe_hash": decision.recipe_hash,
            "refused": decision.holdout is None,
            "outcome": decision.outcome,
        },
    }
    return _carry_out(decision.version, event, "gate", reason, model, home, facts)


def promote_by_hand(version: str, by: str, reason: str, model: str, home: Path) -> JournalEntry:
    """Move the alias to a version that has passed the gate before. Raises NotPromotable when its last decision was a no."""
    versions, journal = Versions(home, model), journal_of(home)
    loaded = versions.load(version)
    decision = journal.last_decision(version)
    outcome = outcome_of(decision)
    if decision is None or outcome not in PROMOTABLE:
        status = f"rejected on {decision.time[:10]}" if decision else "never decided on"
        raise NotPromotable(
            f"Version {version} of {model} was {status}; only one that passed the gate can be promoted."
        )
    complete_interrupted_move(model, home)
    standing = versions.production()
    if outcome == "provisional" and standing and versions.load(standing).outcome == "promoted":
        raise NotPromotable(
            f"Version {version} is provisional; it can't replace version {standing}, which has shown skill."
        )
    return _carry_out(version, outcome, by, reason, model, home, _facts(loaded, decision=decision.id))


def withdraw(version: str, by: str, reason: str, model: str, home: Path) -> JournalEntry:
    """Take a version out of the shadow and reject it."""
    versions, journal = Versions(home, model), journal_of(home)
    with journal.locked():
        entry = _carry_out(version, "rejected", by, reason, model, home, _facts(versions.load(version)))
        versions.delete_alias(SHADOW)
        return entry


def outcome_of(decision: JournalEntry | None) -> str:
    """What the gate said, '' when it said nothing; a version in the shadow has passed with it."""
    if decision is None:
        return ""
    return str(decision.details["outcome"]) if decision.event == SHADOWED else decision.event


def roll_back(to: str | None, by: str, reason: str, model: str, home: Path) -> JournalEntry:
    """Put an earlier champion, `previous` unless told, back behind `production`; nothing is trained.

    It is loaded and verified before anything moves. Raises NotPromotable when it never was in production, or is now, and
    what `verify` raises when it can't be served by the code that runs.
    """
    versions, journal = Versions(home, model), journal_of(home)
    complete_interrupted_move(model, home)
    standing = versions.production()
    version = to or versions.version_at_alias(PREVIOUS)
    if version is None:
        raise NotPromotable(f"There is no version of {model} behind '{PREVIOUS}'; name one with --to.")
    if version == standing:
        raise NotPromotable(f"Version {version} of {model} is in production already; name another with --to.")
    loaded = versions.load(version)
    if not any(entry.event in MOVES and entry.to_version == version for entry in journal.entries()):
        raise NotPromotable(f"Version {version} of {model} never was in production; `mm promote` is for a new one.")
    verify_model(loaded)
    return _carry_out(version, ROLLED_BACK, by, reason, model, home, _facts(loaded))


def complete_interrupted_move(model: str, home: Path) -> JournalEntry | None:
    """Finish a move that a crash cut off; the alias itself tells whether it had moved, and `previous` follows it."""
    versions, journal = Versions(home, model), journal_of(home)
    with journal.locked():
        shadow = versions.version_at_alias(SHADOW)
        if shadow is not None and outcome_of(journal.last_decision(shadow)) == "rejected":
            versions.delete_alias(SHADOW)
        moves = [e for e in journal.entries() if e.event in ("intended", "recovered", *ALIASES)]
        entry = moves.pop() if moves and moves[-1].event == "recovered" else None
        if not moves or moves[-1].event != "intended":
            return None
        cut_off = moves[-1]
        event = str(cut_off.details["move"])
        standing = entry.to_version if entry else versions.version_at_alias(ALIASES[event])
        arrived = standing == cut_off.to_version
        if entry and not arrived:
            return None
        if arrived and event in MOVES:
            _leave_behind(versions, cut_off.from_version, cut_off.to_version)
        if not entry:
            entry = journal.write(
                "recovered",
                by="pipeline",
                reason=f"A move of '{ALIASES[event]}' to version {cut_off.to_version} was cut off; it stands at {standing}.",
                from_version=cut_off.from_version,
                to_version=standing,
            )
        if arrived:
            entry = journal.write(
                event, by=cut_off.by, reason=cut_off.reason, from_version=cut_off.from_version,
                to_version=cut_off.to_version, verdicts=cut_off.verdicts, data_hash=cut_off.data_hash,
                feature_fingerprint=cut_off.feature_fingerprint, code_commit=cut_off.code_commit, details=cut_off.details,
            )  # fmt: skip
        return entry


def _carry_out(
    version: str, event: str, by: str, reason: str, model: str, home: Path, facts: dict[str, Any]
) -> JournalEntry:
    versions, journal = Versions(home, model), journal_of(home)
    with journal.locked():
        standing = versions.production()
        entry: dict[str, Any] = {**facts, "by": by, "reason": reason, "from_version": standing, "to_version": version}
        if event in ALIASES:
            journal.write("intended", **{**entry, "details": {**facts["details"], "move": event}})
        if event != ROLLED_BACK:
            versions.set_outcome(version, str(facts["details"].get("outcome", event)))
        if event in ALIASES:
            versions.set_alias(ALIASES[event], version)
        if event in MOVES:
            _leave_behind(versions, standing, version)
        return journal.write(event, **entry)


def _facts(version: ModelVersion, **details: str) -> dict[str, Any]:
    """What the journal keeps of a version that is moved by hand."""
    return {
        "data_hash": version.card.data_hash,
        "feature_fingerprint": version.card.fingerprint,
        "code_commit": commit(),
        "details": {"run_id": version.run_id, **details},
    }


def _leave_behind(versions: Versions, before: str | None, now: str | None) -> None:
    """`previous` is the version that `production` came from; who has come out of the shadow is no longer in it."""
    if before is not None and before != now:
        versions.set_alias(PREVIOUS, before)
    if now is not None and versions.version_at_alias(SHADOW) == now:
        versions.delete_alias(SHADOW)
