"""Provider of any market-data platform that answers bars as JSON over HTTP."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import quote

import pandas as pd
from limits import parse
from pydantic import Field, field_validator

from market_master.config.settings import ProviderSettings, Section
from market_master.domain import DAY, ConfigError, MalformedAnswer, MarketMasterError, NoBars, iso
from market_master.market_data.providers import FetchResult, Query
from market_master.market_data.providers.http_client import HttpClient, Patience
from market_master.market_data.providers.json_rows import RowSchema, TimeFormat
from market_master.market_data.providers.normalise import normalise
from market_master.plugins import register
from market_master.progress import report_progress

PLACEHOLDERS = ("symbol", "interval", "start", "end", "limit", "page", "cursor")
IDENTITY = {"base_url", "path_template", "query", "symbols", "intervals", "rows", "fields", "stamp", "time_format"}
"""settings that make other bars, so another source"""


class HttpAuth(Section):
    """The header that carries the key. The key itself is in a variable of the environment, never in a file."""

    env: str
    """the variable's name"""
    header: str = "Authorization"
    prefix: str = ""
    """before the key, such as `Bearer `"""


class HttpFields(Section):
    """Where a row has each value: a name, or a position from 0."""

    time: int | str = "time"
    open: int | str = "open"
    high: int | str = "high"
    low: int | str = "low"
    close: int | str = "close"
    volume: int | str = "volume"


class HttpPages(Section):
    """How long histories are cut into answers, oldest first."""

    by: Literal["none", "time", "page", "cursor"] = "time"
    """`time` asks again from the newest row on; `page` counts; `cursor` takes the next one from the answer"""
    limit: int = Field(1000, ge=1)
    first: int = 1
    """number of the first page"""
    cursor: str = "next"
    """dotted path of the next cursor in the answer; null or absent on the last page"""
    most: int = Field(1000, ge=1)
    """answers a symbol; more are an error, for a history without its end is none"""


class HttpProvider(ProviderSettings, extra="forbid"):
    """Section `provider` of kind `http`."""

    kind: Literal["http"]
    base_url: str = Field(pattern=r"^https?://")
    path_template: str = Field("/candles", pattern="^/")
    query: dict[str, str] = Field({name: f"{{{name}}}" for name in ("symbol", "interval", "start", "end", "limit")})
    """name -> text, which may hold {symbol} {interval} {start} {end} {limit} {page} {cursor}; so may the path template"""
    symbols: dict[str, str] = Field({})
    """our symbol -> the platform's, where it is another"""
    intervals: dict[str, str] = Field({})
    """the same of intervals"""
    auth: HttpAuth | None = None
    rows: str = ""
    """dotted path of the rows in the answer; empty = the answer itself"""
    fields: HttpFields = HttpFields()
    numbers: Literal["number", "text"] = "number"
    """whether the platform writes numbers as numbers, or as text too"""
    time_format: TimeFormat = "ms"
    """of rows and of {start} and {end}"""
    stamp: Literal["start", "end"] = "start"
    grid: Literal["auto", "session", "clock"] = "auto"
    pages: HttpPages = HttpPages()
    lookback: str = Field("720d", pattern=r"^\d+d$")
    rate_limit: str | None = None
    """such as 10/second"""
    connections: int = Field(4, ge=1, le=32)
    timeout: float = Field(20.0, gt=0)
    """seconds of one answer"""
    attempts: int = Field(5, ge=1, le=20)
    failures: int = Field(5, ge=1)
    """requests that fail in a row, after which no more is asked"""

    @field_validator("path_template", "query")
    @classmethod
    def _fillable(cls, value: Any) -> Any:
        for text in value.values() if isinstance(value, dict) else [value]:
            try:
                text.format(**dict.fromkeys(PLACEHOLDERS, ""))
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError(f"'{text}' may hold {', '.join(PLACEHOLDERS)} in braces, not {error}") from error
        return value

    @field_validator("rate_limit")
    @classmethod
    def _countable(cls, value: str | None) -> str | None:
        if value:
            parse(value)
        return value


@register("market_data.providers", "http", settings=HttpProvider)
class Http:
    """Bars of the last `lookback` days, of a platform that the settings describe."""

    live = True

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep, **options: Any) -> None:
        self.settings, self._sleep = HttpProvider(kind="http", **options), sleep
        as_text = self.settings.numbers == "text"
        self._schema = RowSchema(dict(self.settings.fields), self.settings.time_format, as_text)

    @property
    def source(self) -> str:
        """`http-` and a hash of what makes the bars: not of keys, limits and patience."""
        identity = self.settings.model_dump(mode="json", include=IDENTITY)
        return "http-" + hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]

    def fetch(self, query: Query) -> FetchResult:
        """All closed, valid bars of the query's symbols; why a symbol has none is in `failures`.

        Raises ConfigError (no symbols, no key); when no symbol came, the first one's ProviderAway, ProviderRefused or
        MalformedAnswer, else NoBars.
        """
        if not query.symbols:
            raise ConfigError("The provider 'http' can't list a platform's symbols; name them in universe.symbols.")
        frames, failures = self.extract(query)
        if not frames:
            if failures:
                raise next(iter(failures.values()))
            raise NoBars(
                f"{self.settings.base_url} has no {query.interval} bars of {', '.join(query.symbols)} for the "
                f"{self.settings.lookback} before {iso(query.now)}."
            )
        rows = pd.concat(frames, ignore_index=True)
        fetched = normalise(rows, query, grid=self.settings.grid, stamp=self.settings.stamp)
        reasons = {symbol: str(error) for symbol, error in failures.items()}
        return replace(fetched, notes=fetched.notes + tuple(map(": ".join, reasons.items())), failures=reasons)

    def extract(self, query: Query) -> tuple[list[pd.DataFrame], dict[str, MarketMasterError]]:
        """The rows of each symbol that has some, several symbols at a time; and the errors, by symbol."""
        frames: list[pd.DataFrame] = []
        failures: dict[str, MarketMasterError] = {}
        with self._client() as client, ThreadPoolExecutor(self.settings.connections) as threads:
            waiting = {symbol: threads.submit(self._rows, client, symbol, query) for symbol in query.symbols}
            for done, (symbol, rows) in enumerate(waiting.items(), start=1):
                try:
                    if found := rows.result():
                        frames.append(self._schema.frame(symbol, found, query, ends=self.settings.stamp == "end"))
                except MarketMasterError as error:
                    failures[symbol] = error
                report_progress("fetch", done, len(waiting))
        return frames, failures

    def _client(self) -> HttpClient:
        chosen, headers = self.settings, {"Accept": "application/json"}
        if chosen.auth:
            if not (key := os.environ.get(chosen.auth.env)):
                raise ConfigError(
                    f"provider.auth.env names {chosen.auth.env}, which is not set; put the platform's key there."
                )
            headers[chosen.auth.header] = chosen.auth.prefix + key
        rate = parse(chosen.rate_limit) if chosen.rate_limit else None
        patience = Patience(chosen.timeout, chosen.attempts, rate, chosen.failures)
        return HttpClient(chosen.base_url.rstrip("/"), headers, patience, self._sleep)

    def _rows(self, client: HttpClient, symbol: str, query: Query) -> list[Any]:
        """The records of all answers about a symbol, by the schema."""
        try:
            return [row for rows in self._pages(client, symbol, query) for row in rows]
        except MalformedAnswer as error:
            raise MalformedAnswer(f"{self.settings.base_url} gave no bars of {symbol}: {error}") from error

    def _pages(self, client: HttpClient, symbol: str, query: Query) -> Iterator[list[Any]]:
        """The records of one answer after the other, until the platform has no more."""
        pages, start = self.settings.pages, query.now - int(self.settings.lookback[:-1]) * DAY
        cursor, before = "", list[Any]()
        for page in range(pages.first, pages.first + pages.most):
            answer = client.get(*self._request(symbol, query, start, page, cursor))
            rows = self._schema.parse(_rows_at(answer, self.settings.rows))
            if not rows or (rows == before and pages.by == "time"):
                return
            if rows == before:
                raise MalformedAnswer(f"page {page} repeats the one before.")
            yield rows
            before = rows
            if pages.by == "time":
                start = int(max(map(self._schema.instant, rows))) + 1
            elif pages.by == "cursor":
                following = str(_inside(answer, pages.cursor) or "")
                if following and following == cursor:
                    raise MalformedAnswer(f"the cursor '{cursor}' comes twice.")
                cursor = following
            if pages.by == "none" or (pages.by == "cursor" and not cursor) or start >= query.now:
                return
        raise MalformedAnswer(
            f"its history has no end after {pages.most} answers; raise provider.pages.most or shorten provider.lookback."
        )

    def _request(self, symbol: str, query: Query, start: int, page: int, cursor: str) -> tuple[str, dict[str, str]]:
        """Path and query of one answer; what is empty is not sent."""
        chosen = self.settings
        values = {
            "symbol": chosen.symbols.get(symbol, symbol),
            "interval": chosen.intervals.get(query.interval, query.interval),
            "start": self._schema.written(start),
            "end": self._schema.written(query.now),
            "limit": str(chosen.pages.limit),
            "page": str(page),
            "cursor": cursor,
        }
        filled = {name: text.format(**values) for name, text in chosen.query.items()}
        path = chosen.path_template.format(**{name: quote(value, safe="") for name, value in values.items()})
        return path, {name: text for name, text in filled.items() if text}


def _rows_at(answer: Any, where: str) -> list[Any]:
    """The rows of an answer; none where it is 404."""
    rows = [] if answer is None else _inside(answer, where)
    if not isinstance(rows, list):
        raise MalformedAnswer(f"there are no rows at '{where}' of {json.dumps(answer)[:120]}.")
    return rows


def _inside(answer: Any, where: str) -> Any:
    """What lies at a dotted path; None for nothing."""
    for name in where.split(".") if where else []:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer
