"""GARCH(1,1) beside exponential weights as forecasts of variance. `python -m benchmarks.garch CONFIG [NAME=VALUE ...]`

    .venv/bin/python -m benchmarks.garch configs/br_daily.yaml MM_PROVIDER__PATH=../shared/data/br-daily/bars.parquet

Its parameters are fitted for each symbol on the first part of the development sessions and run forward over the rest, on returns
over the root mean square of their slot. QLIKE, ln(variance) + return^2 / variance, is the score (Patton 2011); the hold-out is
not looked at.
"""

from __future__ import annotations

import numpy as np
from arch import arch_model
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.skill import market_of_arguments
from market_master.domain import Array, Bars
from market_master.stats.daily import by_day, newey_west_se

FITTED_ON = 0.6
"""of the development sessions"""
DECAYS = {"RiskMetrics, decay .94": 0.94, "decay .97": 0.97, "decay .99": 0.99}
FLOOR = 1e-3
"""of the usual variance: so little is a halted market"""


def main() -> None:
    """Print by how much each exponential mean is worse than GARCH, and in how many standard errors."""
    settings, market = market_of_arguments()
    bars = market.bars
    days = np.unique(bars.session)
    first, stop = (days[int(share * len(days))] for share in (FITTED_ON * 0.8, 1 - settings.folds.holdout_share))
    losses: dict[str, list[Array]] = {name: [] for name in ("GARCH(1,1)", *DECAYS)}
    sessions, persistence, unstable = [], [], 0
    for _, rows in track(list(bars), description="symbols", transient=True):
        known, scored = bars.session[rows] < first, (bars.session[rows] >= first) & (bars.session[rows] < stop)
        if known.sum() < 250 or not scored.any():
            continue
        moves = deseasonalised(bars, rows, known)
        fitted = arch_model(100 * moves[known], mean="Zero", vol="GARCH", p=1, q=1).fit(disp="off").params
        omega, alpha, beta = fitted["omega"] / 1e4, fitted["alpha[1]"], fitted["beta[1]"]
        persistence.append(alpha + beta)
        if alpha + beta >= 1.0:
            unstable += 1
        forecasts = {"GARCH(1,1)": recursion(moves, omega, alpha, beta, moves[known].var())}
        forecasts |= {
            name: recursion(moves, 0.0, 1 - decay, decay, moves[known].var()) for name, decay in DECAYS.items()
        }
        for name, variance in forecasts.items():
            variance = np.maximum(variance[scored], FLOOR)
            losses[name].append(np.log(variance) + moves[scored] ** 2 / variance)
        sessions.append(bars.session[rows][scored])
    session = np.concatenate(sessions)
    best = np.concatenate(losses["GARCH(1,1)"])
    table = Table(
        "forecast", "QLIKE", "worse than GARCH by", "SE",
        title=f"{settings.name}: {len(sessions)} symbols, {len(session):,} bars; alpha + beta {np.median(persistence):.3f} in the "
        f"median, not below 1 for {unstable}",
    )  # fmt: skip
    for name, parts in losses.items():
        values = np.concatenate(parts)
        daily = by_day(values - best, session)
        error = newey_west_se(daily)
        table.add_row(
            name, f"{values.mean():.4f}", f"{daily.mean():+.4f}", f"{daily.mean() / error if error else 0:+.1f}"
        )
    Console(width=120).print(table)


def deseasonalised(bars: Bars, rows: slice, known: Array) -> Array:
    """Log returns of a symbol, nights left out, over the root mean square of their slot among the known bars."""
    close, slot = np.log(bars.close[rows]), bars.slot[rows]
    opens = np.append(True, np.diff(bars.session[rows]) != 0)
    whole_days = bool(opens.all())
    before = np.append(np.log(bars.open[rows][0]), close[:-1])
    moves = close - (before if whole_days else np.where(opens, np.log(bars.open[rows]), before))
    usual = np.array([np.sqrt((moves[known & (slot == one)] ** 2).mean()) for one in range(slot.max() + 1)])
    return np.clip(moves / usual[slot], -8.0, 8.0)


def recursion(moves: Array, omega: float, alpha: float, beta: float, start: float) -> Array:
    """The variance of each bar as forecast at the end of the bar before."""
    variance = np.empty(len(moves))
    variance[0] = start
    for at in range(1, len(moves)):
        variance[at] = omega + alpha * moves[at - 1] ** 2 + beta * variance[at - 1]
    return variance


if __name__ == "__main__":
    main()
