"""API keys: names, scopes and salted hashes, never the keys themselves."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock

from market_master.domain import ConfigError
from market_master.files import write_atomic

SCOPES = ("read", "admin")


@dataclass(frozen=True)
class Key:
    """A key's name, scope and salted hash; never the key itself."""

    name: str
    scope: str
    """admin may do what read may, and move models"""
    salt: str
    sha256: str
    expires: str | None = None
    """ISO 8601; None = never"""

    def matches(self, secret: str, now: datetime) -> bool:
        """Is this the key? Compared in constant time."""
        equal = hmac.compare_digest(_hash(self.salt, secret), self.sha256)
        return equal and (self.expires is None or now < datetime.fromisoformat(self.expires))


def create(file: Path, name: str, scope: str, days: int | None, now: datetime) -> str:
    """A new key, whose hash is added to the file; it is returned once and can't be had again. Raises ConfigError."""
    if scope not in SCOPES:
        raise ConfigError(f"A key's scope is {' or '.join(SCOPES)}, not '{scope}'.")
    with FileLock(f"{_parent(file)}.lock"):
        known = read(file)
        if name in {key.name for key in known}:
            raise ConfigError(f"{file.name} has a key named '{name}' already; choose another name.")
        secret = f"mm_{secrets.token_urlsafe(32)}"
        expires = (now + timedelta(days=days)).isoformat(timespec="seconds") if days else None
        key = of_secret(name, scope, secret, expires)
        write_atomic(file, json.dumps([asdict(entry) for entry in (*known, key)], indent=2).encode())
        file.chmod(0o600)
    return secret


def read(file: Path | None) -> tuple[Key, ...]:
    """The keys kept in a file; none when there is no file. Raises ConfigError for one that holds something else."""
    if file is None or not file.exists():
        return ()
    try:
        return tuple(Key(**row) for row in json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"The keys file {file} can't be read: {error}.") from error


def of_secret(name: str, scope: str, secret: str, expires: str | None = None) -> Key:
    """A key as it is kept."""
    salt = secrets.token_hex(16)
    return Key(name, scope, salt, _hash(salt, secret), expires)


def find_key(keys: Sequence[Key], secret: str) -> Key | None:
    """The key of a secret, None when it is none of them; every one is compared, so that time tells nothing."""
    now, matching = datetime.now(UTC), None
    for key in keys:
        if key.matches(secret, now):
            matching = key
    return matching


def _hash(salt: str, secret: str) -> str:
    """One round suffices: the key has 256 random bits."""
    return hashlib.sha256(f"{salt}{secret}".encode()).hexdigest()


def _parent(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
