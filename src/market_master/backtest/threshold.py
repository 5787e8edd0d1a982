"""Choice of the signal's threshold on the walk-forward part of a backtest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master.backtest.engine import simulate
from market_master.backtest.panel import Panel
from market_master.backtest.run import Backtest, SimulatedBook, trade_index
from market_master.backtest.statistics import daily_returns
from market_master.backtest.trading_rules import Rules
from market_master.domain import Array, ConfigError
from market_master.prediction.loaded_model import LoadedModel
from market_master.stats.daily import newey_west_se

THRESHOLD_GRID = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2)


@dataclass(frozen=True)
class ThresholdSearch:
    """A threshold, and what the choice cost: each value tried is a trial for the deflated Sharpe ratio."""

    threshold: float
    best: float
    """the value with the highest mean, before the rule of one standard error"""
    trials: int
    net: tuple[float, ...]
    """mean net a session of each value, in order"""
    shortfall_se: tuple[float, ...]
    """standard error of the paired daily difference of each value to the best"""


def search_threshold(
    targets: Callable[[float], Array], thresholds: Sequence[float], panel: Panel, rules: Rules
) -> ThresholdSearch:
    """The threshold by mean net a session, then the largest whose shortfall from the best is within one standard error.

    `targets` makes [bars, instruments] of a threshold, on development bars only. The error is that of the paired daily
    difference (Newey-West). The best of a grid on noise shows a Sharpe ratio of 1.4 in half a year, and less than 0 after
    it: so larger, which trades less, unless there is reason. Raises ConfigError unless thresholds increase.
    """
    values = np.asarray(thresholds, dtype=float)
    if not len(values) or (np.diff(values) <= 0).any():
        raise ConfigError(
            f"Thresholds to choose from increase; {', '.join(f'{v:g}' for v in values) or 'none'} were given."
        )
    daily = np.stack([daily_returns(simulate(targets(v), panel, rules).net, panel.session)[1] for v in values.tolist()])
    means = daily.mean(axis=1)
    best = int(means.argmax())
    errors = np.array([newey_west_se(daily[best] - candidate) for candidate in daily])
    chosen = int(np.flatnonzero(means[best] - means <= errors).max())
    return ThresholdSearch(
        float(values[chosen]), float(values[best]), len(values), tuple(means.tolist()), tuple(errors.tolist())
    )


def tune_threshold(model: LoadedModel, tested: Backtest) -> dict[str, Any] | None:
    """Other thresholds on the walk-forward part, the choice among them traded once on what came after.

    None where there is no walk-forward part with a WSS.
    """
    index, predictions = tested.history.index, tested.history.predictions
    walk_forward_ends = predictions.bars.bar_end[predictions.rows][tested.history.fold > 0]
    if not len(walk_forward_ends) or not np.any(np.nan_to_num(index.wss)):
        return None
    dev = index.bar_end <= walk_forward_ends.max()
    configured = _trade_at(model, tested, dev, None)

    def targets(threshold: float) -> Array:
        return _trade_at(model, tested, dev, threshold).target

    search = search_threshold(targets, THRESHOLD_GRID, configured.panel, configured.rules)
    later = {}
    if not dev.all():
        for name, threshold in (("tuned", search.threshold), ("configured", None)):
            book = _trade_at(model, tested, ~dev, threshold)
            later[name] = float(daily_returns(book.result.net, book.panel.session)[1].mean())
    return {
        **asdict(search),
        "thresholds": list(THRESHOLD_GRID),
        "later": later,
        "configured": model.settings.policy.buy,
    }


def _trade_at(model: LoadedModel, tested: Backtest, bars: NDArray[np.bool_], threshold: float | None) -> SimulatedBook:
    """The index book on some bars, at another threshold than the configured one if it is given."""
    index = tested.history.index
    return trade_index(index.bar_end[bars], index.wss[bars], tested.instrument, model.settings, threshold=threshold)
