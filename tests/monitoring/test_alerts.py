"""One open alert for each model and cause, quiet for a while after, and delivered until somebody has it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from market_master.domain.errors import ConfigError
from market_master.monitoring.alerts import Addresses, Alert, Book
from market_master.monitoring.alerts.book import Finding
from market_master.monitoring.alerts.delivery import MAX_ATTEMPTS, signature
from market_master.monitoring.notify import alert_addresses, alert_book, notify

SECRET = "between us"


class Receiver(HTTPServer):
    """A webhook that refuses so many times before it takes anything."""

    refusals = 0

    def __init__(self) -> None:
        self.tries = 0
        self.taken: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    """Takes a POST, or says 503."""

    server: Receiver

    def do_POST(self) -> None:
        """Keep the head and the body."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tries += 1
        refused = self.server.tries <= self.server.refusals
        if not refused:
            self.server.taken.append((dict(self.headers), body))
        self.send_response(503 if refused else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on the test's terminal."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that listens while the test runs."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def _noted(book: Book, day: int, moved: bool | None, cause: str = "parity", model: str = "m") -> list[Alert]:
    finding = Finding(cause, "page", moved, f"{cause} on day {day}.")
    book.note([finding], model, "1", as_of=f"day {day}", session=day, quiet_from=day - 4)
    return [alert for alert in book.alerts() if alert.closed is None]


def test_one_open_alert_for_each_model_and_cause(tmp_path: Path) -> None:
    """While it is open the same cause says nothing more; another cause and another model have their own."""
    book = Book(tmp_path / "alerts.json")
    first = _noted(book, 1, True)
    assert _noted(book, 2, True) == first
    assert len(_noted(book, 2, True, cause="outage")) == 2
    assert len(_noted(book, 2, True, model="other")) == 3
    assert [alert.opened for alert in first] == ["day 1"]


def test_it_closes_when_its_cause_is_gone_and_stays_quiet_for_five_sessions(tmp_path: Path) -> None:
    """Not when there is too little to say; after the cool-down the cause may speak again."""
    book = Book(tmp_path / "alerts.json")
    _noted(book, 1, True)
    assert len(_noted(book, 2, None)) == 1
    assert _noted(book, 3, False) == []
    for day in range(4, 8):
        assert _noted(book, day, True) == [], day
    assert [alert.opened for alert in _noted(book, 8, True)] == ["day 8"]
    assert [alert.closed for alert in book.alerts()] == ["day 3", None]


def test_a_webhook_gets_it_once_signed_and_tried_again(home: Path, receiver: Receiver) -> None:
    """Two refusals later it is taken; the signature is that of its body and moment; a second run sends nothing."""
    receiver.refusals = 2
    alert = _noted(alert_book(home), 1, True)[0]
    to = alert_addresses({"MM_ALERT_WEBHOOK": receiver.url, "MM_ALERT_SECRET": SECRET})
    assert notify(home, to) == {alert.id: True}
    ((head, body),) = receiver.taken
    assert receiver.tries == 3
    assert head["X-MM-Signature"] == signature(SECRET, head["X-MM-Timestamp"], body)
    assert head["X-MM-Signature"] != signature("another", head["X-MM-Timestamp"], body)
    received = json.loads(body)
    assert (received["cause"], received["severity"], received["reason"]) == ("parity", "page", "parity on day 1.")
    assert notify(home, to) == {}
    assert receiver.tries == 3


def test_what_nobody_took_is_sent_at_the_next_run(home: Path, receiver: Receiver) -> None:
    """An alert is not lost with a webhook that is away."""
    receiver.refusals = MAX_ATTEMPTS
    alert = _noted(alert_book(home), 1, True)[0]
    to = alert_addresses({"MM_ALERT_WEBHOOK": receiver.url, "MM_ALERT_SECRET": SECRET})
    assert notify(home, to) == {alert.id: False}
    assert notify(home, to) == {alert.id: True}
    assert len(receiver.taken) == 1


def test_apprise_is_told_too(home: Path, receiver: Receiver) -> None:
    """Any URL of its many kinds; here its plain JSON."""
    alert = _noted(alert_book(home), 1, True)[0]
    url = receiver.url.replace("http://", "json://")
    assert notify(home, Addresses(apprise=(url,))) == {alert.id: True}
    assert json.loads(receiver.taken[0][1])["message"] == "parity on day 1."


def test_without_an_address_alerts_wait(home: Path) -> None:
    """Nobody to tell is not told; a webhook without a secret is refused."""
    _noted(alert_book(home), 1, True)
    assert notify(home, alert_addresses({})) == {}
    assert [alert.delivered for alert in alert_book(home).alerts()] == [False]
    with pytest.raises(ConfigError, match="MM_ALERT_SECRET"):
        alert_addresses({"MM_ALERT_WEBHOOK": "http://127.0.0.1:1/hook"})
