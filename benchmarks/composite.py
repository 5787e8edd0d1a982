"""What the composite score was worth. `python -m benchmarks.composite CONFIG [NAME=VALUE ...]`

    .venv/bin/python -m benchmarks.composite configs/br_daily.yaml MM_PROVIDER__PATH=../shared/data/br-daily/bars.parquet

At the end of each session all symbols are ranked by the composite and by each of its parts, the model's from its answers out
of fold, and the ranks are correlated with the returns from that close to the next session's (Spearman, across symbols). The
hold-out is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.skill import market_of_arguments
from market_master.domain import Array, Bars, SessionCloses, expected_score
from market_master.insights.composite import COMPOSITE_PARTS, LOW_IS_GOOD, MOMENTUM_FROM, part_values, score_parts
from market_master.insights.market_view import MarketView
from market_master.stats import metrics
from market_master.stats.daily import newey_west_se
from market_master.training.compare import compare
from market_master.training.experiment import build_experiment
from market_master.training.walk_forward import OutOfFold

CANDIDATES = {"MM_CANDIDATES": '["logistic"]'}
"""unless others are named"""
RECENT = 40
"""days of bars that a view holds, enough for its 20 bars"""


def main() -> None:
    """Print the table."""
    settings, market = market_of_arguments(CANDIDATES)
    comparison = compare(build_experiment(market, settings))
    oof = comparison.out_of_fold[comparison.winner]
    closes = SessionCloses.of(market.bars)
    following = np.vstack([closes.returns()[1:], np.full((1, len(closes.symbols)), np.nan)])
    ranked, rows = ("composite", *COMPOSITE_PARTS), []
    for view in track(list(views(market.bars, closes, oof)), description="sessions", transient=True):
        day = int(np.searchsorted(closes.session, view.closes.session[-1]))
        values = part_values(view)
        scores = score_parts(view.bars.symbols, values, settings.composite)
        values["composite"] = np.array([np.nan if one.score is None else one.score for one in scores.values()])
        at = [closes.symbols.index(symbol) for symbol in view.bars.symbols]
        rows.append([rank_correlation(values[name], following[day, at]) for name in ranked if name in values])
    table = Table("ranked by", "sessions", "mean rank IC", "t", title=f"{settings.name}: {comparison.winner}")
    for name, daily in zip([name for name in ranked if name in values], np.array(rows).T, strict=True):
        known = daily[np.isfinite(daily)] * (-1 if name in LOW_IS_GOOD else 1)
        table.add_row(name, str(len(known)), f"{known.mean():+.4f}", f"{known.mean() / newey_west_se(known):+.1f}")
    Console(width=100).print(table)


def views(bars: Bars, closes: SessionCloses, oof: OutOfFold) -> Iterator[MarketView]:
    """The market at the end of each session that has answers out of fold and a year behind it."""
    scores = np.full(len(bars), np.nan)
    scores[oof.rows] = expected_score(oof.probabilities)
    for day in np.unique(bars.session[oof.rows]).tolist():
        past = closes.before(day + 1)
        rows = np.flatnonzero((bars.session > day - RECENT) & (bars.session <= day))
        newest = rows[bars.bar_end[rows] == bars.bar_end[rows].max()]
        answered = newest[np.isfinite(scores[newest])]
        if len(past.session) > MOMENTUM_FROM and len(answered):
            symbols = [bars.symbols[code] for code in bars.code[answered].tolist()]
            predictions = {
                symbol: SimpleNamespace(expected_score=score)
                for symbol, score in zip(symbols, scores[answered].tolist(), strict=True)
            }
            yield MarketView(bars.take(rows).select(symbols), past, tuple(symbols), predictions)  # type: ignore[arg-type]


def rank_correlation(values: Array, returns: Array) -> float:
    """Spearman's, of the symbols that have both; NaN for fewer than five."""
    known = np.isfinite(values) & np.isfinite(returns)
    if known.sum() < 5:
        return float("nan")
    return float(metrics.rank_ic(values[known], returns[known], np.zeros(int(known.sum()), dtype=np.int64))[0])


if __name__ == "__main__":
    main()
