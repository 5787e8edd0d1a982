"""Tables of a backtest, written beside the tear sheet: equity, round trips and WSS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from market_master.backtest.run import Backtest
from market_master.backtest.tearsheet import MeasuredBacktest
from market_master.domain import Ints, session_date


def backtest_tables(tested: Backtest, measured: MeasuredBacktest) -> dict[str, pd.DataFrame]:
    """Equity by session, round trips, and WSS by bar."""
    series, trades, ends = tested.history.index, tested.index.result.trades, tested.index.panel.bar_end
    return {
        "equity": pd.DataFrame(
            {
                "session": [session_date(int(day)).isoformat() for day in measured.days],
                "net": measured.net,
                "equity": np.cumprod(1 + measured.net),
                "bought_and_held": measured.buy_and_hold,
            }
        ),
        "trades": pd.DataFrame(
            {
                "side": np.where(trades.side > 0, "long", "short"),
                "entry_bar_end": _stamps(ends[trades.entry_bar]),
                "exit_bar_end": _stamps(ends[trades.exit_bar]),
                "entry_price": trades.entry_price,
                "exit_price": trades.exit_price,
                "net": trades.net,
                "still_open": trades.still_open,
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
                "index_next_return": tested.next_return,
            }
        ),
    }


def _stamps(ends: Ints) -> Any:
    return pd.to_datetime(ends, unit="s", utc=True)
