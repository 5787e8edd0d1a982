"""Provider that is several: the first that answers a symbol has it, for good."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import pandas as pd
from pydantic import SerializeAsAny, field_validator

from market_master.config.settings import ProviderSettings
from market_master.domain import DataError, MixedGrid
from market_master.market_data.providers import FetchResult, Provider, Query
from market_master.plugins import load_family, register


class FirstOfProvider(ProviderSettings, extra="forbid"):
    """Section `provider` of kind `first_of`; a config says it with a list `providers:`."""

    kind: Literal["first_of"]
    providers: tuple[SerializeAsAny[ProviderSettings], ...]

    @field_validator("providers")
    @classmethod
    def _several(cls, providers: tuple[ProviderSettings, ...]) -> tuple[ProviderSettings, ...]:
        if len(providers) < 2:
            raise ValueError(f"providers must name two or more, {len(providers)} is given")
        return providers


@register("market_data.providers", "first_of", settings=FirstOfProvider)
class FirstOf:
    """Several providers in order. A symbol that one of them has answered is never asked of another: series don't mix."""

    def __init__(self, providers: Sequence[ProviderSettings | Mapping[str, Any]]) -> None:
        self.providers = tuple(map(open_provider, providers))

    @property
    def live(self) -> bool:
        """Whether any of them is."""
        return any(provider.live for provider in self.providers)

    @property
    def source(self) -> str:
        """`first_of-` and a hash of their sources, in order."""
        sources = json.dumps([provider.source for provider in self.providers])
        return "first_of-" + hashlib.sha256(sources.encode()).hexdigest()[:8]

    def fetch(self, query: Query) -> FetchResult:
        """All closed, valid bars of the query, with each symbol's `origins`.

        A provider that fails leaves its symbols to the next, but for those that are its own already. Raises the first
        failure when no symbol came, and MixedGrid when their bars don't share one time axis.
        """
        answers: list[FetchResult] = []
        failures: dict[str, str] = {}
        notes: list[str] = []
        origins: dict[str, str] = {}
        first_error: DataError | None = None
        for provider in self.providers:
            taken = set(origins) | {name for name, source in query.origins.items() if source != provider.source}
            wanted = tuple(symbol for symbol in query.symbols if symbol not in taken)
            if query.symbols and not wanted:
                continue
            try:
                answer = _without(provider.fetch(replace(query, symbols=wanted)), taken)
            except DataError as error:
                first_error = first_error or error
                notes.append(f"{provider.source}: {error}")
                failures |= {symbol: str(error) for symbol in wanted}
                continue
            answers.append(answer)
            failures |= answer.failures
            notes += [f"{provider.source}: {note}" for note in answer.notes]
            origins |= dict.fromkeys(answer.series, provider.source)
        if first_error and not origins:
            raise first_error
        if len(timetables := {answer.timetable for answer in answers if answer.series}) > 1:
            raise MixedGrid(
                f"The providers' bars lie on different time axes: {', '.join(map(str, timetables))}. Set `grid` of those "
                "that have it, or name providers of one grid."
            )
        return FetchResult(
            timetable=next((answer.timetable for answer in answers if answer.series), answers[0].timetable),
            series={symbol: columns for answer in answers for symbol, columns in answer.series.items()},
            report=tuple(
                sorted(
                    (row for answer in answers for row in answer.report if row.kept or row.symbol not in origins),
                    key=lambda row: row.symbol,
                )
            ),
            quarantine=pd.concat([answer.quarantine for answer in answers], ignore_index=True),
            notes=tuple(notes),
            failures={symbol: why for symbol, why in failures.items() if symbol not in origins},
            origins=origins,
        )


def open_provider(settings: ProviderSettings | Mapping[str, Any]) -> Provider:
    """The provider that a section of the settings describes."""
    options = settings.model_dump() if isinstance(settings, ProviderSettings) else dict(settings)
    kind = options.pop("kind")
    provider: Provider = load_family("market_data.providers")[kind].factory(**options)
    return provider


def _without(answer: FetchResult, symbols: set[str]) -> FetchResult:
    """An answer without the symbols that are another provider's."""
    return replace(
        answer,
        series={symbol: columns for symbol, columns in answer.series.items() if symbol not in symbols},
        report=tuple(row for row in answer.report if row.symbol not in symbols),
        quarantine=answer.quarantine[~answer.quarantine["symbol"].isin(symbols)],
    )
