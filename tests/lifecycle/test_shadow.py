"""Beside the champion before instead of it: compared by day, approved or withdrawn; and back by itself when the champion fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from market_master import config
from market_master.artifact.bundle import PREVIOUS, SHADOW
from market_master.domain import clock
from market_master.domain.errors import FingerprintMismatch, NotPromotable
from market_master.domain.records import JournalEntry
from market_master.lifecycle import promote, shadow
from market_master.lifecycle.auto_rollback import GUARD, roll_back_if_needed
from market_master.prediction_log import PredictionLog
from market_master.registry.journal import journal_of
from market_master.registry.versions import Versions
from market_master.signals.scheduled import run_scheduled_signal
from tests.support.crash_process import crash
from tests.support.servers import MODEL, another_version, own_copy
from tests.support.shadowed_home import log_served_sessions, put_into_shadow, with_shadow
from tests.support.trained_home import settings_of


@pytest.fixture
def altered(trained_home: Path, home: Path) -> Path:
    """A home in which version 2, a copy of the champion whose config asks for 2 sessions, is in the shadow of version 1."""
    return with_shadow(trained_home, home)


def _advance(home: Path, log: PredictionLog) -> JournalEntry | None:
    return shadow.decide_shadow(shadow.compare_shadow(MODEL, home, log), MODEL, home)


def test_both_answer_every_bar_and_only_the_champion_acts(altered: Path, log: PredictionLog) -> None:
    """One signal, the champion's; predictions of both versions for every constituent."""
    told = run_scheduled_signal(settings_of("test"), altered, log, now=clock.now())
    assert told.signal is not None
    assert told.signal.model.version == "1"
    assert [row["version"] for row in log.signals(10)] == ["1"]
    rows = log.recent(1000)
    assert {row["version"] for row in rows} == {"1", "2"}
    assert len(rows) == 2 * len(told.signal.constituents)


def test_a_shadow_that_can_not_answer_does_not_silence_the_champion(altered: Path, log: PredictionLog) -> None:
    """The signal is made, and says why the other gave none."""
    (altered / "second" / "model.onnx").write_bytes(b"no graph")
    told = run_scheduled_signal(settings_of("test"), altered, log, now=clock.now())
    assert told.status == "signalled"
    assert "Version 2 in the shadow gave no answer" in told.reason


def test_after_its_sessions_it_is_approved_and_promoted(altered: Path, log: PredictionLog) -> None:
    """By the config, or by somebody; not before; the journal tells the comparison, the aliases follow."""
    versions = Versions(altered, MODEL)
    before = shadow.compare_shadow(MODEL, altered, log)
    assert before is not None
    assert (before.sessions, before.served) == (0, False)
    assert _advance(altered, log) is None
    with pytest.raises(NotPromotable, match="0 of 2 sessions"):
        shadow.approve("2", "anna", "I can't wait", MODEL, altered, log)
    log_served_sessions(altered, log)
    entry = _advance(altered, log)
    assert entry is not None
    assert (entry.event, entry.from_version, entry.to_version, entry.by) == ("promoted", "1", "2", "shadow")
    assert (versions.production(), versions.version_at_alias(PREVIOUS), versions.version_at_alias(SHADOW)) == (
        "2",
        "1",
        None,
    )
    assert [e.event for e in journal_of(altered).entries()][-3:] == ["approved", "intended", "promoted"]
    assert shadow.compare_shadow(MODEL, altered, log) is None


def test_manual_approval_waits_for_somebody(altered: Path, log: PredictionLog) -> None:
    """The pipeline does nothing; `mm promote` with a name and a reason does."""
    file = altered / "second" / "card.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"auto"', '"manual"'), encoding="utf-8")
    log_served_sessions(altered, log)
    assert _advance(altered, log) is None
    entry = shadow.approve("2", "anna", "looks good", MODEL, altered, log)
    approved = next(e for e in journal_of(altered).entries() if e.event == "approved")
    assert (approved.by, entry.by) == ("anna", "anna")
    assert approved.reason.startswith("looks good")


def test_one_that_is_worse_beyond_doubt_is_taken_out(altered: Path, log: PredictionLog, monkeypatch) -> None:
    """Production stays, the shadow is empty, the version is rejected, and can't be promoted by hand."""
    monkeypatch.setattr(shadow, "WITHDRAWAL_EVIDENCE", 3.0)
    log_served_sessions(altered, log, worse_by=0.8)
    found = shadow.compare_shadow(MODEL, altered, log)
    assert found is not None
    assert found.evidence_worse > 3 > 1 > found.evidence_better
    entry = _advance(altered, log)
    assert entry is not None
    assert entry.event == "rejected"
    versions = Versions(altered, MODEL)
    assert (versions.production(), versions.version_at_alias(SHADOW)) == ("1", None)
    with pytest.raises(NotPromotable, match="rejected"):
        shadow.approve("2", "anna", "still", MODEL, altered, log)


def test_evidence_may_be_looked_at_every_day() -> None:
    """Of 2,000 series of 60 fair days no more than 1 in 20 ever reaches 20 (Ville); ten bad days in a row do."""
    random = np.random.default_rng(3)
    signs = np.where(random.random((2000, 60)) < 0.5, 1.0, -1.0)
    reached = np.zeros(2000, dtype=bool)
    for day in range(1, 61):
        kinds = {good: shadow.evidence(np.r_[np.ones(good), -np.ones(day - good)])[1] for good in range(day + 1)}
        worse = np.array([kinds[good] for good in (signs[:, :day] > 0).sum(axis=1).tolist()])
        reached |= worse >= shadow.WITHDRAWAL_EVIDENCE
    assert reached.mean() <= 0.05
    assert shadow.evidence(-np.ones(10))[1] > shadow.WITHDRAWAL_EVIDENCE
    assert shadow.evidence(np.empty(0)) == (pytest.approx(1.0), pytest.approx(1.0))


@pytest.mark.parametrize("step", range(4))
def test_a_shadowing_cut_off_anywhere_is_finished_or_undone(trained_home: Path, home: Path, step: int) -> None:
    """Intention, alias, journal: afterwards alias and journal agree."""
    own_copy(trained_home, home)
    second = another_version(home, home / "second")
    with crash(step, of=3):
        put_into_shadow(home, second)
    promote.complete_interrupted_move(MODEL, home)
    shadowed = [e for e in journal_of(home).entries() if e.event == "shadowed"]
    assert Versions(home, MODEL).version_at_alias(SHADOW) == (second if step > 1 else None)
    assert len(shadowed) == (1 if step > 1 else 0)
    assert Versions(home, MODEL).production() == "1"


def _second_in_production(home: Path) -> Path:
    second = another_version(home, home / "newer")
    journal_of(home).write("promoted", by="gate", reason="better", to_version=second)
    promote.promote_by_hand(second, "anna", "better", MODEL, home)
    return home / "newer"


def test_a_champion_that_can_not_be_served_is_left(trained_home: Path, home: Path) -> None:
    """The scheduled signal goes back to the one before by itself, says so in the journal, and makes its signal."""
    own_copy(trained_home, home)
    folder = _second_in_production(home)
    (folder / "model.onnx").write_bytes(b"no graph")
    log = PredictionLog(config.predictions_url({"MM_HOME": str(home)}))
    told = run_scheduled_signal(settings_of("test"), home, log, now=clock.now())
    log.close()
    assert told.signal is not None
    assert told.signal.model.version == "1"
    entry = journal_of(home).entries()[-1]
    assert (entry.event, entry.by, entry.from_version, entry.to_version) == ("rolled_back", GUARD, "2", "1")
    assert "can't be served" in entry.reason


def test_the_guard_does_not_go_back_and_forth(trained_home: Path, home: Path) -> None:
    """The version it left is no way back; without an earlier one nothing moves; nor for a warning, or an alarm about another."""
    own_copy(trained_home, home)
    assert roll_back_if_needed(MODEL, home, ["parity"], of="1") is None
    _second_in_production(home)
    assert roll_back_if_needed(MODEL, home, ["features", "calibration"], of="2") is None
    assert roll_back_if_needed(MODEL, home, ["parity"], of="1") is None
    entry = roll_back_if_needed(MODEL, home, ["features", "parity"], of="2")
    assert entry is not None
    assert entry.to_version == "1"
    assert roll_back_if_needed(MODEL, home, ["parity"], of="1") is None
    assert Versions(home, MODEL).production() == "1"


def test_no_way_back_to_what_can_not_be_served_either(trained_home: Path, home: Path) -> None:
    """When the code has changed under both nothing moves, and the refusal is the champion's own."""
    own_copy(trained_home, home)
    folder = _second_in_production(home)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["fingerprints"][card["features"][0]] = "0" * 64
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    third = another_version(home, home / "third")
    journal_of(home).write("promoted", by="gate", reason="better", to_version=third)
    promote.promote_by_hand(third, "anna", "better", MODEL, home)
    log = PredictionLog(config.predictions_url({"MM_HOME": str(home)}))
    with pytest.raises(FingerprintMismatch):
        run_scheduled_signal(settings_of("test"), home, log, now=clock.now())
    log.close()
    assert Versions(home, MODEL).production() == third
