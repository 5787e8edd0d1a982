"""Strict schema of a platform's rows: values are of the types they are said to have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
import pandas as pd

from market_master.domain import OHLCV, MalformedAnswer, exchange_zone
from market_master.market_data.providers import Query, timestamps

TimeFormat = Literal["s", "ms", "us", "ns", "iso", "date"]
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_TIME_TYPES: Mapping[str, Any] = {"iso": Annotated[datetime, msgspec.Meta(tz=True)], "date": date}
"""of what is no count"""


@dataclass(frozen=True)
class RowSchema:
    """Where a row has time, open, high, low, close and volume (a name, or a position), and how they are written."""

    places: Mapping[str, int | str]
    time_format: TimeFormat
    as_text: bool = False
    """numbers may be text"""

    @cached_property
    def _type(self) -> Any:
        time = _TIME_TYPES.get(self.time_format, float)
        return list[msgspec.defstruct("Row", [("time", time), *((name, float) for name in OHLCV)])]  # type: ignore[misc]

    def parse(self, rows: list[Any]) -> list[Any]:
        """Records of the rows. Raises MalformedAnswer, without the platform's name, with the first row that is wrong."""
        picked = []
        for at, row in enumerate(rows):
            try:
                picked.append({name: row[place] for name, place in self.places.items()})
            except (KeyError, IndexError, TypeError) as error:
                raise MalformedAnswer(
                    f"its row {at} has not all of {', '.join(map(str, self.places.values()))}: {json.dumps(row)[:120]}."
                ) from error
        try:
            parsed: list[Any] = msgspec.convert(picked, self._type, strict=not self.as_text)
        except msgspec.ValidationError as error:
            raise MalformedAnswer(f"{error}, of the rows it answered.") from error
        return parsed

    def instant(self, row: Any) -> float:
        """A record's time in epoch seconds; a date's midnight in UTC."""
        if isinstance(row.time, float):
            return float(row.time / PER_SECOND[self.time_format])
        moment = row.time if isinstance(row.time, datetime) else datetime.combine(row.time, datetime.min.time(), UTC)
        return float(moment.timestamp())

    def written(self, instant: int) -> str:
        """An instant as the platform writes it."""
        if count := PER_SECOND.get(self.time_format):
            return str(instant * count)
        moment = datetime.fromtimestamp(instant, UTC)
        return moment.strftime("%Y-%m-%d" if self.time_format == "date" else "%Y-%m-%dT%H:%M:%SZ")

    def frame(self, symbol: str, rows: list[Any], query: Query, *, ends: bool) -> pd.DataFrame:
        """The records as `normalise` takes them: symbol, stamp, OHLCV; `ends`: a stamp is the bar's end."""
        seconds = pd.Series([self.instant(row) for row in rows], dtype=float)
        stamps = timestamps.read_stamps(pd.to_datetime(seconds.round(3), unit="s", utc=True))
        if query.interval == "1d":
            stamp = timestamps.session_dates(stamps, zone="UTC", calendar_zone=exchange_zone(query.calendar), ends=ends)
        else:
            stamp = timestamps.instants(stamps, "UTC")
        columns = {name: pd.Series([getattr(row, name) for row in rows], dtype=float) for name in OHLCV}
        return pd.DataFrame({"symbol": symbol, "stamp": stamp, **columns})
