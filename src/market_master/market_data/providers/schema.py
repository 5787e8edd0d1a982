"""The bar contract as a table's schema, for the edge where frames come in."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from market_master.domain import OHLCV, BadBars, invalid_rows


@cache
def bar_table() -> Any:
    """The pandera DataFrameModel of closed bars, a row a symbol and bar_end, in that order; strict about columns.

    Made when first asked for: pandera takes a third of a second to import.
    """
    import pandera.pandas as pa

    class BarTable(pa.DataFrameModel):
        """Types, the value rules of domain/bars, and time that runs one way."""

        symbol: str
        bar_end: np.int64
        open: float
        high: float
        low: float
        close: float
        volume: float

        class Config:
            strict = True

        @pa.dataframe_check
        @classmethod
        def keeps_the_value_rules(cls, frame: pd.DataFrame) -> pd.Series:
            """Finite prices above 0, low and high around open and close, volume not below 0."""
            return pd.Series(~invalid_rows(*(frame[name].to_numpy() for name in OHLCV)), index=frame.index)

        @pa.dataframe_check
        @classmethod
        def runs_forward_in_time(cls, frame: pd.DataFrame) -> pd.Series:
            """bar_end strictly increases within a symbol, whose rows are together."""
            code = pd.factorize(frame["symbol"])[0]
            same_symbol, next_symbol = np.diff(code, prepend=-1) == 0, np.diff(code, prepend=-1) == 1
            return pd.Series(next_symbol | (same_symbol & (frame["bar_end"].diff() > 0)), index=frame.index)

    return BarTable


def validated(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table, known to keep the bar contract. Raises BadBars with what pandera found first."""
    from pandera.errors import SchemaError, SchemaErrors

    try:
        table: pd.DataFrame = bar_table().validate(frame)
    except (SchemaError, SchemaErrors) as error:
        raise BadBars(f"A table of bars breaks the bar contract: {error}") from error
    return table
