"""Registration: the winner as one graph and one card, a version aliased `challenger`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from market_master import features
from market_master.artifact import bundle
from market_master.artifact.bars_graph import BarsGraph
from market_master.artifact.model_card import ModelCard
from market_master.artifact.onnx_graph import Graph
from market_master.artifact.raw_columns import newest_rows, raw_columns
from market_master.decision import policy
from market_master.domain import CLASSES, OHLCV, Scorecard, export_sessions, iso
from market_master.export.estimator import parity, to_onnx
from market_master.export.version_graph import version_graph
from market_master.files import write_atomic
from market_master.gate.contender import labels_known
from market_master.leakage.certificate import Certificate
from market_master.provenance import commit, libraries
from market_master.registry.journal import journal_of
from market_master.registry.tracking import Run
from market_master.registry.versions import Versions
from market_master.reports import charts
from market_master.stats import metrics
from market_master.training import Comparison, Experiment, recipe_hash, winner_parameters

PARITY_ROWS = 5000
EXAMPLE_ROWS, EXAMPLE_SYMBOLS = 5, 2
"""that a version answers whenever it is loaded"""
CALENDAR_YEARS = 2
"""that a served version knows ahead"""


def register(run: Run, experiment: Experiment, comparison: Comparison, certificate: Certificate, home: Path) -> str:
    """Log the comparison, export the winner, and register it; returns the version number."""
    _log(run, experiment, comparison, home)
    bars, names = experiment.market.bars, experiment.features.names
    graph = to_onnx(comparison.estimator, comparison.inputs.shape[1])
    bars_graph = version_graph(names, bars.timetable.seconds, graph, comparison.calibration)
    sample = comparison.inputs[comparison.train_rows[:: max(1, len(comparison.train_rows) // PARITY_ROWS)]]
    card = _model_card(run, experiment, comparison, certificate, (graph, bars_graph), sample)
    years = (int(card.train_first[:4]) - 1, datetime.now(UTC).year + CALENDAR_YEARS)
    calendar = export_sessions(bars.timetable.calendar, min(years), max(years))
    example = _example(experiment, graph, bars_graph, sample[:EXAMPLE_ROWS])
    files = bundle.companion_files(bars_graph, card, example, calendar)
    files["certificate.json"] = certificate.to_json().encode()
    version = Versions(home, experiment.settings.registry.model).register(run, graph, sample[:EXAMPLE_ROWS], files)
    journal_of(home).write(
        "registered",
        by="pipeline",
        reason=comparison.why,
        to_version=version,
        data_hash=experiment.market.data_hash,
        feature_fingerprint=card.fingerprint,
        code_commit=card.code_commit,
        details={"run_id": run.id, "candidate": comparison.winner},
    )
    return version


def _model_card(
    run: Run,
    experiment: Experiment,
    comparison: Comparison,
    certificate: Certificate,
    graphs: tuple[bytes, bytes],
    sample: NDArray,
) -> ModelCard:
    """Everything that serving and the gate need to know of the winner beside its graphs; `sample` shows the model's parity."""
    graph, bars_graph = graphs
    market, table, settings = experiment.market, experiment.features, experiment.settings
    hashes = features.fingerprint(table.names)
    bars, rows = market.bars, comparison.train_rows
    return ModelCard(
        candidate=comparison.winner,
        run_id=run.id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=settings.model_dump(mode="json"),
        timetable=asdict(bars.timetable),
        source=market.source,
        origins=market.origins,
        live=market.live,
        symbols=bars.symbols,
        members=market.members,
        features=table.names,
        fingerprints=hashes,
        fingerprint=features.combined(hashes),
        required_bars=features.warmup(table.names) + 1,
        label=experiment.dataset.labeler.state(),
        classes=CLASSES,
        calibration=comparison.calibration.state(),
        wss_expected_sd=comparison.wss_expected_sd,
        train_first=iso(bars.bar_end[rows].min()),
        train_last=iso(bars.bar_end[rows].max()),
        label_known=iso(labels_known(experiment.dataset)),
        train_rows=len(rows),
        parameters=winner_parameters(comparison),
        tuned=comparison.recipe.parameters,
        class_shares=comparison.class_shares,
        importance=tuple(asdict(importance) for importance in comparison.importance),
        trials=comparison.trials,
        certificate=certificate.key,
        recipe_hash=recipe_hash(comparison, hashes, settings),
        data_hash=market.data_hash,
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        bars_graph_sha256=hashlib.sha256(bars_graph).hexdigest(),
        parity=parity(comparison.estimator, graph, sample),
        libraries=libraries(),
        code_commit=commit(),
        score_sizes=policy.abs_score_percentiles(comparison.out_of_fold[comparison.winner].probabilities),
    )


def _example(experiment: Experiment, graph: bytes, bars_graph: bytes, inputs: NDArray) -> dict[str, Any]:
    """Rows of the model's inputs, and the newest bars of the first symbols, with what the graphs give for them."""
    market, served = experiment.market, BarsGraph(bars_graph)
    bars, is_member = market.bars, np.isin(np.asarray(market.bars.symbols), market.members)
    rows = newest_rows(bars)[is_member]
    rows = rows[bars.age[rows] >= served.required_bars - 1]
    rows = rows[bars.bar_end[rows] == bars.bar_end[rows].max()][:EXAMPLE_SYMBOLS]
    columns = raw_columns(served, bars, rows, known=bars.symbols, members=market.members)
    return bundle.make_example(Graph(graph), served, inputs, columns)


def _log(run: Run, experiment: Experiment, comparison: Comparison, home: Path) -> None:
    market, settings, zones = experiment.market, experiment.settings, experiment.dataset.zones
    bars = market.bars
    for name, rows in (("dev", zones.dev), ("holdout", zones.holdout)):
        columns: dict[str, Any] = {column: getattr(bars, column)[rows] for column in ("bar_end", *OHLCV)}
        frame = pd.DataFrame({"symbol": pd.Series(bars.symbols, dtype="str").to_numpy()[bars.code[rows]], **columns})
        frame["bar_end"] = pd.to_datetime(frame["bar_end"], unit="s", utc=True)
        run.dataset(frame, f"{settings.name}-{name}", name)
    for card in comparison.leaderboard:
        params: dict[str, Any] = {"kind": card.kind, "data_hash": market.data_hash}
        if card.candidate in comparison.searches:
            params |= comparison.searches[card.candidate].recipe.parameters
        if card.candidate == comparison.winner:
            params |= winner_parameters(comparison)
        run.candidate(card.candidate, params, _numbers(card))
    winner = next(card for card in comparison.leaderboard if card.candidate == comparison.winner)
    run.metrics({f"dev_{k}": v for k, v in _numbers(winner).items()})
    run.tag(winner=comparison.winner, data_hash=market.data_hash)
    folder = home / "data" / "runs" / run.id
    baseline = next(card.candidate for card in comparison.leaderboard if card.kind == "baseline")
    for name in (comparison.winner, baseline):
        oof = comparison.out_of_fold[name]
        for file in charts.write_charts(
            folder / "charts",
            name,
            probabilities=oof.probabilities,
            decided=oof.decided,
            action=oof.action,
            reliability=metrics.reliability(oof.probabilities, oof.action, market.bars.session[oof.rows]),
        ):
            run.file(file, "charts")
    board = folder / "leaderboard.json"
    summary = {
        "leaderboard": [asdict(card) for card in comparison.leaderboard],
        "winner": comparison.winner,
        "why": comparison.why,
        "class_shares": comparison.class_shares,
        "importance": [asdict(importance) for importance in comparison.importance],
        "kept": list(comparison.selected),
        "tuning": {name: search.why for name, search in comparison.searches.items()},
        "trials": [
            {"candidate": name, "number": trial.number, "rps": trial.value, **trial.parameters}
            for name, search in comparison.searches.items()
            for trial in search.trials
        ],
        "calibration": comparison.calibration.state(),
    }
    write_atomic(board, json.dumps(summary, indent=2).encode())
    run.file(board)


def _numbers(card: Scorecard) -> dict[str, float | None]:
    """A scorecard as flat numbers, the ends of its intervals among them."""
    flat = {k: v for k, v in asdict(card).items() if isinstance(v, (int, float))}
    ends = zip(("low", "high"), zip(*card.intervals.values(), strict=True), strict=False)
    return flat | {
        f"{name}_{end}": value for end, values in ends for name, value in zip(card.intervals, values, strict=True)
    }
