"""Sheet page: a tear sheet as one HTML file that works offline, and its tables as CSV."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from market_master import labels, reports
from market_master.backtest.breakdown import TradeStatistics
from market_master.backtest.forecast_skill import group_means
from market_master.backtest.run import Backtest
from market_master.backtest.statistics import Measures
from market_master.backtest.tearsheet import MeasuredBacktest, SelectionBias, TearSheet
from market_master.domain.arrays import Ints
from market_master.domain.clock import iso, session_date
from market_master.prediction.loaded_model import LoadedModel
from market_master.reports import charts, plotly_figures
from market_master.stats import metrics

SHARES = ("total", "cagr", "volatility", "max_drawdown", "var_95", "es_95", "mean", "winning_sessions", "alpha")
"""numbers that are told in per cent"""
COSTED = ("mean", "sharpe", "cagr")
POINTS = 4000
"""bars in the pictures of WSS at most, evenly spread"""
PARTS = {
    "part": "Walk-forward: each fold by what the folds before had taught. Hold-out: the registered model. Since: later bars.",
    "slot": "Place of the bar in its session.",
    "regime": "What kind of market the session opened into, by what had closed the session before.",
    "symbol": "Of the constituents' book, in shares of the starting capital.",
}


def write(
    champion: LoadedModel, tested: Backtest, told: MeasuredBacktest, folder: Path, *, page: Path | None = None
) -> dict[str, str]:
    """tearsheet.html (or `page`), and equity, trades and WSS as CSV in a folder; returns their paths by kind."""
    files = {"tearsheet": _page(champion, tested, told, page or folder / "tearsheet.html")}
    for kind, frame in _tables(tested, told).items():
        files[kind] = folder / f"{kind}.csv"
        frame.to_csv(files[kind], index=False)
    return {kind: str(file) for kind, file in files.items()}


def _page(champion: LoadedModel, tested: Backtest, told: MeasuredBacktest, file: Path) -> Path:
    sheet, series = told.sheet, tested.evidence.index
    rule = champion.settings.policy
    dates = [session_date(int(day)).isoformat() for day in told.days]
    wealth, held, others = (np.asarray(np.cumprod(1 + daily, axis=-1)) for daily in (told.net, told.held, told.random))
    low, high = np.quantile(others, [0.05, 0.95], axis=0)
    shown = np.linspace(0, len(series) - 1, min(POINTS, len(series))).astype(int)
    instrument = tested.instrument.bars
    level = instrument.close[np.maximum(np.searchsorted(instrument.bar_end, series.bar_end[shown], "right") - 1, 0)]
    return reports.write_page(
        "backtest.html",
        file,
        told=sheet,
        script=plotly_figures.script(),
        pictures={
            "equity": plotly_figures.equity(
                dates,
                {"signal on the index, net": wealth, "bought and held": held},
                low,
                high,
                wealth / np.maximum(np.maximum.accumulate(wealth), 1) - 1,
            ),
            "series": plotly_figures.series(
                [iso(int(end)) for end in series.bar_end[shown]], series.wss[shown], level, (rule.buy, rule.sell)
            ),
            "scatter": _scatter(tested),
            "reliability": _reliability(champion, tested),
        },
        numbers=_numbers(sheet),
        costs=[
            {"multiple": row.multiple, "rate": row.rate, "cells": [_cell(row.measures, name) for name in COSTED]}
            for row in sheet.costs
        ],
        cost_names=[name.replace("_", " ") for name in COSTED],
        luck=_luck(sheet.luck),
        forecast_words=_forecast(sheet.forecast),
        actions=sheet.actions,
        parts=[{"name": part, "words": words, "rows": sheet.cuts[part]} for part, words in PARTS.items()],
        limits=_limits(sheet, tested),
        tuning=_tuning(sheet.tuning),
        tuning_words=_tuning_words(sheet.tuning),
    )


def _tables(tested: Backtest, told: MeasuredBacktest) -> dict[str, pd.DataFrame]:
    book, series = tested.index, tested.evidence.index
    trips = book.path.trades
    ends = book.panel.bar_end
    return {
        "equity": pd.DataFrame(
            {
                "session": [session_date(int(day)).isoformat() for day in told.days],
                "net": told.net,
                "equity": np.cumprod(1 + told.net),
                "bought_and_held": told.held,
            }
        ),
        "trades": pd.DataFrame(
            {
                "side": np.where(trips.side > 0, "long", "short"),
                "entry_bar_end": _stamps(ends[trips.entry_bar]),
                "exit_bar_end": _stamps(ends[trips.exit_bar]),
                "entry_price": trips.entry_price,
                "exit_price": trips.exit_price,
                "net": trips.net,
                "still_open": trips.still_open,
            }
        ),
        "wss": pd.DataFrame(
            {
                "bar_end": _stamps(series.bar_end),
                "wss": series.wss,
                "wss_expected": series.wss_expected,
                "coverage": series.coverage,
                "signal": series.signal,
                "reason": series.reason,
                "index_next_return": tested.ahead,
            }
        ),
    }


def _stamps(ends: Ints) -> Any:
    return pd.to_datetime(ends, unit="s", utc=True)


def _scatter(tested: Backtest) -> str:
    wss, ahead = tested.evidence.index.wss, tested.ahead
    rows = np.flatnonzero(np.isfinite(wss) & np.isfinite(ahead))
    if len(rows) < 100 or not wss[rows].std():
        return ""
    edges = np.unique(np.quantile(wss[rows], np.linspace(0.1, 0.9, 9)))
    tenth = np.searchsorted(edges, wss[rows], "right")
    bars = tested.instrument.bars
    session = bars.session[np.searchsorted(bars.bar_end, tested.evidence.index.bar_end[rows])]
    found = group_means(ahead[rows], tenth, tuple(map(str, range(len(edges) + 1))), session)
    centre = np.array([wss[rows][tenth == number].mean() for number in range(len(found)) if found[number].rows])
    mean, low, high = (np.array([getattr(one, name) for one in found if one.rows]) for name in ("mean", "low", "high"))
    shown = rows[np.linspace(0, len(rows) - 1, min(POINTS, len(rows))).astype(int)]
    return plotly_figures.scatter(wss[shown], ahead[shown], centre, mean, low, high)


def _reliability(champion: LoadedModel, tested: Backtest) -> str:
    said = tested.evidence.said
    action = labels.labeler_from_state(champion.card.label).transform(said.bars).action[said.rows]
    known = action >= 0
    return charts.reliability_svg(
        metrics.reliability(said.probabilities[known], action[known], said.bars.session[said.rows][known])
    )


def _numbers(sheet: TearSheet) -> list[dict[str, Any]]:
    """A row a number, a cell a book."""
    books = (sheet.index_book, sheet.constituents_book, sheet.buy_and_hold)
    rows = [
        {"name": name.replace("_", " "), "cells": [_cell(book, name) for book in books]}
        for name in sheet.index_book.values
    ]
    traded = (sheet.dealings, sheet.constituents_dealings)
    for name, value in asdict(sheet.dealings).items():
        if value is not None:
            rows.append({"name": name.replace("_", " "), "cells": [*(_dealt(one, name) for one in traded), ""]})
    return rows


def _cell(book: Measures, name: str) -> str:
    value, band = book.values.get(name), book.intervals.get(name)
    if value is None:
        return ""
    form = "{:+.4%}" if name == "mean" else "{:+.2%}" if name in SHARES else "{:+.2f}"
    return form.format(value) + (f" [{form.format(band[0])}, {form.format(band[1])}]" if band else "")


def _dealt(one: TradeStatistics, name: str) -> str:
    value = getattr(one, name)
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


def _forecast(told: dict[str, Any]) -> str:
    if told["ic"] is None:
        return f"{told['bars']} bars have a WSS and a next return, or the WSS never changes: nothing can be said of it."
    hits = (
        f" It had the sign right on {told['hit_rate']:.1%} of bars, where chance would have {told['base_rate']:.1%} "
        f"(p {told['hit_p']:.3f}, Pesaran and Timmermann)."
        if told["hit_p"] is not None
        else ""
    )
    return (
        f"Over {told['bars']:,} bars the correlation of WSS with the index's next return, in units of its usual size, is "
        f"{told['ic']:+.4f} (rank {told['rank_ic']:+.4f}); a WSS one standard deviation higher came with {told['slope']:+.4f} "
        f"of them, t {told['ic_t']:.2f} (Newey-West, {told['lags']} lags).{hits}"
    )


def _tuning(tuned: dict[str, Any] | None) -> list[dict[str, Any]]:
    if tuned is None:
        return []
    marks = {tuned["threshold"]: "chosen: the largest within one standard error of the best", tuned["best"]: "best"}
    rows = zip(tuned["thresholds"], tuned["net"], tuned["shortfall_se"], strict=True)
    return [{"threshold": t, "mean": mean, "se": se, "mark": marks.get(t, "")} for t, mean, se in rows]


def _tuning_words(tuned: dict[str, Any] | None) -> str:
    if tuned is None:
        return "There is no walk-forward part with a WSS to choose another threshold on."
    later = tuned["later"]
    after = (
        f" After it, where nothing was chosen: {later['tuned']:+.4%} a session with {tuned['threshold']:g}, "
        f"{later['configured']:+.4%} with the configured {tuned['configured']:g}."
        if later
        else ""
    )
    return (
        f"{tuned['trials']} thresholds were tried on the walk-forward part alone; each counts as a trial above. The rule takes the "
        f"largest within one standard error of the best.{after} Nothing is changed by this: the policy is the configured one."
    )


def _limits(sheet: TearSheet, tested: Backtest) -> list[str]:
    told = [
        "Costs are assumptions: there are no quotes, so spreads, impact, borrow, financing and dividends are not seen.",
        "Symbols that died before the data were collected are not in it, unless the source kept them (survivorship).",
        "Walk-forward answers come from the same recipe fitted on earlier bars, not from the registered model itself.",
        "The band of an interval is what other samples like this one would show; a change of the world is not in it.",
    ]
    if not tested.instrument.within:
        told.insert(
            0, "The basket's highs and lows are those of its opens and closes: a stop inside a bar is not seen."
        )
    if tested.evidence.refused:
        told.insert(0, f"{tested.evidence.refused:,} bars that the version had learned from were left out.")
    if sheet.low_sample:
        told.insert(0, f"{sheet.index_book.sessions} sessions are few: look at the intervals, not at the numbers.")
    return told
