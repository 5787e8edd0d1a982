"""The training pipeline as a story of steps: plain functions, or the same as Prefect tasks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from market_master.config import Settings
from market_master.domain import IndexSignal, MarketMasterError, NoChampion, as_json, iso
from market_master.files import write_atomic
from market_master.gate.decide import Decision, decide
from market_master.gate.page import write_gate_page
from market_master.index.signal import predict_index
from market_master.leakage.certificate import certify
from market_master.lifecycle.attach_artifacts import attach_artifacts
from market_master.lifecycle.promote import promote
from market_master.lifecycle.recovery import recover
from market_master.lifecycle.register import register
from market_master.market_data.ingest import fetch
from market_master.pipeline.closing import ClosingStep, JudgedRun, closing_steps
from market_master.progress import report_progress
from market_master.registry.champion import load_champion
from market_master.registry.run_lock import run_lock
from market_master.registry.tracking import Run
from market_master.training import Comparison, Experiment, label_bars
from market_master.training.compare import compare
from market_master.training.feature_table import compute_features

Step = Callable[..., Any]


@dataclass(frozen=True)
class Steps:
    """The verbs of the pipeline, in order."""

    fetch: Step = fetch
    features: Step = compute_features
    label: Step = label_bars
    train_compare: Step = compare
    audit: Step = certify
    register: Step = register
    gate: Step = decide
    review: Step = write_gate_page
    reference: Step = attach_artifacts
    promote: Step = promote
    predict_index: Step = predict_index
    closing: tuple[ClosingStep, ...] = field(default_factory=closing_steps)
    """those of pipeline/closing/"""


STEPS = tuple(name for name in Steps.__dataclass_fields__ if name != "closing")


@dataclass(frozen=True)
class Outcome:
    """What a pipeline run came to; its field names are the JSON of `mm run`."""

    run_id: str
    outcome: str
    """promoted, provisional, rejected, or compared (a dev run stops before the gate)"""
    reason: str
    version: str | None
    data: dict[str, Any]
    leaderboard: list[dict[str, Any]]
    winner: str
    verdicts: list[dict[str, Any]]
    signal: dict[str, Any] | None
    signal_reason: str | None
    reports: dict[str, str]
    timings: dict[str, float]
    fits: dict[str, int]
    """how many were made, and how many an earlier run had finished"""


def train(
    settings: Settings,
    home: Path,
    *,
    now: int,
    dev: bool = False,
    steps: Steps | None = None,
    announce: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Fetch, features, label, train and compare, gate, promote, one signal, and the reports. `dev` stops before the gate.

    `announce` is called once, with the outcome as it is known before the closing steps write their reports.
    """
    timings: dict[str, float] = {}
    todo = _timed(steps or Steps(), timings)
    model = settings.registry.model
    recover(model, home)
    market = todo.fetch(settings, home, now)
    run = Run.start(home, settings.name, settings.model_dump(mode="json"))
    with run_lock(run):
        table = todo.features(market.bars, settings, market.members)
        dataset = todo.label(market.bars, settings)
        experiment = Experiment(market, table, dataset, settings)
        comparison = todo.train_compare(experiment, home)
        judged, outcome = None, _compared(run, experiment, comparison)
        if not dev:
            certificate = todo.audit(experiment, comparison, home)
            version = todo.register(run, experiment, comparison, certificate, home)
            decision = todo.gate(experiment, comparison, certificate, version, home)
            gate_page = todo.review(run, experiment, comparison, certificate, decision, home)
            todo.reference(experiment, comparison, version, home)
            move = todo.promote(decision, settings, home)
            signal, signal_reason = _signal(todo, home, model, now)
            judged = JudgedRun(run, experiment, comparison, decision, version, home)
            outcome = replace(
                outcome,
                outcome=decision.outcome,
                reason=move.reason,
                version=version,
                verdicts=as_json(decision.verdicts),
                signal=as_json(signal) if signal else None,
                signal_reason=signal_reason,
                reports={"gate": str(gate_page)},
            )
        outcome = replace(outcome, timings=dict(timings), fits=_fits(comparison))
        if announce:
            announce(outcome)
        pages = {step.report: str(step.write(judged)) for step in todo.closing} if judged else {}
        outcome = replace(outcome, reports=outcome.reports | pages, timings=timings)
        _save(run, outcome, settings, judged.decision if judged else None, home)
    return outcome


def _compared(run: Run, experiment: Experiment, comparison: Comparison) -> Outcome:
    """The outcome of a run that has not come to the gate."""
    return Outcome(
        run_id=run.id,
        outcome="compared",
        reason=comparison.why,
        version=None,
        data=summary(experiment),
        leaderboard=as_json(comparison.leaderboard),
        winner=comparison.winner,
        verdicts=[],
        signal=None,
        signal_reason="A dev run makes no signal.",
        reports={},
        timings={},
        fits=_fits(comparison),
    )


def _fits(comparison: Comparison) -> dict[str, int]:
    cache = comparison.fold_data.cache
    return dict(cache.counts) if cache else {}


def summary(experiment: Experiment) -> dict[str, Any]:
    """What the run worked on, as the summary and the records tell it."""
    market, table = experiment.market, experiment.features
    bars = market.bars
    first, last = iso(bars.bar_end.min()), iso(bars.newest)
    return {
        "provider": market.provider,
        "source": market.source,
        "origins": market.origins,
        "timetable": asdict(bars.timetable),
        "rows": len(bars),
        "symbols": len(bars.symbols),
        "constituents": len(market.weights.by_symbol),
        "index_share": market.weights.index_share,
        "weights_as_of": market.weights.as_of,
        "first": first,
        "last": last,
        "sessions": len(set(bars.session.tolist())),
        "holdout_sessions": experiment.dataset.zones.holdout_sessions,
        "features": len(table.names),
        "left_out": table.left_out,
        "data_hash": market.data_hash,
        "kept_share": market.kept_share,
        "written": asdict(market.written),
        "dropped": {
            kind: sum(getattr(row, kind) for row in market.report)
            for kind in ("duplicates", "conflicts", "impossible", "off_grid", "out_of_session", "forming")
        },
        "notes": list(market.notes),
        "quality": [asdict(row) for row in market.report],
    }


def _signal(todo: Steps, home: Path, model: str, now: int) -> tuple[IndexSignal | None, str | None]:
    """The index's signal by whoever is champion now, or the reason why there is none."""
    try:
        champion = load_champion(home, model)
        return todo.predict_index(champion, champion.store(home), now=now), None
    except NoChampion as error:
        return None, str(error)
    except MarketMasterError as error:
        return None, f"{error.title}: {error}"


def _save(run: Run, outcome: Outcome, settings: Settings, decision: Decision | None, home: Path) -> None:
    folder = home / "data" / "runs" / run.id
    for name, content in (("summary.json", asdict(outcome)), ("settings.json", settings.model_dump(mode="json"))):
        write_atomic(folder / name, json.dumps(content, indent=2).encode())
        run.file(folder / name)
    if decision:
        run.file(folder / "decision.json")
        numbers = asdict(decision.holdout) if decision.holdout else {}
        run.metrics({f"holdout_{k}": v for k, v in numbers.items() if isinstance(v, (int, float))})
    run.tag(outcome=outcome.outcome, version=outcome.version or "")


def _timed(steps: Steps, timings: dict[str, float]) -> Steps:
    """The same steps, each reporting its begin and end, and noting its seconds in `timings`."""

    def timed(name: str, step: Step) -> Step:
        def call(*args: Any, **kwargs: Any) -> Any:
            report_progress(name, 0, 1)
            begun = time.perf_counter()
            try:
                result = step(*args, **kwargs)
            except Exception as error:
                error.add_note(f"The step '{name}' failed.")
                raise
            timings[name] = round(time.perf_counter() - begun, 3)
            report_progress(name, 1, 1)
            return result

        return call

    closing = tuple(replace(step, write=timed(step.name, step.write)) for step in steps.closing)
    return Steps(**{name: timed(name, getattr(steps, name)) for name in STEPS}, closing=closing)
