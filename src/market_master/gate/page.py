"""Gate page: what was judged, on what data, and why it went as it did, for a sceptic."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from market_master.domain import Scorecard
from market_master.gate.decide import Decision
from market_master.gate.rules.champion import MAX_SEGMENT_LOSS, MAX_SEGMENT_T
from market_master.leakage.certificate import Certificate
from market_master.market_data.ingest import Market
from market_master.registry.tracking import Run
from market_master.registry.versions import Versions
from market_master.reports import charts, write_page
from market_master.stats import metrics
from market_master.training import Comparison, Experiment

MAX_FEATURES, MAX_SEGMENTS = 25, 15
HOLDOUT_NUMBERS = ("rpss", "vol", "dir", "ic", "log_loss", "macro_f1", "accuracy", "ece")


def write_gate_page(
    run: Run, experiment: Experiment, comparison: Comparison, certificate: Certificate, decision: Decision, home: Path
) -> Path:
    """Write data/reports/<run>-gate.html, and keep it with the run and beside the version."""
    market, model = experiment.market, experiment.settings.registry.model
    versions = Versions(home, model)
    card, oof = versions.load(decision.version).card, comparison.out_of_fold[comparison.winner]
    evidence = decision.record["evidence"]
    file = write_page(
        "gate.html",
        home / "data" / "reports" / f"{run.id}-gate.html",
        model=model,
        decision=asdict(decision),
        warnings=_warnings(decision, card.calibration),
        facts=_facts(card, market),
        board=[asdict(row) for row in comparison.leaderboard],
        winner=comparison.winner,
        why=comparison.why,
        holdout=_holdout(decision),
        calibration=(
            f"Temperature {card.calibration['temperature']:.3f}, directional shrinkage (lambda) "
            f"{card.calibration['shrinkage']:.3f}."
        ),
        segments=sorted(
            evidence["segments"] or (),
            key=lambda part: -max(part["t"] / MAX_SEGMENT_T, part["worse"] / MAX_SEGMENT_LOSS),
        )[:MAX_SEGMENTS],
        classes=_classes(card.class_shares),
        certificate={**asdict(certificate), "broken": certificate.broken},
        limits=_limits(market, decision, card.calibration),
        pictures={
            "leaderboard": charts.intervals_svg(
                {row.candidate: (row.dir, *row.intervals["dir"]) for row in comparison.leaderboard if row.dir > -0.05},
                "DIR in walk-forward, % of the prior's RPS, 90 % interval",
                comparison.winner,
            ),
            "holdout": _paths(evidence),
            "reliability": charts.reliability_svg(
                metrics.reliability(oof.probabilities, oof.action, market.bars.session[oof.rows])
            ),
            "importance": charts.intervals_svg(
                {
                    effect.feature: (effect.loss, effect.loss - 2 * effect.error, effect.loss + 2 * effect.error)
                    for effect in comparison.importance[:MAX_FEATURES]
                },
                "RPS lost, %",
            ),
        },
    )
    run.file(file, "reports")
    versions.attach_file(decision.version, file)
    return file


def _warnings(decision: Decision, calibration: dict[str, Any]) -> list[str]:
    """The sentences a trader needs before any number."""
    warnings = []
    if decision.outcome == "provisional":
        warnings.append("Paper only: nothing is proved against this model, and no skill is proved for it.")
    skilled = next((verdict for verdict in decision.verdicts if verdict.rule == "knows_direction"), None)
    if calibration["shrinkage"] == 0 or (skilled is not None and not skilled.passed):
        warnings.append("No evidence of direction: what it knows, if anything, is how volatile the next bar will be.")
    random = next((verdict for verdict in decision.verdicts if verdict.rule == "beats_random_trades"), None)
    if random is not None and not random.passed:
        warnings.append(
            "Its trades earned no more than the same positions dealt to other days: it has no proved earning skill."
        )
    return warnings


def _facts(card: Any, market: Market) -> dict[str, Any]:
    bars, tuned = card.timetable, ", ".join(f"{name}={value}" for name, value in card.tuned.items())
    return {
        "candidate": f"{card.candidate} ({tuned or 'defaults'}; {card.trials} recipes tried)",
        "bars": f"{bars['interval']} of {len(card.symbols)} symbols on {bars['calendar']} ({bars['grid']} grid)",
        "source": card.source,
        "trained on": f"{card.train_rows:,} rows, {card.train_first} to {card.train_last}",
        "data hash": market.data_hash,
        "label": ", ".join(f"{k} {v}" for k, v in card.label.items() if not isinstance(v, dict)),
        "features": f"{len(card.features)}, fingerprint {card.fingerprint}, {card.warmup} earlier bars",
        "recipe hash": card.recipe_hash,
        "code commit": card.code_commit or "outside a checkout",
        "libraries": ", ".join(f"{name} {version}" for name, version in card.libraries.items()),
    }


def _holdout(decision: Decision) -> list[dict[str, Any]]:
    """Rows of numbers: the challenger, and the champion where there is one."""
    cards = {"challenger": decision.holdout, "champion": decision.champion_holdout}
    there = {name: card for name, card in cards.items() if card is not None}
    return [
        {"number": number, "names": list(there), "cells": [_cell(card, number) for card in there.values()]}
        for number in HOLDOUT_NUMBERS
        if there
    ]


def _cell(card: Scorecard, number: str) -> str:
    low, high = card.intervals[number]
    value = getattr(card, number)
    if number in ("rpss", "vol", "dir"):
        return f"{value:+.2%} [{low:+.2%}, {high:+.2%}]"
    null = {"macro_f1": card.macro_f1_null, "accuracy": card.accuracy_null}.get(number)
    return f"{value:.4f} [{low:.4f}, {high:.4f}]" + (f" null {null:.4f}" if null is not None else "")


def _paths(evidence: dict[str, Any]) -> str:
    named = {"against the prior": "against_prior", "against the champion": "against_champion"}
    series = {title: evidence[name]["rps_daily"] for title, name in named.items() if evidence[name]}
    return charts.paths_svg(series, "Running sum of the daily RPS gain, % of the prior's RPS") if series else ""


def _classes(shares: dict[str, Any]) -> dict[str, list[float]]:
    rows = {f"fold {n + 1} (training)": fold["train_shares"] for n, fold in enumerate(shares["fold"])}
    for part in ("slot", "regime"):
        rows |= {f"{part} {name}": values for name, values in shares[part].items()}
    return rows


def _limits(market: Market, decision: Decision, calibration: dict[str, Any]) -> list[str]:
    limits = [
        "Out-of-sample numbers are of these symbols and this time; others, and later times, may differ.",
        "Symbols that died before the data were collected are not in it, unless the source kept them (survivorship).",
        "Costs are the configured ones; there are no quotes, so spreads, impact, borrow and funding are assumptions or left out.",
        "Expect an IC of 0.00 to 0.05 and a sign accuracy of 49 to 52 % on hourly bars of large companies; more is a bug first.",
    ]
    if market.provider == "simulated":
        limits.insert(0, "The market is simulated, with a planted edge: no number here says anything about a real one.")
    if calibration["shrinkage"] == 0:
        limits.insert(0, "Lambda is 0: every action is hold and the WSS is 0.")
    if decision.holdout is None:
        limits.insert(0, "The hold-out was not looked at, so nothing here is final.")
    return limits
