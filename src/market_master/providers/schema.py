"""The bar contract as a pandera schema: what any foreign table has become before it may go further."""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd

from market_master.domain.bars import OHLCV, broken
from market_master.domain.errors import BadBars


@cache
def bar_schema() -> Any:
    """A pandera DataFrameModel: types, the value rules of domain/bars.py, and strictly increasing bar_end by symbol."""
    import pandera.pandas as pa

    class BarTable(pa.DataFrameModel):
        """Bars of many symbols, one row a bar."""

        symbol: str
        bar_end: int = pa.Field(ge=0)
        open: float
        high: float
        low: float
        close: float
        volume: float

        @pa.dataframe_check
        @classmethod
        def keeps_the_bar_rules(cls, frame: pd.DataFrame) -> pd.Series:
            """Every value rule of the bar contract."""
            return pd.Series(~broken(*(frame[name].to_numpy() for name in OHLCV)), index=frame.index)

        @pa.dataframe_check
        @classmethod
        def increases_in_time(cls, frame: pd.DataFrame) -> pd.Series:
            """bar_end strictly increases within a symbol."""
            follows = frame["symbol"].eq(frame["symbol"].shift())
            return ~follows | (frame["bar_end"] > frame["bar_end"].shift(fill_value=-1))

    return BarTable


def validate(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table, proved to keep the contract. Raises BadBars: a bug in a provider, as cleaning came before."""
    import pandera.errors

    try:
        return bar_schema().validate(frame)
    except pandera.errors.SchemaError as error:
        raise BadBars(f"Cleaned bars still break the bar contract: {error}.") from error
