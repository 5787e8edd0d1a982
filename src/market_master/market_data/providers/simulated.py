"""Provider of a simulated market: seeded, offline, with a planted edge.

It knows what the best possible forecast of it would score.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from market_master.config.settings import ProviderSettings
from market_master.domain import DAY, OHLCV, ConfigError, NoBars, Schedule, Timetable, iso
from market_master.market_data.providers import FetchResult, Query, SymbolReport, imperfections, simulated_bounds
from market_master.market_data.providers.imperfections import MutableMarket, inject_imperfections
from market_master.market_data.providers.normalise import normalise
from market_master.market_data.providers.simulated_process import COMMON, MODES, Market, draw, flip_day, stream, weights
from market_master.plugins import register

LAST_SESSION = date(2025, 6, 30)
"""The market ends here, whatever the clock on the wall says."""


class SimulatedProvider(ProviderSettings, extra="forbid"):
    """Section `provider` of kind `simulated`."""

    kind: Literal["simulated"]
    seed: int = 7
    symbols: int = Field(30, ge=2, le=1000)
    sessions: int = Field(240, ge=1, le=2000)
    edge: float = Field(0.15, ge=0.0, lt=1.0)
    mode: Literal["volume", "reversal", "regime_flip", "none"] = "volume"
    """where the edge shows: in the volume, in the last move, turned round mid-way, or nowhere"""
    noise: float = Field(0.0, ge=0.0)
    """of ln(volume) beside the carrier of the edge; at 0 it can be read off exactly"""
    imperfections: tuple[str, ...] = ()


@register("market_data.providers", "simulated", settings=SimulatedProvider)
@dataclass(frozen=True)
class Simulated:
    """Symbols S001, S002, ... with a planted edge: the next bar's z leans `edge` times a carrier known before.

    The carrier shows in the volume (modes `volume`, and `regime_flip`, where the edge turns round mid-way) or is the
    reverse of the symbol's own last innovation (`reversal`). Raises ConfigError for what it does not know.
    """

    seed: int = 7
    symbols: int = 30
    sessions: int = 240
    edge: float = 0.15
    mode: str = "volume"
    noise: float = 0.0
    """of ln(volume) beside the carrier; at 0 the carrier can be read off exactly"""
    imperfections: tuple[str, ...] = ()

    live = False

    def __post_init__(self) -> None:
        for requested, known in (((self.mode,), MODES), (self.imperfections, imperfections.KINDS)):
            for name in requested:
                if name not in known:
                    raise ConfigError(f"The simulated market has no '{name}'; it knows {', '.join(known)}.")
        if (
            self.seed < 0
            or min(self.symbols, self.sessions) < 1
            or not 0 <= self.edge < 1
            or not 0 <= self.noise < np.inf
        ):
            raise ConfigError(
                "A simulated market needs a seed of 0 or more, a symbol, a session, an edge from 0 to below 1 and a noise of 0 "
                f"or more; given: seed {self.seed}, {self.symbols} symbols, {self.sessions} sessions, edge {self.edge}, "
                f"noise {self.noise}."
            )

    @property
    def source(self) -> str:
        """`simulated-` and a hash of the parameters: another market is another source."""
        parameters = asdict(self) | {"imperfections": sorted(set(self.imperfections))}
        parameters = {name: value for name, value in parameters.items() if name != "noise" or value}
        return "simulated-" + hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def names(self) -> tuple[str, ...]:
        """The symbols it has."""
        return tuple(f"S{number:03d}" for number in range(1, self.symbols + 1))

    def fetch(self, query: Query) -> FetchResult:
        """The market on the query's calendar and interval, up to its now. Raises NoBars when no bar is left."""
        timetable = Timetable(query.calendar, query.interval)
        schedule = last_sessions(timetable, self.sessions)
        market = draw(
            seed=self.seed, symbols=self.symbols, edge=self.edge, mode=self.mode, schedule=schedule, noise=self.noise
        )
        tape = MutableMarket.of(self.names, market)
        planted = inject_imperfections(self.imperfections, tape, stream(self.seed, "imperfections"))
        requested = set(query.symbols or self.names)
        tape.there &= (schedule.end <= query.now) & np.isin(self.names, sorted(requested))[:, None]
        if not tape.there.any():
            raise NoBars(
                f"The simulated market of {self.names[0]} to {self.names[-1]}, {iso(schedule.start[0])} to "
                f"{iso(schedule.end[-1])}, has none of the {len(requested)} symbols asked for by {iso(query.now)}."
            )
        unknown = sorted(requested - set(self.names))
        fetched = _cleaned(tape, query) if planted else _flawless(tape, timetable)
        return replace(
            fetched,
            notes=fetched.notes + ((f"The simulated market has no {', '.join(unknown)}.",) if unknown else ()),
            manifest=self._manifest(market) | {"imperfections": planted},
        )

    def _manifest(self, market: Market) -> dict[str, Any]:
        size = weights(self.seed, self.symbols)
        inner = self.mode == "reversal"
        edge, share = (
            0.0 if self.mode == "none" else self.edge,
            1.0 if inner else simulated_bounds.visible_share(self.noise),
        )
        carrier, reach = (simulated_bounds.student, 60.0) if inner else (simulated_bounds.gaussian, 8.0)
        noise = simulated_bounds.mixture if share == 1.0 else simulated_bounds.smeared(edge, share)
        begins = market.schedule.start[np.append(True, np.diff(market.schedule.session) != 0)]
        return {
            **{key: value for key, value in asdict(self).items() if key != "imperfections"},
            "weights": dict(zip(self.names, size.tolist(), strict=True)),
            **simulated_bounds.targets(edge * share, carrier=carrier, noise=noise, reach=reach),
            "index_ic": simulated_bounds.index_ic(
                edge, size * market.sigma, common=0.0 if inner else COMMON, share=share
            ),
            "flips_at": iso(begins[flip_day(self.sessions)]) if self.mode == "regime_flip" else None,
        }


def last_sessions(timetable: Timetable, count: int) -> Schedule:
    """The calendar's last sessions up to the market's last day."""
    last = (LAST_SESSION - date(1970, 1, 1)).days
    known = timetable.between((last - 2 * count) * DAY, last * DAY)
    days = np.unique(known.session[known.session <= last])[-count:]
    if len(days) < count:
        raise ConfigError(
            f"{timetable.calendar} has {len(days)} sessions up to {LAST_SESSION}; {count} were asked for."
        )
    bars = slice(int(np.searchsorted(known.session, days[0])), int(np.searchsorted(known.session, last, "right")))
    return Schedule(known.start[bars], known.end[bars], known.session[bars], known.slot[bars])


def _flawless(tape: MutableMarket, timetable: Timetable) -> FetchResult:
    """The tape as it is: a market without imperfections needs no cleaning."""
    series: dict[str, Mapping[str, NDArray]] = {}
    report = []
    for symbol, (name, there) in enumerate(zip(tape.names, tape.there, strict=True)):
        if count := int(there.sum()):
            end = tape.schedule.end[there]
            series[name] = {"bar_end": end, **{column: tape.columns[column][symbol, there] for column in OHLCV}}
            report.append(SymbolReport(name, count, count, iso(end[0]), iso(end[-1]), stamps="UTC, bar end"))
    nothing = pd.DataFrame(columns=["symbol", "stamp", *OHLCV, "reason"])
    return FetchResult(timetable, series, tuple(report), nothing)


def _cleaned(tape: MutableMarket, query: Query) -> FetchResult:
    """The tape as any vendor's, flaws and all, through the cleaning."""
    symbol, bar = np.nonzero(tape.there)
    repeated = [cell for cell in tape.twice if tape.there[cell]]
    symbol = np.concatenate([symbol, [s for s, _ in repeated]]).astype(int)
    bar = np.concatenate([bar, [b for _, b in repeated]]).astype(int)
    rows = pd.DataFrame(
        {
            "symbol": np.array(tape.names)[symbol],
            "stamp": pd.to_datetime(tape.schedule.end[bar], unit="s", utc=True),
            **{column: tape.columns[column][symbol, bar] for column in OHLCV},
        }
    )
    return normalise(rows, query, grid="session", stamp="end")
