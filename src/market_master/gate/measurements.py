"""Measurements on the hold-out: segments, trades, drift, feature parity, speed, leak limit."""

from __future__ import annotations

import time

import numpy as np

from market_master import features
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
from market_master.training.experiment import Experiment

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


def feature_parity(experiment: Experiment, rows: Ints) -> float:
    """Largest difference between the table and features computed from just the bars serving would have."""
    bars, table = experiment.market.bars, experiment.features
    required_bars, largest = features.warmup(table.names) + 1, 0.0
    instants = np.unique(bars.bar_end[rows])
    for instant in instants[np.linspace(0, len(instants) - 1, PARITY_INSTANTS).astype(int)].tolist():
        short = bars.until(instant).tail(required_bars)
        served = features.compute(short, table.names, members=experiment.market.members)[short.bar_end == instant]
        offline = table.values[bars.bar_end == instant]
        comparable = np.isfinite(served).all(axis=1) & np.isfinite(offline).all(axis=1)
        largest = max(largest, float(np.abs(served - offline)[comparable].max(initial=0.0)))
    return largest


def prediction_seconds(contender: Contender, market: Market) -> float:
    """Of one prediction from bars, 95 in 100 take less."""
    required_bars = features.warmup(contender.features) + 1
    bars = market.bars.take(market.bars.bar_end > market.bars.newest - 40 * 86400).tail(required_bars)
    if not features.needs_market(contender.features):
        bars = bars.select([bars.symbols[0]])
    row = np.array([int(bars.offsets[1]) - 1])
    seconds = []
    for _ in range(TIMED_PREDICTIONS):
        start = time.perf_counter()
        values = features.compute(bars, contender.features, members=market.members)
        contender.probabilities(np.nan_to_num(values), row, bars)
        seconds.append(time.perf_counter() - start)
    return float(np.quantile(seconds, 0.95))


def max_ic(market: Market, settings: Settings, cards: list[Scorecard]) -> float:
    """The leak alarm's limit: configured, or for a simulated market its exact IC and three standard errors."""
    if "ic" not in market.manifest:
        return settings.gate.max_ic
    errors = [abs(card.ic / card.ic_t) for card in cards if card.kind == "model" and card.ic_t]
    return float(market.manifest["ic"]) + 3 * max(errors, default=0.0)
