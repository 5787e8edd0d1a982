"""Tear sheet of a backtest: numbers with their intervals, and the verdict in a sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from market_master import labels
from market_master.backtest.breakdown import (
    Breakdown,
    CostScenario,
    RandomBand,
    TradeStatistics,
    breakdown_by_bar,
    breakdown_by_symbol,
    buy_and_hold,
    cost_table,
    random_band,
    random_paths,
    trade_statistics,
)
from market_master.backtest.forecast_skill import GroupMean, group_means
from market_master.backtest.run import Backtest, SimulatedBook
from market_master.backtest.statistics import Measures, daily_returns, dsr, least_years, measure_returns, psr, year_of
from market_master.backtest.threshold import tune_threshold
from market_master.domain import CLASSES, Array, Ints, iso, session_date
from market_master.prediction.loaded_model import LoadedModel
from market_master.stats.regimes import regimes

EVIDENCE_PROBABILITY = 0.95
"""of the deflated Sharpe ratio, and against random paths, from which there is evidence of skill"""
WORST_SESSIONS = 10
PARTS = {1: "walk-forward", 0: "hold-out", -1: "since"}


@dataclass(frozen=True)
class SelectionBias:
    """How far the result may be chance."""

    psr: float | None
    """probability that the true Sharpe ratio is above 0"""
    dsr: float | None
    """that it is above what the best of all that was tried would show without skill"""
    trials: int
    """recipes that were tried for this version, earlier looks at the hold-out, thresholds"""
    least_years: float
    """of data that so many trials need before an annual Sharpe ratio of 1 says anything"""
    random: RandomBand
    """the same positions on other days"""


@dataclass(frozen=True)
class TearSheet:
    """A backtest as it is told; its field names are the JSON of `mm backtest`."""

    sentence: str
    """is there evidence of skill?"""
    model: str
    version: str
    index: str
    instrument: str
    rules: str
    span: dict[str, Any]
    index_book: Measures
    constituents_book: Measures
    buy_and_hold: Measures
    dealings: TradeStatistics
    constituents_dealings: TradeStatistics
    costs: tuple[CostScenario, ...]
    luck: SelectionBias
    forecast: dict[str, Any]
    actions: tuple[GroupMean, ...]
    cuts: dict[str, tuple[Breakdown, ...]]
    """by part of time, slot, regime and symbol (the last of the constituents)"""
    months: dict[str, list[float | None]]
    """net of the index book by year: twelve months, then all of it"""
    worst: tuple[dict[str, Any], ...]
    tuning: dict[str, Any] | None
    low_sample: bool


@dataclass(frozen=True, eq=False)
class MeasuredBacktest:
    """A sheet, and the daily returns that it was measured on, by session."""

    sheet: TearSheet
    days: Ints
    net: Array
    buy_and_hold: Array
    """of the instrument"""
    random_paths: Array
    """[paths, sessions] of the same positions on other days"""


def tearsheet(model: LoadedModel, tested: Backtest, *, looks: int = 0) -> MeasuredBacktest:
    """Measure a backtest. `looks` are earlier ones at this source's hold-out, which count as trials."""
    book, constituents = tested.index, tested.constituents
    year = year_of(model.card.timetable["calendar"])
    days, net = daily_returns(book.result.net, book.panel.session)
    hold_net = daily_returns(buy_and_hold(book.panel, book.rules).net, book.panel.session)[1]
    constituents_net = daily_returns(constituents.result.net, constituents.panel.session)[1]
    tuning = tune_threshold(model, tested)
    trials = model.card.trials + looks + (tuning["trials"] if tuning else 0)
    paths = random_paths(book.target, book.panel, book.rules)
    luck = SelectionBias(psr(net), dsr(net, trials), trials, least_years(trials), random_band(net, paths))
    measures = measure_returns(net, year=year, benchmark=hold_net)
    sheet = TearSheet(
        sentence=_sentence(model, tested, measures, luck),
        model=model.artifact.name,
        version=model.artifact.version,
        index=model.settings.universe.index,
        instrument=tested.instrument.description,
        rules=_rules(book, constituents),
        span=_span(tested, len(days)),
        index_book=measures,
        constituents_book=measure_returns(constituents_net, year=year),
        buy_and_hold=measure_returns(hold_net, year=year),
        dealings=trade_statistics(book.result, book.panel),
        constituents_dealings=trade_statistics(constituents.result, constituents.panel),
        costs=cost_table(book.target, book.panel, book.rules, year=year),
        luck=luck,
        forecast=asdict(tested.forecast),
        actions=_actions(tested),
        cuts=_breakdowns(model, tested),
        months=_months(days, net),
        worst=_worst(days, net, hold_net),
        tuning=tuning,
        low_sample=measures.low_sample,
    )
    return MeasuredBacktest(sheet, days, net, hold_net, paths)


def _sentence(model: LoadedModel, tested: Backtest, measures: Measures, luck: SelectionBias) -> str:
    """The verdict on skill in one sentence, with the numbers that decide it."""
    if not tested.index.result.turnover.any():
        why = (
            "the model knows no direction"
            if model.calibration.shrinkage == 0
            else "the WSS never reached its threshold"
        )
        return f"No evidence of skill: nothing was traded, because {why}."
    sharpe, interval, forecast = measures.values["sharpe"], measures.intervals.get("sharpe"), tested.forecast
    if sharpe is None or interval is None or luck.dsr is None:
        return f"No evidence of skill: {measures.reason or 'too little was traded to say anything.'}"
    net_sharpe = f"net Sharpe {sharpe:+.2f} [{interval[0]:+.2f}, {interval[1]:+.2f}]"
    chance = (
        f"deflated for {luck.trials} trials {luck.dsr:.0%} sure, better than {luck.random.beaten:.0%} of random paths"
    )
    if interval[0] > 0 and luck.dsr >= EVIDENCE_PROBABILITY and luck.random.beaten >= EVIDENCE_PROBABILITY:
        return f"There is evidence of skill after costs: {net_sharpe}, {chance}."
    if forecast.ic is not None and forecast.ic_t is not None and forecast.ic_t > 2:
        return (
            f"The WSS knows something of the index's next bar (IC {forecast.ic:+.3f}, t {forecast.ic_t:.1f}), but there is no "
            f"evidence that trading it earns more than its costs: {net_sharpe}, {chance}."
        )
    return f"No evidence of skill: {net_sharpe}, {chance}."


def _rules(book: SimulatedBook, constituents: SimulatedBook) -> str:
    rules = book.rules
    limits = {
        "stop-loss": rules.stop_loss, "take-profit": rules.take_profit, "daily loss stop": rules.daily_loss_stop,
    }  # fmt: skip
    conditions = [f"{1e4 * rules.rate:g} bp one way ({1e4 * constituents.rules.rate:g} bp for constituents)"]
    conditions += [f"{name} {value:.2%}" for name, value in limits.items() if value is not None]
    conditions += ["flat by each close"] if rules.flat_by_close else []
    return (
        f"Decided at a bar's close, filled at the next open, at {', '.join(conditions)}; financing, borrow and dividends "
        "are left out."
    )


def _span(tested: Backtest, sessions: int) -> dict[str, Any]:
    series, signals = tested.history.index, list(tested.history.index.signal)
    return {
        "first": iso(int(series.bar_end[0])),
        "last": iso(int(series.bar_end[-1])),
        "sessions": sessions,
        "bars": len(series),
        "signals": len(signals) - signals.count(None),
        **{signal.lower(): signals.count(signal) for signal in ("BUY", "HOLD", "SELL")},
        "silent": signals.count(None),
        "refused_in_sample": tested.history.refused,
        "filter_coverage": _mean(series.filter_coverage),
        "index_share": _mean(series.index_share),
    }


def _actions(tested: Backtest) -> tuple[GroupMean, ...]:
    """Mean return of the symbol's next bar, by its predicted action."""
    predictions = tested.history.predictions
    bars, rows = predictions.bars, predictions.rows
    next_return = np.expm1(labels.LabelWindow().returns(bars)[rows])
    known = np.isfinite(next_return)
    return group_means(next_return[known], predictions.action[known], CLASSES, bars.session[rows][known])


def _breakdowns(model: LoadedModel, tested: Backtest) -> dict[str, tuple[Breakdown, ...]]:
    result, panel, history = tested.index.result, tested.index.panel, tested.history
    bars = history.predictions.bars
    part = _newest_values(panel.bar_end, bars.bar_end[history.predictions.rows], np.sign(history.fold))
    regime = _newest_values(panel.bar_end, bars.bar_end, regimes(bars, model.card.members))
    return {
        "part": breakdown_by_bar(result, panel, np.array([PARTS[int(number)] for number in part])),
        "slot": breakdown_by_bar(result, panel, np.char.add("bar ", np.char.zfill((panel.slot + 1).astype(str), 2))),
        "regime": breakdown_by_bar(result, panel, regime),
        "symbol": breakdown_by_symbol(tested.constituents.result, tested.constituents.panel),
    }


def _newest_values(instants: Ints, ends: Ints, values: Any) -> Any:
    """The value at each instant, from rows that end at some; the newest before, where none ends there."""
    known_ends, first_row = np.unique(ends, return_index=True)
    return values[first_row][np.maximum(np.searchsorted(known_ends, instants, "right") - 1, 0)]


def _months(days: Ints, net: Array) -> dict[str, list[float | None]]:
    months = np.array([session_date(int(day)).isoformat()[:7] for day in days])
    table: dict[str, list[float | None]] = {}
    for year in sorted({month[:4] for month in months.tolist()}):
        by_month = [net[months == f"{year}-{number:02d}"] for number in range(1, 13)]
        of_year = net[np.char.startswith(months, year)]
        table[year] = [
            *(float(np.prod(1 + returns) - 1) if len(returns) else None for returns in by_month),
            float(np.prod(1 + of_year) - 1),
        ]
    return table


def _worst(days: Ints, net: Array, hold_net: Array) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"day": session_date(int(days[n])).isoformat(), "net": float(net[n]), "index": float(hold_net[n])}
        for n in np.argsort(net, kind="stable")[:WORST_SESSIONS].tolist()
        if net[n] < 0
    )


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
