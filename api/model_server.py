"""Model server: verifies a new version aside, hot-swaps it, keeps the last good one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime

import structlog
from fastapi import Request

from api.live_market import LiveMarket, market_without_model
from api.live_model import LiveModel, load_live_model
from api.metrics import CHAMPION, CHAMPION_AGE, COVERAGE, LOG_LOST, STALENESS, SWAPS
from api.settings import ServerSettings
from market_master.artifact import bundle
from market_master.artifact.bundle import VersionFiles
from market_master.domain import MarketMasterError, NoChampion, NotWritten, PredictionObserver, RegistryAway, clock
from market_master.insights import MarketView
from market_master.insights.ranking import symbol_rows
from market_master.prediction.recorder import Recorder
from market_master.prediction_log import PredictionLog, Writer
from market_master.registry.client_process import RegistryClient

log = structlog.get_logger()
UNCONFIRMED = "Version {version} is served from its local copy until the registry has confirmed it."


class ModelServer:
    """Holds the live model; a request takes it once, so that the old one goes on for those it has begun."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.prediction_log = PredictionLog(settings.predictions)
        self.writer: Writer | None = None
        """of the prediction log, while the server runs"""
        self.registry = RegistryClient(settings.home, settings.model)
        self.live: LiveModel | None = None
        """the last version behind `production` that was verified"""
        self.refusal: MarketMasterError = NoChampion("No champion has been loaded yet.")
        self.note = ""
        """why the version behind `production` is not the live one, or that the registry is away"""
        self._market: LiveMarket | None = None
        """of the bars that are stored, while there is no live model"""
        self._confirmed = False
        """the registry has named the live version, so that it is not just the local copy of an earlier day"""
        self._fallback_folder = settings.home / "data" / "serving" / settings.model

    def record_posted(self) -> PredictionObserver | None:
        """What records the predictions of one call from posted bars."""
        return Recorder(self.writer.put, "posted").observer() if self.writer else None

    def start(self) -> None:
        """Serve the last verified version from its local copy until the registry has said which it is; else ask it first."""
        self.writer = Writer(self.prediction_log, self.settings.home / "data" / "spill")
        self.registry.start()
        copy_refusal = self._load_fallback_copy()
        if self.live is None:
            self.refresh()
            if self.live is None and isinstance(self.refusal, RegistryAway):
                self.refusal = copy_refusal or NoChampion(
                    f"{self.refusal} There is no local copy of a champion either."
                )

    def refresh(self) -> str:
        """Look where the alias stands and follow it; returns what was done, in a sentence."""
        try:
            production = self.registry.production_with_outcome()
            if production is None:
                raise NoChampion(
                    f"No version of {self.settings.model} stands behind 'production'; `make run` promotes one."
                )
            if self.live and self.live.key == production:
                self.note, self._confirmed = "", True
                return f"Version {production[0]} is served already."
            live = self._load_and_copy(self.registry.files(production[0]))
        except MarketMasterError as error:
            if isinstance(error, NoChampion) and not self._confirmed:
                self.live = None
            if self.live is None:
                self.refusal = error
            reason = str(error)
            if self.live and not self._confirmed and isinstance(error, RegistryAway):
                reason = f"The registry is away ({error}); version {self.version} is served from its local copy."
            if self.note != reason:
                SWAPS.labels("refused").inc()
                log.warning("not taken", title=error.title, reason=reason, serving=self.version)
            self.note = reason
            return self.note
        self._confirmed = True
        self._hot_swap(live, "")
        return f"Version {live.files.version} is served now."

    def stop(self) -> None:
        """Write what is queued for the prediction log, and end the process that asks the registry."""
        if self.writer:
            self.writer.close()
        self.registry.close()

    def why_not_current(self) -> str:
        """Why there is no live model, or why it may not be the registry's champion; '' when all is well."""
        return self.note if self.live else str(self.refusal)

    @property
    def version(self) -> str:
        """The live version, '' for none."""
        return self.live.files.version if self.live else ""

    def live_model(self) -> LiveModel:
        """The live model. Raises the reason why there is none."""
        if self.live is None:
            raise self.refusal
        return self.live

    def market(self) -> LiveMarket:
        """The live model's market, or without one what is stored. Raises the reason why there is no live model."""
        if self.live is not None:
            return self.live.market
        self._market = self._market or market_without_model(self.settings.home, self.settings.config)
        if self._market is None:
            raise self.refusal
        return self._market

    def view(self) -> MarketView:
        """What insights are made of, with the live model's predictions if there is one. Raises what `market` raises."""
        return self.live.view(clock.now()) if self.live else self.market().view()

    async def watch(self) -> None:
        """Follow alias and store for as long as the server lives; a version from its local copy is asked about at once."""
        pause = 0.0 if self.live and not self._confirmed else self.settings.poll_seconds
        while True:
            await asyncio.sleep(pause)
            pause = self.settings.poll_seconds
            with suppress(MarketMasterError):
                await asyncio.to_thread(self.refresh)
            if self.live:
                await asyncio.to_thread(self._measure, self.live)

    def _load_and_copy(self, files: VersionFiles) -> LiveModel:
        live = self._load(files)
        with suppress(OSError, NotWritten):
            bundle.save_fallback_copy(files, self._fallback_folder)
        return live

    def _load(self, files: VersionFiles) -> LiveModel:
        recorder = Recorder(self.writer.put, "stored") if self.writer else None
        return load_live_model(files, self.settings.home, self.settings.config, clock.now(), recorder)

    def _load_fallback_copy(self) -> MarketMasterError | None:
        """Serve the local copy, if there is one; returns why it can't be served."""
        try:
            files = bundle.load_fallback_copy(self._fallback_folder)
            if files:
                self._hot_swap(self._load(files), UNCONFIRMED.format(version=files.version))
        except MarketMasterError as error:
            return error
        return None

    def _hot_swap(self, live: LiveModel, note: str) -> None:
        before, self.live, self.note = self.version, live, note
        SWAPS.labels("taken").inc()
        log.info("champion", version=live.files.version, before=before, note=note)
        self._measure(live)

    def _measure(self, live: LiveModel) -> None:
        """Predict from new bars and rank the symbols before anyone asks, and set the gauges of Prometheus."""
        now, version = clock.now(), live.files.version
        CHAMPION.set(float(version) if version.isdigit() else 0.0)
        CHAMPION_AGE.set(now - datetime.fromisoformat(live.model.card.created).timestamp())
        if self.writer:
            LOG_LOST.set(self.writer.lost)
        with suppress(MarketMasterError):
            snapshot = live.snapshot(now)
            STALENESS.set(now - snapshot.recent.newest())
            COVERAGE.set(0.0 if isinstance(snapshot.signal, MarketMasterError) else snapshot.signal[0].coverage)
            symbol_rows(live.view(now))


def model_server(request: Request) -> ModelServer:
    """The model server of the app that a request came to."""
    server: ModelServer = request.app.state.model_server
    return server


def live_market(request: Request) -> LiveMarket:
    """The market at the time of a request, with or without a champion. Raises the reason why there is none."""
    return model_server(request).market()


def market_view(request: Request) -> MarketView:
    """What insights are made of at the time of a request. Raises the reason why there are no bars to look at."""
    return model_server(request).view()


def live_model(request: Request) -> LiveModel:
    """The live model at the time of a request. Raises the reason why there is none."""
    return model_server(request).live_model()
