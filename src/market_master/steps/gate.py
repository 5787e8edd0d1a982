"""Gate: score the registered artefact on bars nothing was learned from, and let every rule speak."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from market_master import features, gates, metrics, policy
from market_master.calibration import Calibration
from market_master.config import Settings
from market_master.domain.actions import symmetric
from market_master.domain.bars import Array
from market_master.domain.days import by_day, gain
from market_master.domain.errors import ModelError
from market_master.domain.inputs import model_inputs
from market_master.domain.records import Scorecard, Verdict
from market_master.domain.sessions import Ints, iso, session_date
from market_master.gates import Duel, Evidence
from market_master.journal import Journal, journal_of
from market_master.registry.versions import ModelVersion, Versions
from market_master.steps.features import FeatureTable
from market_master.steps.fetch import Market
from market_master.steps.label import Labelled
from market_master.steps.predict import verify
from market_master.steps.train_compare import Comparison
from market_master.store import write_whole


@dataclass(frozen=True)
class Decision:
    """What the gate said about a version, and what it looked at."""

    version: str
    outcome: str
    reason: str
    verdicts: tuple[Verdict, ...]
    lane: str
    champion_version: str | None
    holdout: Scorecard
    champion_holdout: Scorecard | None
    run_id: str
    data_hash: str
    feature_fingerprint: str
    code_commit: str | None


@dataclass(frozen=True, eq=False)
class Answers:
    """What became of a version's calibrated answers on the hold-out rows."""

    rps: Array
    direction: Array
    """RPS saved by direction, row by row"""
    card: Scorecard


def gate(
    market: Market,
    table: FeatureTable,
    labelled: Labelled,
    comparison: Comparison,
    version: str,
    settings: Settings,
    home: Path,
) -> Decision:
    """Judge a registered version against the prior and the champion, and keep the decision with the run."""
    versions = Versions(home, settings.registry.model)
    challenger = versions.load(version)
    champion, unusable = _champion(versions)
    holdout = labelled.zones.holdout & labelled.labels.known
    lane = "refresh" if champion and champion.card.recipe_hash == challenger.card.recipe_hash else "new_recipe"
    alpha = _spend(journal_of(home), challenger, lane, market, settings)
    rows = np.flatnonzero(holdout & table.complete)
    mine = answers(challenger, table.values, rows, market, labelled)
    knowing_nothing = metrics.rps(_prior(challenger, len(rows)), labelled.labels.action[rows])
    reference = float(knowing_nothing.mean())
    theirs, duel, reason = _meet(champion, mine, rows, reference, market, labelled, settings)
    judgement = gates.judge(
        Evidence(
            lane=lane,
            alpha=alpha,
            max_ic=_max_ic(market, settings, [mine.card, *comparison.leaderboard]),
            challenger=mine.card,
            against_prior=_duel(knowing_nothing - mine.rps, mine.direction, reference, market.bars.session[rows]),
            champion_version=champion.version if champion else None,
            champion=theirs.card if theirs else None,
            against_champion=duel,
            champion_reason=reason,
            dev=comparison.leaderboard,
            winner=comparison.winner,
            vol_only_excess=comparison.vol_only_excess,
            holdout_first=iso(market.bars.bar_end[holdout].min()),
            labels_known=challenger.card.label_known,
            champion_labels_known=champion.card.label_known if champion else None,
            holdout_sessions=labelled.zones.holdout_sessions,
            short_history=labelled.zones.short,
            kept_share=market.kept_share,
            parity=challenger.card.parity,
            deterministic=_same_twice(versions, challenger, comparison, rows),
            shrinkage=Calibration.from_state(challenger.card.calibration).shrinkage,
        ),
        settings.gate.rules,
        provisional=settings.gate.provisional and (champion is None or champion.outcome == "provisional"),
    )  # fmt: skip
    decision = Decision(
        version=version,
        outcome=judgement.outcome,
        reason=judgement.reason + (f" {unusable}" if unusable else ""),
        verdicts=judgement.verdicts,
        lane=lane,
        champion_version=champion.version if champion else None,
        holdout=mine.card,
        champion_holdout=theirs.card if theirs else None,
        run_id=challenger.card.run_id,
        data_hash=market.data_hash,
        feature_fingerprint=challenger.card.fingerprint,
        code_commit=challenger.card.code_commit,
    )
    file = home / "data" / "runs" / challenger.card.run_id / "decision.json"
    write_whole(file, json.dumps(asdict(decision), indent=2).encode())
    return decision


def answers(model: ModelVersion, values: Array, rows: Ints, market: Market, labelled: Labelled) -> Answers:
    """A version's answers on some rows, through its own graph, calibration and cuts."""
    learned = Calibration.from_state(model.card.calibration)
    bars, action = market.bars, labelled.labels.action[rows]
    inputs = model_inputs(values[rows], bars.symbols, bars.code[rows], model.card.symbols)
    probabilities = learned.apply(model.graph.probabilities(inputs))
    prior, scores = _prior(model, len(rows)), metrics.rps(probabilities, action)
    return Answers(
        rps=scores,
        direction=metrics.rps(symmetric(probabilities, prior), action) - scores,
        card=metrics.scorecard(
            model.card.candidate,
            "model",
            probabilities=probabilities,
            prior=prior,
            decided=policy.act(probabilities, model.card.settings["policy"]["rule"], learned.cuts),
            action=action,
            z=labelled.labels.z[rows],
            session=bars.session[rows],
            fit_seconds=0.0,
            folds=1,
        ),
    )


def _champion(versions: Versions) -> tuple[ModelVersion | None, str]:
    """The champion, or None and why it can't be met though the alias stands somewhere."""
    standing = versions.production()
    if standing is None:
        return None, ""
    try:
        champion = versions.load(standing)
        verify(champion)
    except ModelError as error:
        return None, f"Champion version {standing} can't be served, so the prior stood in for it: {error}"
    return champion, ""


def _meet(
    champion: ModelVersion | None,
    mine: Answers,
    rows: Ints,
    reference: float,
    market: Market,
    labelled: Labelled,
    settings: Settings,
) -> tuple[Answers | None, Duel | None, str]:
    """The champion's answers on the challenger's rows and the duel, or the reason why there is none."""
    if champion is None:
        return None, None, "there is none."
    if champion.card.timetable["interval"] != settings.interval:
        return None, None, (
            f"it answers {champion.card.timetable['interval']} bars and these are {settings.interval}; use another "
            "registry.model or another MM_HOME for another market."
        )  # fmt: skip
    values = features.compute(market.bars, champion.card.features, members=market.members)
    lost = 1 - float(np.isfinite(values[rows]).all(axis=1).mean())
    if lost > 0:
        return None, None, f"it can't answer {lost:.1%} of the hold-out rows."
    theirs = answers(champion, values, rows, market, labelled)
    duel = _duel(theirs.rps - mine.rps, mine.direction - theirs.direction, reference, market.bars.session[rows])
    return theirs, duel, ""


def _duel(rps_gain: Array, direction_gain: Array, reference: float, session: Ints) -> Duel:
    return Duel(gain(by_day(rps_gain, session) / reference), gain(by_day(direction_gain, session) / reference))


def _prior(model: ModelVersion, count: int) -> Array:
    return np.tile(np.asarray(model.card.calibration["prior"]), (count, 1))


def _spend(journal: Journal, challenger: ModelVersion, lane: str, market: Market, settings: Settings) -> float:
    """Write the look into the journal and return what it may spend: alpha / (j (j + 1)) at the year's j-th look."""
    year = session_date(int(market.bars.session.max())).year
    with journal.locked():
        look = journal.looks(year, "new_recipe") + 1 if lane == "new_recipe" else 1
        journal.write(
            "looked",
            by="gate",
            reason=f"Look {look} of {year} at a hold-out, lane {lane}.",
            to_version=challenger.version,
            data_hash=market.data_hash,
            details={"year": year, "lane": lane, "look": look},
        )
    return settings.gate.alpha / (look * (look + 1))


def _max_ic(market: Market, settings: Settings, cards: list[Scorecard]) -> float:
    """The leak alarm's limit: configured, or for a simulated market its exact IC and three standard errors."""
    if "ic" not in market.manifest:
        return settings.gate.max_ic
    errors = [abs(card.ic / card.ic_t) for card in cards if card.kind == "model" and card.ic_t]
    return float(market.manifest["ic"]) + 3 * max(errors, default=0.0)


def _same_twice(versions: Versions, challenger: ModelVersion, comparison: Comparison, rows: Ints) -> bool:
    again, sample = versions.load(challenger.version), comparison.inputs[rows[:1000]]
    same = np.array_equal(challenger.graph.probabilities(sample), again.graph.probabilities(sample))
    return same and again.graph.sha256 == challenger.graph.sha256 and again.card == challenger.card
