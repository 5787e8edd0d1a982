"""Measurements on the hold-out: segments, trades, drift, feature parity, speed, leak limit."""

from __future__ import annotations

import time

import numpy as np

from market_master.artifact.bars_graph import BarsGraph
from market_master.artifact.raw_columns import newest_rows, raw_columns
from market_master.config import Settings
from market_master.domain import Ints, Scorecard, Trades
from market_master.gate import trade_simulation
from market_master.gate.contender import Contender, ScoredPredictions
from market_master.gate.evidence import Segment
from market_master.gate.head_to_head import HeadToHead
from market_master.market_data.ingest import Market
from market_master.stats.daily import by_day, newey_west_se
from market_master.stats.domain_classifier import domain_auc
from market_master.stats.regimes import regimes
from market_master.training import Experiment

SEGMENT_ROWS, SEGMENT_SESSIONS = 300, 5
"""that a segment needs to be judged"""
TIMED_PREDICTIONS = 40
PARITY_INSTANTS = 5


def score_segments(
    experiment: Experiment, scored: ScoredPredictions, head_to_head: HeadToHead | None, rows: Ints
) -> tuple[Segment, ...]:
    """Each symbol, slot, regime, and rows whose label lies in another session, with enough rows to be judged."""
    bars = experiment.market.bars
    if head_to_head:
        rows, reference = head_to_head.rows, head_to_head.champion.rps
        excess = head_to_head.challenger.rps - reference
    else:
        excess, reference = scored.rps - scored.prior, scored.prior
    crosses = experiment.dataset.labels.crosses_session[rows]
    parts = {
        "symbol": np.asarray(bars.symbols, dtype=str)[bars.code[rows]],
        "slot": bars.next_slot[rows].astype(str),
        "regime": regimes(bars, experiment.market.members)[rows],
        "session": np.where(crosses, "next", "same"),
    }
    segments = []
    for kind, part in parts.items():
        for name in np.unique(part).tolist():
            inside = part == name
            days = bars.session[rows][inside]
            if inside.sum() < SEGMENT_ROWS or len(np.unique(days)) < SEGMENT_SESSIONS:
                continue
            daily = by_day(excess[inside], days)
            error = newey_west_se(daily, experiment.dataset.overlap)
            share = float(excess[inside].mean() / reference[inside].mean())
            segments.append(
                Segment(kind, str(name), int(inside.sum()), share, float(daily.mean() / error) if error > 0 else 0.0)
            )
    return tuple(segments)


def simulate_trades(experiment: Experiment, scored: ScoredPredictions, rows: Ints) -> Trades:
    """What the actions of some rows would have earned, at the configured cost."""
    bars = experiment.market.bars
    return trade_simulation.trade(
        scored.decided,
        experiment.dataset.labels.forward_return[rows],
        bars.code[rows],
        bars.bar_end[rows],
        bars.session[rows],
        bars.slot[rows],
        cost=experiment.settings.costs.bps / 1e4,
        horizon=experiment.settings.label.horizon,
    )


def holdout_drift(experiment: Experiment, rows: Ints) -> float:
    """AUC of telling hold-out rows from development rows by their features."""
    values, session = experiment.features.values, experiment.market.bars.session
    learned = experiment.dev_rows
    return domain_auc(values[learned], session[learned], values[rows], session[rows])


def feature_parity(experiment: Experiment, graph: BarsGraph, rows: Ints) -> float:
    """Largest difference between the table's features and those that the graph makes of just the bars serving would have."""
    market, table = experiment.market, experiment.features
    bars, largest, instants = market.bars, 0.0, np.unique(market.bars.bar_end[rows])
    for instant in instants[np.linspace(0, len(instants) - 1, PARITY_INSTANTS).astype(int)].tolist():
        present = newest_rows(bars, instant)
        present = present[present >= 0]
        served = graph.feature_values(raw_columns(graph, bars, present, known=bars.symbols, members=market.members))
        offline, complete = table.values[present], bars.age[present] >= graph.required_bars - 1
        comparable = complete & np.isfinite(offline).all(axis=1) & (bars.bar_end[present] == instant)
        largest = max(largest, float(np.abs(served - offline)[comparable].max(initial=0.0)))
    return largest


def prediction_seconds(contender: Contender, market: Market) -> float:
    """Of one prediction from bars, 95 in 100 take less."""
    graph, bars = contender.bars_graph, market.bars
    present = newest_rows(bars)[: None if graph.needs_market else 1]
    seconds = []
    for _ in range(TIMED_PREDICTIONS):
        start = time.perf_counter()
        graph.predict(raw_columns(graph, bars, present, known=contender.symbols, members=market.members))
        seconds.append(time.perf_counter() - start)
    return float(np.quantile(seconds, 0.95))


def max_ic(market: Market, settings: Settings, cards: list[Scorecard]) -> float:
    """The leak alarm's limit: configured, or for a simulated market its exact IC and three standard errors."""
    if "ic" not in market.manifest:
        return settings.gate.max_ic
    errors = [abs(card.ic / card.ic_t) for card in cards if card.kind == "model" and card.ic_t]
    return float(market.manifest["ic"]) + 3 * max(errors, default=0.0)
