"""Schemas of request bodies, decoded by msgspec; responses are the records of `domain`."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
import numpy as np
from fastapi import Path
from msgspec import Meta

from market_master.domain import OHLCV, Array, Interval

T = TypeVar("T")
MAX_BARS = 5000
MAX_BATCH_ITEMS = 1000
Instant = Annotated[datetime, Meta(tz=True, description="ISO 8601 with a zone")]
SymbolInPath = Annotated[str, Path(examples=["S001"])]
Column = Annotated[list[float], Meta(max_length=MAX_BARS)]


class Bar(msgspec.Struct):
    """One closed bar."""

    timestamp: Instant
    open: float
    high: float
    low: float
    close: float
    volume: float


class Columns(msgspec.Struct):
    """Closed bars, a list for each column, all of one length: quicker to read than bar by bar."""

    timestamp: Annotated[list[Instant], Meta(max_length=MAX_BARS)]
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column


Series = Annotated[list[Bar], Meta(max_length=MAX_BARS)] | Columns


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Bars of one symbol, oldest first; the newest closed one is answered for."""

    symbol: Annotated[str, Meta(min_length=1, max_length=40)]
    interval: Interval
    bars: Series
    stamp: Literal["start", "end"] = "start"
    """what `timestamp` is: the bar's start, or its end"""
    context: Annotated[dict[str, Series], Meta(max_length=1000)] = {}
    """bars of the other symbols, for a champion with market features"""


class BatchRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Several requests, each a PredictRequest: decoded and answered on its own, in their order."""

    items: Annotated[list[msgspec.Raw], Meta(max_length=MAX_BATCH_ITEMS)]


class RollbackRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Who goes back, why, and to which earlier champion: the one before this one, unless told."""

    by: Annotated[str, Meta(min_length=1, max_length=100)]
    reason: Annotated[str, Meta(min_length=1, max_length=1000)]
    to: Annotated[str, Meta(max_length=20)] | None = None


class TrainRequest(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What the training deployment's form asks; its own default where nothing is given."""

    config: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """a name of configs/"""
    dev: bool = False
    """compare only: no look at the hold-out, nothing registered"""
    against: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """another recipe to compare with"""


class BodyDecoder(Generic[T]):
    """Decodes bodies of one schema; whatever is wrong with one is msgspec's DecodeError."""

    def __init__(self, schema: type[T]) -> None:
        self._decoder = msgspec.json.Decoder(schema)

    def decode(self, body: bytes | msgspec.Raw) -> T:
        """What the body holds."""
        try:
            return self._decoder.decode(body)
        except UnicodeDecodeError as error:
            raise msgspec.DecodeError(f"JSON is malformed: a text is not UTF-8 ({error.reason})") from error
        except RecursionError as error:
            raise msgspec.DecodeError("JSON is malformed: it is nested too deeply") from error


PREDICT_DECODER, BATCH_DECODER = BodyDecoder(PredictRequest), BodyDecoder(BatchRequest)
ROLLBACK_DECODER, TRAIN_DECODER = BodyDecoder(RollbackRequest), BodyDecoder(TrainRequest)
SCHEMA_REF = "#/components/schemas/{name}"
_, COMPONENTS = msgspec.json.schema_components(
    [PredictRequest, BatchRequest, RollbackRequest, TrainRequest], ref_template=SCHEMA_REF
)


def request_body(name: str, examples: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI of a JSON body."""
    schema = {"$ref": SCHEMA_REF.format(name=name)}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}
    }


def bar_count(bars: list[Bar] | Columns) -> int:
    """How many bars there are."""
    return len(bars.timestamp if isinstance(bars, Columns) else bars)


def columns(bars: list[Bar] | Columns) -> tuple[Array, dict[str, Array]]:
    """Time stamps in epoch seconds, and OHLCV columns. Raises ValidationError for columns of different lengths."""
    if isinstance(bars, Columns):
        values = {name: np.array(getattr(bars, name), dtype=float) for name in OHLCV}
        lengths = {len(bars.timestamp), *(len(column) for column in values.values())}
        if len(lengths) > 1:
            raise msgspec.ValidationError(f"Columns have {min(lengths)} to {max(lengths)} values - at `$.bars`")
        moments = bars.timestamp
    else:
        values = {name: np.fromiter(map(attrgetter(name), bars), float, len(bars)) for name in OHLCV}
        moments = [bar.timestamp for bar in bars]
    return np.fromiter(map(datetime.timestamp, moments), float, len(moments)), values
