"""Settings of the server, from environment variables; read once, when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from market_master import config
from market_master.config import Settings
from market_master.domain import ConfigError
from market_master.optional import require_part

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class ServerSettings:
    """Where a server stands, whom it lets in, and how much it takes."""

    home: Path
    model: str = "market-master"
    config: Settings | None = None
    """other than the settings the champion was trained with"""
    host: str = "127.0.0.1"
    keys: Path | None = None
    """file of salted hashes, made by `mm keys create`"""
    read_keys: tuple[str, ...] = field(default=(), repr=False)
    admin_keys: tuple[str, ...] = field(default=(), repr=False)
    origins: tuple[str, ...] = ()
    """that browsers may call from; empty = none"""
    rate: str = "1000/second"
    """of one key, or of one address without a key; `off` for none"""
    redis: str | None = None
    """address of a Redis that several workers share for cached answers and rate limits"""
    prefect: str = ""
    """where trainings are started"""
    predictions: str = ""
    """database of the prediction log"""
    poll_seconds: float = 1.0
    """between looks at the registry and the store"""
    body_seconds: float = 10.0
    """that a client has for sending a whole body"""

    @property
    def open(self) -> bool:
        """Reading needs no key: only this machine can reach the server."""
        return self.host in LOOPBACK


def server_settings(environ: Mapping[str, str]) -> ServerSettings:
    """The settings an environment names. Raises ConfigError for a number that is none."""
    if environ.get("MM_REDIS_URL"):
        require_part("redis")
    file = environ.get("MM_CONFIG")
    chosen = config.load(Path(file), environ) if file else None
    home = config.home(environ)
    return ServerSettings(
        home=home,
        model=chosen.registry.model if chosen else config.registered_model(environ),
        config=chosen,
        host=environ.get("MM_HOST", "127.0.0.1"),
        keys=config.keys_file(environ),
        read_keys=_comma_separated(environ.get("MM_READ_KEYS")),
        admin_keys=_comma_separated(environ.get("MM_ADMIN_KEYS")),
        origins=_comma_separated(environ.get("MM_CORS_ORIGINS")),
        rate=environ.get("MM_RATE_LIMIT") or ServerSettings.rate,
        redis=environ.get("MM_REDIS_URL") or None,
        prefect=config.prefect_url(environ),
        predictions=config.predictions_url(environ),
        poll_seconds=_seconds(environ, "MM_POLL_SECONDS", ServerSettings.poll_seconds),
        body_seconds=_seconds(environ, "MM_BODY_SECONDS", ServerSettings.body_seconds),
    )


def _comma_separated(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(environ.get(name) or default)
    except ValueError:
        value = -1.0
    if not 0 < value < 86400:
        raise ConfigError(f"{name} must be a number of seconds above 0, '{environ.get(name)}' was given.")
    return value
