"""Which champion answers, and how another takes its place: verified aside, swapped in one step, refused when it is bad."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime

import structlog
from fastapi import Request

from api.live_model import LiveModel, load_live_model
from api.metrics import CHAMPION, CHAMPION_AGE, COVERAGE, LOG_LOST, STALENESS, SWAPS
from api.options import ServerSettings
from market_master.artifact import bundle
from market_master.artifact.bundle import VersionFiles
from market_master.domain import clock
from market_master.domain.errors import MarketMasterError, NoChampion, NotWritten, RegistryAway
from market_master.domain.records import PredictionObserver
from market_master.prediction.recorder import Recorder
from market_master.prediction_log import PredictionLog, Writer
from market_master.registry.client_process import RegistryClient

log = structlog.get_logger()


class ModelServer:
    """The champion that answers; requests take it once, so that the old one goes on for those it has begun."""

    def __init__(self, options: ServerSettings) -> None:
        self.options = options
        self.log = PredictionLog(options.predictions)
        self.writer: Writer | None = None
        """of the prediction log, while the server runs"""
        self.clerk = RegistryClient(options.home, options.model)
        self.now: LiveModel | None = None
        self.refusal: MarketMasterError = NoChampion("No champion has been loaded yet.")
        self.note = ""
        """why the version behind `production` is not the one that answers, or that the registry is away"""
        self._copies = options.home / "data" / "serving" / options.model

    def posted(self) -> PredictionObserver | None:
        """Who records an answer to posted bars."""
        return Recorder(self.writer.put, "posted").witness() if self.writer else None

    def start(self) -> None:
        """Take the registry's champion, or while the registry is away the last verified one from its local copy."""
        self.writer = Writer(self.log, self.options.home / "data" / "spill")
        self.refresh()
        if self.now is None and isinstance(self.refusal, RegistryAway):
            self._from_copy()

    def refresh(self) -> str:
        """Look where the alias stands and follow it; returns what was done, in a sentence."""
        try:
            standing = self.clerk.ask("standing")
            if standing is None:
                raise NoChampion(
                    f"No version of {self.options.model} stands behind 'production'; `make run` promotes one."
                )
            if self.now and self.now.key == standing:
                self.note = ""
                return f"Version {standing[0]} is served already."
            served = self._verified(self.clerk.ask("place", standing[0]))
        except MarketMasterError as error:
            if self.now is None:
                self.refusal = error
            if self.note != str(error):
                SWAPS.labels("refused").inc()
                log.warning("not taken", title=error.title, reason=str(error), serving=self.version)
            self.note = str(error)
            return self.note
        self._swap(served, "")
        return f"Version {served.place.version} is served now."

    def stop(self) -> None:
        """Write what is waiting for the prediction log, and end the process that asks the registry."""
        if self.writer:
            self.writer.close()
        self.clerk.close()

    @property
    def version(self) -> str:
        """The version that answers, '' for none."""
        return self.now.place.version if self.now else ""

    def champion(self) -> LiveModel:
        """The champion. Raises the reason why there is none."""
        if self.now is None:
            raise self.refusal
        return self.now

    async def watch(self) -> None:
        """Follow alias and store for as long as the server lives."""
        while True:
            await asyncio.sleep(self.options.poll_seconds)
            with suppress(MarketMasterError):
                await asyncio.to_thread(self.refresh)
            if self.now:
                await asyncio.to_thread(self._measure, self.now)

    def _verified(self, place: VersionFiles) -> LiveModel:
        served = self._taken(place)
        with suppress(OSError, NotWritten):
            bundle.save_fallback_copy(place, self._copies)
        return served

    def _taken(self, place: VersionFiles) -> LiveModel:
        recorder = Recorder(self.writer.put, "stored") if self.writer else None
        return load_live_model(place, self.options.home, self.options.settings, clock.now(), recorder)

    def _from_copy(self) -> None:
        away = str(self.refusal)
        try:
            place = bundle.load_fallback_copy(self._copies)
            if place is None:
                raise NoChampion(f"{away} There is no local copy of a champion either.")
            served = self._taken(place)
        except MarketMasterError as error:
            self.refusal = error
            return
        self._swap(served, f"The registry is away ({away}); version {place.version} is served from its local copy.")

    def _swap(self, served: LiveModel, note: str) -> None:
        before, self.now, self.note = self.version, served, note
        SWAPS.labels("taken").inc()
        log.info("champion", version=served.place.version, before=before, note=note)
        self._measure(served)

    def _measure(self, served: LiveModel) -> None:
        """Answer for new bars before anyone asks, and tell Prometheus."""
        now, version = clock.now(), served.place.version
        CHAMPION.set(float(version) if version.isdigit() else 0.0)
        CHAMPION_AGE.set(now - datetime.fromisoformat(served.champion.card.created).timestamp())
        if self.writer:
            LOG_LOST.set(self.writer.lost)
        with suppress(MarketMasterError):
            answered = served.answers(now)
            STALENESS.set(now - max(int(columns["bar_end"][-1]) for columns in answered.recent.series.values()))
            COVERAGE.set(0.0 if isinstance(answered.signal, MarketMasterError) else answered.signal[0].coverage)


def model_server(request: Request) -> ModelServer:
    """What this server serves."""
    found: ModelServer = request.app.state.serving
    return found


def live_model(request: Request) -> LiveModel:
    """The champion that answers this request. Raises the reason why there is none."""
    return model_server(request).champion()
