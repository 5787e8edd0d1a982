"""Gate decision: the registered artefact scored on unseen bars, and every rule's verdict."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from market_master import features
from market_master.artifact.bundle import ModelVersion
from market_master.config import Settings
from market_master.domain import OHLCV, Bars, Failed, Ints, JournalEntry, ModelError, Scorecard, Verdict, digest, iso
from market_master.files import write_atomic
from market_master.gate import rules as gates
from market_master.gate.alpha_ledger import HoldoutBudget, holdout_budget, pending_look, prior_decision, record_look
from market_master.gate.collect_evidence import ArtifactChecks, HoldoutTerms, collect_evidence
from market_master.gate.contender import of_version
from market_master.gate.head_to_head import Champion
from market_master.gate.rules import Evidence, Judgement
from market_master.leakage.certificate import Certificate
from market_master.prediction.loaded_model import verify_model
from market_master.registry.journal import Journal, journal_of
from market_master.registry.versions import Versions
from market_master.training import Comparison, Experiment, lane_of


@dataclass(frozen=True)
class Decision:
    """What the gate said about a version, and all it looked at: enough to decide again."""

    id: str
    time: str
    version: str
    outcome: str
    reason: str
    verdicts: tuple[Verdict, ...]
    lane: str
    champion_version: str | None
    holdout: Scorecard | None
    """None when the look was refused"""
    champion_holdout: Scorecard | None
    run_id: str
    recipe_hash: str
    data_hash: str
    feature_fingerprint: str
    code_commit: str | None
    record: dict[str, Any]
    """evidence, rules and provenance"""


def decide(
    experiment: Experiment, comparison: Comparison, certificate: Certificate, version: str, home: Path
) -> Decision:
    """Judge a registered version against the prior and the champion, and keep the decision with the run.

    A recipe that was judged on these very bars gets its recorded decision, without another look; a new recipe whose
    hold-out was mostly seen before is refused one.
    """
    settings = experiment.settings
    versions, journal = Versions(home, settings.registry.model), journal_of(home)
    challenger = versions.load(version)
    champion, card, unusable = _champion(versions)
    lane = lane_of(challenger.card.recipe_hash, card)
    earlier = prior_decision(journal, challenger.card, versions.production())
    if earlier is not None:
        return _save(_repeat(challenger, earlier, home), home)
    provisional = settings.gate.provisional and (champion is None or champion.outcome == "provisional")
    rules = settings.gate.rules
    budget = _spend_look(experiment, challenger, lane, journal)
    if budget.allowed:
        checks = ArtifactChecks(
            challenger.card.parity,
            _loads_alike(versions, challenger, comparison, experiment.holdout_rows),
            certificate,
        )
        evidence = collect_evidence(
            experiment,
            comparison,
            HoldoutTerms(lane, budget.alpha, budget.unseen),
            of_version(challenger),
            _opponent(champion, settings, experiment.market.bars),
            checks,
        )
    else:
        sessions = experiment.dataset.zones.holdout_sessions
        evidence = Evidence.unlooked(lane, sessions, budget.unseen, champion.version if champion else None)
        rules = ("fresh_holdout",)
    judgement = gates.judge(evidence, rules, provisional=provisional)
    reason = judgement.reason + ("" if budget.allowed else f" {budget.remedy}") + (f" {unusable}" if unusable else "")
    record = {
        "evidence": asdict(evidence),
        "rules": rules,
        "provisional_allowed": provisional,
        "ledger": asdict(budget),
        "holdout": {"first": budget.first, "last": budget.last, "rows": len(experiment.holdout_rows)},
        "data": _fingerprints(experiment.market.bars),
        "label": challenger.card.label,
        "libraries": challenger.card.libraries,
        "certificate": certificate.key,
        "previous_production": versions.production(),
    }
    return _save(_decision(challenger, evidence, replace(judgement, reason=reason), record), home)


def _spend_look(experiment: Experiment, challenger: ModelVersion, lane: str, journal: Journal) -> HoldoutBudget:
    """The terms of a look at the hold-out; one that is allowed is in the journal before it is taken."""
    with journal.locked():
        budget = pending_look(journal, challenger.card, lane)
        if budget is None:
            budget = holdout_budget(journal, experiment, lane)
            if budget.allowed:
                record_look(journal, budget, challenger, experiment.market)
    return budget


def _decision(challenger: ModelVersion, evidence: Evidence, judgement: Judgement, record: dict[str, Any]) -> Decision:
    card = challenger.card
    return Decision(
        id=hashlib.sha256(f"{card.run_id} {challenger.version} {datetime.now(UTC)}".encode()).hexdigest()[:12],
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        version=challenger.version,
        outcome=judgement.outcome,
        reason=judgement.reason,
        verdicts=judgement.verdicts,
        lane=evidence.lane,
        champion_version=evidence.champion_version,
        holdout=evidence.challenger,
        champion_holdout=evidence.champion,
        run_id=card.run_id,
        recipe_hash=card.recipe_hash,
        data_hash=card.data_hash,
        feature_fingerprint=card.fingerprint,
        code_commit=card.code_commit,
        record=record,
    )


def rejudge(record: dict[str, Any]) -> Judgement:
    """The decision made again from its own record: every gain from its days, every rule from the evidence."""
    stored = record["record"]
    evidence = Evidence.from_record(stored["evidence"])
    return gates.judge(evidence, tuple(stored["rules"]), provisional=stored["provisional_allowed"])


def _champion(versions: Versions) -> tuple[ModelVersion | None, Any, str]:
    """The champion and its card, or why it can't be met though the alias stands somewhere."""
    standing = versions.production()
    if standing is None:
        return None, None, ""
    try:
        champion = versions.load(standing)
        verify_model(champion)
        champion.card.verify_features(features.fingerprint(champion.card.features))
    except ModelError as error:
        return None, None, f"Champion version {standing} can't be served, so the prior stood in for it: {error}"
    return champion, champion.card, ""


def _opponent(champion: ModelVersion | None, settings: Settings, bars: Bars) -> Champion:
    """The champion as the challenger meets it: only on bars of the interval it was made for, with the figures it looks at."""
    if champion is None:
        return Champion()
    if champion.bars_graph.needs_fundamentals and bars.fundamentals is None:
        reason = "it looks at companies' figures and the store has none; name their table in fundamentals.path."
        return Champion(champion.version, champion.card, None, reason)
    if champion.card.timetable["interval"] == settings.interval:
        return Champion(champion.version, champion.card, of_version(champion), "")
    reason = (
        f"it answers {champion.card.timetable['interval']} bars and these are {settings.interval}; use another "
        "registry.model or another MM_HOME for another market."
    )
    return Champion(champion.version, champion.card, None, reason)


def _repeat(challenger: ModelVersion, entry: JournalEntry, home: Path) -> Decision:
    """The recorded decision about the same recipe on the same bars, now about this version; a champion's is not one."""
    file = home / "data" / "runs" / str(entry.details["run_id"]) / "decision.json"
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failed(
            f"This recipe was judged on these bars before, in run {entry.details['run_id']}, and the record {file} can't be "
            f"read: {error}. Bring the file back, or fetch newer bars."
        ) from error
    outcome = values["outcome"] if values["outcome"] == "rejected" else "rejected"
    judged = f"This recipe was judged on these very bars on {entry.time[:10]} as version {entry.to_version}"
    reason = f"{judged}: {values['outcome']}, {values['reason']}"
    if values["outcome"] != "rejected":
        reason = f"{judged} and was {values['outcome']}; `mm promote {entry.to_version}` brings that version back."
    cards = {name: values[name] and Scorecard(**values[name]) for name in ("holdout", "champion_holdout")}
    verdicts = tuple(Verdict(**verdict) for verdict in values["verdicts"])
    known = {**values, **cards, "verdicts": verdicts, "outcome": outcome, "reason": reason}
    return replace(Decision(**known), version=challenger.version, run_id=challenger.card.run_id)


def _save(decision: Decision, home: Path) -> Decision:
    file = home / "data" / "runs" / decision.run_id / "decision.json"
    write_atomic(file, json.dumps(asdict(decision), indent=2).encode())
    return decision


def _fingerprints(bars: Bars) -> dict[str, dict[str, Any]]:
    """Rows, first, last and hash of each symbol's bars."""
    fingerprints = {}
    for symbol, rows in bars:
        ends = bars.bar_end[rows]
        if len(ends):
            fingerprints[symbol] = {
                "rows": len(ends),
                "first": iso(ends[0]),
                "last": iso(ends[-1]),
                "sha256": digest(bars, rows, names=("bar_end", *OHLCV)),
            }
    return fingerprints


def _loads_alike(versions: Versions, challenger: ModelVersion, comparison: Comparison, rows: Ints) -> bool:
    reloaded, sample = versions.load(challenger.version), comparison.inputs[rows[:1000]]
    equal = np.array_equal(challenger.graph.probabilities(sample), reloaded.graph.probabilities(sample))
    same_graphs = all(
        getattr(reloaded, graph).sha256 == getattr(challenger, graph).sha256 for graph in ("graph", "bars_graph")
    )
    return equal and same_graphs and reloaded.card == challenger.card
