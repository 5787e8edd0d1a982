"""Delivery of alerts to a signed webhook and to apprise, retried until they are taken."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from market_master.monitoring.alerts.book import Alert

logger = logging.getLogger(__name__)
MAX_ATTEMPTS = 4
DELIVERY_TIMEOUT = 10.0
"""seconds of one attempt"""


@dataclass(frozen=True)
class Addresses:
    """Where alerts go; nowhere unless told."""

    webhook: str | None = None
    secret: str = ""
    """shared with the webhook, for its signature"""
    apprise: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Is there anybody to tell?"""
        return bool(self.webhook or self.apprise)


def deliver(alerts: Sequence[Alert], addresses: Addresses) -> dict[str, bool]:
    """Which alerts, by id, everybody took; the others are tried again at the next run."""
    return {alert.id: _post_webhook(alert, addresses) and _notify_apprise(alert, addresses) for alert in alerts}


def signature(secret: str, moment: str, body: bytes) -> str:
    """HMAC-SHA256 of the moment, a dot and the body; the receiver computes the same and compares in constant time."""
    return "sha256=" + hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def _post_webhook(alert: Alert, addresses: Addresses) -> bool:
    """POST as JSON; headers X-MM-Timestamp and X-MM-Signature."""
    if not addresses.webhook:
        return True
    body, moment = json.dumps(asdict(alert), sort_keys=True).encode(), str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-MM-Timestamp": moment,
        "X-MM-Signature": signature(addresses.secret, moment, body),
    }
    try:
        for attempt in Retrying(
            stop=stop_after_attempt(MAX_ATTEMPTS),
            wait=wait_exponential_jitter(multiplier=0.5, max=8),
            retry=retry_if_exception_type(httpx.HTTPError),
            reraise=True,
        ):
            with attempt:
                httpx.post(
                    addresses.webhook, content=body, headers=headers, timeout=DELIVERY_TIMEOUT
                ).raise_for_status()
    except httpx.HTTPError as error:
        logger.warning("alert %s was not taken by the webhook: %s", alert.id, error)
        return False
    return True


def _notify_apprise(alert: Alert, addresses: Addresses) -> bool:
    if not addresses.apprise:
        return True
    import apprise

    notifier = apprise.Apprise(list(addresses.apprise))
    return bool(notifier.notify(title=f"{alert.severity}: {alert.model} {alert.cause}", body=alert.reason))
