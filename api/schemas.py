"""What a client may send. What it gets back are the records of market_master.domain.records."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

MOST_BARS = 5000
Number = Annotated[float, Field(allow_inf_nan=True)]


class BarIn(BaseModel):
    """One closed bar."""

    timestamp: AwareDatetime
    open: Number
    high: Number
    low: Number
    close: Number
    volume: Number


class PredictRequest(BaseModel):
    """Bars of one symbol, oldest first; the newest one is answered for."""

    model_config = ConfigDict(extra="forbid")

    symbol: Annotated[str, Field(min_length=1, max_length=40)]
    interval: Literal["1m", "5m", "15m", "30m", "1h", "1d"]
    bars: Annotated[list[BarIn], Field(max_length=MOST_BARS)]
    stamp: Literal["start", "end"] = "start"
    """what `timestamp` is: the bar's start, or its end"""
    context: Annotated[dict[str, Annotated[list[BarIn], Field(max_length=MOST_BARS)]], Field(max_length=1000)] = {}
    """bars of the other symbols, for a champion with market features"""
