"""Notification of undelivered alerts, to the addresses of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from market_master.domain import ConfigError
from market_master.monitoring.alerts import Addresses, Book, deliver


def alert_addresses(environ: Mapping[str, str]) -> Addresses:
    """MM_ALERT_WEBHOOK with MM_ALERT_SECRET, and MM_ALERT_APPRISE, by comma. Raises ConfigError for a webhook without a secret."""
    webhook, secret = environ.get("MM_ALERT_WEBHOOK") or None, environ.get("MM_ALERT_SECRET", "")
    if webhook and not secret:
        raise ConfigError("MM_ALERT_WEBHOOK is set and MM_ALERT_SECRET is not; the webhook could not tell who speaks.")
    urls = tuple(url.strip() for url in environ.get("MM_ALERT_APPRISE", "").split(",") if url.strip())
    return Addresses(webhook, secret, urls)


def notify(home: Path, to: Addresses) -> dict[str, bool]:
    """Deliver the open alerts that have not reached everybody; returns which, by id, have now. The others wait for the next run."""
    if not to.any:
        return {}
    book = alert_book(home)
    delivered = deliver([alert for alert in book.alerts() if not alert.delivered], to)
    book.mark_delivered(delivered)
    return delivered


def alert_book(home: Path) -> Book:
    """The alerts of a home."""
    return Book(home / "data" / "alerts.json")
