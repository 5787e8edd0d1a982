"""Tear sheet: a backtest in numbers and words, every number with its interval, the verdict first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master import labels
from market_master.backtest.breakdown import (
    Breakdown,
    CostScenario,
    RandomBand,
    TradeStatistics,
    band,
    buy_and_hold,
    by_bar,
    by_symbol,
    cost_table,
    dealings,
    random_paths,
    tune,
)
from market_master.backtest.forecast_skill import GroupMean, group_means
from market_master.backtest.run import Backtest, SimulatedBook, trade_index
from market_master.backtest.statistics import Measures, daily_returns, dsr, least_years, measure, psr, year_of
from market_master.domain.actions import CLASSES
from market_master.domain.arrays import Array, Ints
from market_master.domain.clock import iso, session_date
from market_master.prediction.loaded_model import LoadedModel
from market_master.stats.regimes import regimes

SURE = 0.95
GRID = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2)
"""thresholds that are tried, on the walk-forward part alone"""
WORST = 10
ZONES = {1: "walk-forward", 0: "hold-out", -1: "since"}


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
    """A sheet, and the paths behind it, by session."""

    sheet: TearSheet
    days: Ints
    net: Array
    held: Array
    """of the instrument, bought and held"""
    random: Array
    """[paths, sessions] of the same positions on other days"""


def tearsheet(champion: LoadedModel, tested: Backtest, *, looks: int = 0) -> MeasuredBacktest:
    """Measure a backtest. `looks` are earlier ones at this source's hold-out, which count as trials."""
    book, year = tested.index, year_of(champion.card.timetable["calendar"])
    days, net = daily_returns(book.path.net, book.panel.session)
    market = buy_and_hold(book.panel, book.rules)
    held = daily_returns(market.net, book.panel.session)[1]
    others, theirs = (
        tested.constituents,
        daily_returns(tested.constituents.path.net, tested.constituents.panel.session)[1],
    )
    tuned = _tuned(champion, tested)
    trials = champion.card.trials + looks + (tuned["trials"] if tuned else 0)
    paths = random_paths(book.target, book.panel, book.rules)
    luck = SelectionBias(psr(net), dsr(net, trials), trials, least_years(trials), band(net, paths))
    mine = measure(net, year=year, benchmark=held)
    sheet = TearSheet(
        sentence=_sentence(champion, tested, mine, luck),
        model=champion.artifact.name,
        version=champion.artifact.version,
        index=champion.settings.universe.index,
        instrument=tested.instrument.words,
        rules=_rules(book, others),
        span=_span(tested, len(days)),
        index_book=mine,
        constituents_book=measure(theirs, year=year),
        buy_and_hold=measure(held, year=year),
        dealings=dealings(book.path, book.panel),
        constituents_dealings=dealings(others.path, others.panel),
        costs=cost_table(book.target, book.panel, book.rules, year=year),
        luck=luck,
        forecast=asdict(tested.forecast),
        actions=_actions(tested),
        cuts=_cuts(champion, tested),
        months=_months(days, net),
        worst=_worst(days, net, held),
        tuning=tuned,
        low_sample=mine.low_sample,
    )
    return MeasuredBacktest(sheet, days, net, held, paths)


def _sentence(champion: LoadedModel, tested: Backtest, mine: Measures, luck: SelectionBias) -> str:
    """Skill, or what there is instead, in one sentence with the numbers that decide."""
    if not tested.index.path.turnover.any():
        why = (
            "the model knows no direction"
            if champion.calibration.shrinkage == 0
            else "the WSS never reached its threshold"
        )
        return f"No evidence of skill: nothing was traded, because {why}."
    sharpe, band, told = mine.values["sharpe"], mine.intervals.get("sharpe"), tested.forecast
    if sharpe is None or band is None or luck.dsr is None:
        return f"No evidence of skill: {mine.reason or 'too little was traded to say anything.'}"
    earned = f"net Sharpe {sharpe:+.2f} [{band[0]:+.2f}, {band[1]:+.2f}]"
    chance = (
        f"deflated for {luck.trials} trials {luck.dsr:.0%} sure, better than {luck.random.beaten:.0%} of random paths"
    )
    if band[0] > 0 and luck.dsr >= SURE and luck.random.beaten >= SURE:
        return f"There is evidence of skill after costs: {earned}, {chance}."
    if told.ic is not None and told.ic_t is not None and told.ic_t > 2:
        return (
            f"The WSS knows something of the index's next bar (IC {told.ic:+.3f}, t {told.ic_t:.1f}), but there is no evidence "
            f"that trading it earns more than its costs: {earned}, {chance}."
        )
    return f"No evidence of skill: {earned}, {chance}."


def _rules(book: SimulatedBook, others: SimulatedBook) -> str:
    rules = book.rules
    limits = {
        "stop-loss": rules.stop_loss, "take-profit": rules.take_profit, "daily loss stop": rules.daily_loss_stop,
    }  # fmt: skip
    said = [f"{name} {value:.2%}" for name, value in limits.items() if value is not None]
    said += ["flat by each close"] if rules.flat_by_close else []
    costs = f"{1e4 * rules.rate:g} bp one way ({1e4 * others.rules.rate:g} bp for constituents)"
    return (
        f"Decided at a bar's close, filled at the next open, at {', '.join([costs, *said])}; financing, borrow and dividends "
        "are left out."
    )


def _span(tested: Backtest, sessions: int) -> dict[str, Any]:
    series = tested.evidence.index
    said = list(series.signal)
    return {
        "first": iso(int(series.bar_end[0])),
        "last": iso(int(series.bar_end[-1])),
        "sessions": sessions,
        "bars": len(series),
        "signals": len(said) - said.count(None),
        **{word.lower(): said.count(word) for word in ("BUY", "HOLD", "SELL")},
        "silent": said.count(None),
        "refused_in_sample": tested.evidence.refused,
        "filter_coverage": _mean(series.filter_coverage),
        "index_share": _mean(series.index_share),
    }


def _actions(tested: Backtest) -> tuple[GroupMean, ...]:
    """The next bar of the symbol, by the action that was said of it."""
    said = tested.evidence.said
    came = np.expm1(labels.LabelWindow().returns(said.bars)[said.rows])
    known = np.isfinite(came)
    return group_means(came[known], said.action[known], CLASSES, said.bars.session[said.rows][known])


def _cuts(champion: LoadedModel, tested: Backtest) -> dict[str, tuple[Breakdown, ...]]:
    book, bars, panel = tested.index, tested.evidence.said.bars, tested.index.panel
    zone = _laid(panel.bar_end, bars.bar_end[tested.evidence.said.rows], np.sign(tested.evidence.fold))
    regime = _laid(panel.bar_end, bars.bar_end, regimes(bars, champion.card.members))
    return {
        "part": by_bar(book.path, panel, np.array([ZONES[int(z)] for z in zone])),
        "slot": by_bar(book.path, panel, np.char.add("bar ", np.char.zfill((panel.slot + 1).astype(str), 2))),
        "regime": by_bar(book.path, panel, regime),
        "symbol": by_symbol(tested.constituents.path, tested.constituents.panel),
    }


def _laid(clock: Ints, ends: Ints, values: Any) -> Any:
    """What held at each instant of a clock, from rows that know it; the newest before, where none ends there."""
    known, first = np.unique(ends, return_index=True)
    return values[first][np.maximum(np.searchsorted(known, clock, "right") - 1, 0)]


def _tuned(champion: LoadedModel, tested: Backtest) -> dict[str, Any] | None:
    """Other thresholds on the walk-forward part, the choice among them traded once on what came after."""
    series, said = tested.evidence.index, tested.evidence.said
    learned = said.bars.bar_end[said.rows][tested.evidence.fold > 0]
    if not len(learned) or not np.any(np.nan_to_num(series.wss)):
        return None
    dev = series.bar_end <= learned.max()
    ground = _traded_at(champion, tested, dev, None)
    tuned = tune(
        lambda threshold: _traded_at(champion, tested, dev, threshold).target, GRID, ground.panel, ground.rules
    )
    later = {}
    for name, threshold in (("tuned", tuned.threshold), ("configured", None)):
        if not dev.all():
            traded = _traded_at(champion, tested, ~dev, threshold)
            later[name] = float(daily_returns(traded.path.net, traded.panel.session)[1].mean())
    return {**asdict(tuned), "thresholds": list(GRID), "later": later, "configured": champion.settings.policy.buy}


def _traded_at(
    champion: LoadedModel, tested: Backtest, bars: NDArray[np.bool_], threshold: float | None
) -> SimulatedBook:
    series = tested.evidence.index
    return trade_index(
        series.bar_end[bars], series.wss[bars], tested.instrument, champion.settings, threshold=threshold
    )


def _months(days: Ints, net: Array) -> dict[str, list[float | None]]:
    months = np.array([session_date(int(day)).isoformat()[:7] for day in days])
    found: dict[str, list[float | None]] = {}
    for year in sorted({month[:4] for month in months.tolist()}):
        rows = [net[months == f"{year}-{number:02d}"] for number in range(1, 13)]
        whole = net[np.char.startswith(months, year)]
        found[year] = [
            *(float(np.prod(1 + row) - 1) if len(row) else None for row in rows),
            float(np.prod(1 + whole) - 1),
        ]
    return found


def _worst(days: Ints, net: Array, held: Array) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"day": session_date(int(days[n])).isoformat(), "net": float(net[n]), "index": float(held[n])}
        for n in np.argsort(net, kind="stable")[:WORST].tolist()
        if net[n] < 0
    )


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
