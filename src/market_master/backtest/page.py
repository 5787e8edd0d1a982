"""Page of a tear sheet: one HTML file that works offline, and its tables as CSV."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from market_master import labels, reports
from market_master.backtest.breakdown import TradeStatistics
from market_master.backtest.forecast_skill import group_means
from market_master.backtest.run import Backtest
from market_master.backtest.statistics import Measures
from market_master.backtest.tables import backtest_tables
from market_master.backtest.tearsheet import MeasuredBacktest, SelectionBias, TearSheet
from market_master.domain import iso, session_date
from market_master.prediction.loaded_model import LoadedModel
from market_master.reports import charts, plotly_figures
from market_master.stats import metrics

PERCENT_NUMBERS = (
    "total",
    "cagr",
    "volatility",
    "max_drawdown",
    "var_95",
    "es_95",
    "mean",
    "winning_sessions",
    "alpha",
)
COST_TABLE_NUMBERS = ("mean", "sharpe", "cagr")
MAX_POINTS = 4000
"""bars in the pictures of WSS at most, evenly spread"""
BREAKDOWN_NOTES = {
    "part": "Walk-forward: each fold by what the folds before had taught. Hold-out: the registered model. Since: later bars.",
    "slot": "Place of the bar in its session.",
    "regime": "What kind of market the session opened into, by what had closed the session before.",
    "symbol": "Of the constituents' book, in shares of the starting capital.",
}


def write_tearsheet(
    model: LoadedModel, tested: Backtest, measured: MeasuredBacktest, folder: Path, *, page: Path | None = None
) -> dict[str, str]:
    """tearsheet.html (or `page`), and equity, trades and WSS as CSV in a folder; returns their paths by kind."""
    files = {"tearsheet": _page(model, tested, measured, page or folder / "tearsheet.html")}
    for kind, frame in backtest_tables(tested, measured).items():
        files[kind] = folder / f"{kind}.csv"
        frame.to_csv(files[kind], index=False)
    return {kind: str(file) for kind, file in files.items()}


def _page(model: LoadedModel, tested: Backtest, measured: MeasuredBacktest, file: Path) -> Path:
    sheet = measured.sheet
    return reports.write_page(
        "backtest.html",
        file,
        sheet=sheet,
        script=plotly_figures.script(),
        pictures={
            "equity": _equity(measured),
            "series": _series(model, tested),
            "scatter": _scatter(tested),
            "reliability": _reliability(model, tested),
        },
        numbers=_numbers(sheet),
        costs=[
            {
                "multiple": row.multiple,
                "rate": row.rate,
                "cells": [_cell(row.measures, name) for name in COST_TABLE_NUMBERS],
            }
            for row in sheet.costs
        ],
        cost_names=[name.replace("_", " ") for name in COST_TABLE_NUMBERS],
        luck=_luck(sheet.luck),
        forecast_words=_forecast(sheet.forecast),
        actions=sheet.actions,
        parts=[{"name": name, "words": note, "rows": sheet.cuts[name]} for name, note in BREAKDOWN_NOTES.items()],
        limits=_limits(sheet, tested),
        tuning=_tuning(sheet.tuning),
        tuning_words=_tuning_words(sheet.tuning),
    )


def _equity(measured: MeasuredBacktest) -> str:
    """Wealth over time beside the bought and held instrument, the band of random paths, and the drawdown."""
    dates = [session_date(int(day)).isoformat() for day in measured.days]
    wealth = np.asarray(np.cumprod(1 + measured.net))
    hold_wealth = np.asarray(np.cumprod(1 + measured.buy_and_hold))
    low, high = np.quantile(np.cumprod(1 + measured.random_paths, axis=-1), [0.05, 0.95], axis=0)
    return plotly_figures.equity(
        dates,
        {"signal on the index, net": wealth, "bought and held": hold_wealth},
        low,
        high,
        wealth / np.maximum(np.maximum.accumulate(wealth), 1) - 1,
    )


def _series(model: LoadedModel, tested: Backtest) -> str:
    """WSS over time, the instrument's level and the thresholds."""
    series, rule, bars = tested.history.index, model.settings.policy, tested.instrument.bars
    shown = np.linspace(0, len(series) - 1, min(MAX_POINTS, len(series))).astype(int)
    level = bars.close[np.maximum(np.searchsorted(bars.bar_end, series.bar_end[shown], "right") - 1, 0)]
    return plotly_figures.series(
        [iso(int(end)) for end in series.bar_end[shown]], series.wss[shown], level, (rule.buy, rule.sell)
    )


def _scatter(tested: Backtest) -> str:
    index, next_return = tested.history.index, tested.next_return
    rows = np.flatnonzero(np.isfinite(index.wss) & np.isfinite(next_return))
    wss, next_return = index.wss[rows], next_return[rows]
    if len(rows) < 100 or not wss.std():
        return ""
    edges = np.unique(np.quantile(wss, np.linspace(0.1, 0.9, 9)))
    tenth = np.searchsorted(edges, wss, "right")
    bars = tested.instrument.bars
    session = bars.session[np.searchsorted(bars.bar_end, index.bar_end[rows])]
    groups = group_means(next_return, tenth, tuple(map(str, range(len(edges) + 1))), session)
    centre = np.array([wss[tenth == number].mean() for number, group in enumerate(groups) if group.rows])
    mean = np.array([group.mean for group in groups if group.rows])
    low = np.array([group.low for group in groups if group.rows])
    high = np.array([group.high for group in groups if group.rows])
    shown = np.linspace(0, len(rows) - 1, min(MAX_POINTS, len(rows))).astype(int)
    return plotly_figures.scatter(wss[shown], next_return[shown], centre, mean, low, high)


def _reliability(model: LoadedModel, tested: Backtest) -> str:
    predictions, bars = tested.history.predictions, tested.history.predictions.bars
    action = labels.labeler_from_state(model.card.label).transform(bars).action[predictions.rows]
    known = action >= 0
    session = bars.session[predictions.rows][known]
    return charts.reliability_svg(metrics.reliability(predictions.probabilities[known], action[known], session))


def _numbers(sheet: TearSheet) -> list[dict[str, Any]]:
    """A row a number, a cell a book."""
    books = (sheet.index_book, sheet.constituents_book, sheet.buy_and_hold)
    rows = [
        {"name": name.replace("_", " "), "cells": [_cell(book, name) for book in books]}
        for name in sheet.index_book.values
    ]
    for name, value in asdict(sheet.dealings).items():
        if value is not None:
            cells = [_trade_cell(sheet.dealings, name), _trade_cell(sheet.constituents_dealings, name), ""]
            rows.append({"name": name.replace("_", " "), "cells": cells})
    return rows


def _cell(book: Measures, name: str) -> str:
    value, interval = book.values.get(name), book.intervals.get(name)
    if value is None:
        return ""
    form = "{:+.4%}" if name == "mean" else "{:+.2%}" if name in PERCENT_NUMBERS else "{:+.2f}"
    return form.format(value) + (f" [{form.format(interval[0])}, {form.format(interval[1])}]" if interval else "")


def _trade_cell(statistics: TradeStatistics, name: str) -> str:
    value = getattr(statistics, name)
    if value is None:
        return ""
    if name == "break_even":
        return f"{1e4 * value:.2f} bp"
    return str(value) if isinstance(value, int) else f"{value:.4f}" if name.startswith("average") else f"{value:.3f}"


def _luck(luck: SelectionBias) -> dict[str, str]:
    band = luck.random
    return {
        "probabilistic Sharpe ratio": ""
        if luck.psr is None
        else f"{luck.psr:.1%} sure that the true Sharpe ratio is above 0",
        "deflated Sharpe ratio": (
            ""
            if luck.dsr is None
            else f"{luck.dsr:.1%} sure that it is above the best of {luck.trials} trials without skill"
        ),
        "data needed": f"{luck.least_years:.1f} years, before an annual Sharpe ratio of 1 says anything after so many trials",
        "random band": (
            f"the same positions on other days earn {band.low:+.4%} to {band.high:+.4%} a session in 90 of 100 of {band.paths} "
            f"paths; {band.beaten:.0%} of them earn less than this one"
        ),
    }


def _forecast(forecast: dict[str, Any]) -> str:
    if forecast["ic"] is None:
        return f"{forecast['bars']} bars have a WSS and a next return, or the WSS never changes: nothing can be said of it."
    hits = (
        f" It had the sign right on {forecast['hit_rate']:.1%} of bars, where chance would have {forecast['base_rate']:.1%} "
        f"(p {forecast['hit_p']:.3f}, Pesaran and Timmermann)."
        if forecast["hit_p"] is not None
        else ""
    )
    return (
        f"Over {forecast['bars']:,} bars the correlation of WSS with the index's next return, in units of its usual size, is "
        f"{forecast['ic']:+.4f} (rank {forecast['rank_ic']:+.4f}); a WSS one standard deviation higher came with "
        f"{forecast['slope']:+.4f} of them, t {forecast['ic_t']:.2f} (Newey-West, {forecast['lags']} lags).{hits}"
    )


def _tuning(tuning: dict[str, Any] | None) -> list[dict[str, Any]]:
    if tuning is None:
        return []
    marks = {tuning["threshold"]: "chosen: the largest within one standard error of the best", tuning["best"]: "best"}
    rows = zip(tuning["thresholds"], tuning["net"], tuning["shortfall_se"], strict=True)
    return [{"threshold": t, "mean": mean, "se": se, "mark": marks.get(t, "")} for t, mean, se in rows]


def _tuning_words(tuning: dict[str, Any] | None) -> str:
    if tuning is None:
        return "There is no walk-forward part with a WSS to choose another threshold on."
    later = tuning["later"]
    after = (
        f" After it, where nothing was chosen: {later['tuned']:+.4%} a session with {tuning['threshold']:g}, "
        f"{later['configured']:+.4%} with the configured {tuning['configured']:g}."
        if later
        else ""
    )
    return (
        f"{tuning['trials']} thresholds were tried on the walk-forward part alone; each counts as a trial above. The rule takes "
        f"the largest within one standard error of the best.{after} Nothing is changed by this: the policy is the configured one."
    )


def _limits(sheet: TearSheet, tested: Backtest) -> list[str]:
    limits = [
        "Costs are assumptions: there are no quotes, so spreads, impact, borrow, financing and dividends are not seen.",
        "Symbols that died before the data were collected are not in it, unless the source kept them (survivorship).",
        "Walk-forward answers come from the same recipe fitted on earlier bars, not from the registered model itself.",
        "The band of an interval is what other samples like this one would show; a change of the world is not in it.",
    ]
    if not tested.instrument.intrabar:
        limits.insert(
            0, "The basket's highs and lows are those of its opens and closes: a stop inside a bar is not seen."
        )
    if tested.history.refused:
        limits.insert(0, f"{tested.history.refused:,} bars that the version had learned from were left out.")
    if sheet.low_sample:
        limits.insert(0, f"{sheet.index_book.sessions} sessions are few: look at the intervals, not at the numbers.")
    return limits
