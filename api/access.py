"""Who may ask what: nothing is open to strangers but whether the server lives."""

from __future__ import annotations

from fastapi import Request, Security
from fastapi.security import APIKeyHeader

from api import keys
from api.keys import Key
from api.options import ServerSettings

OPEN = ("/health", "/ready", "/v1/health", "/v1/ready")
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="A key made by `mm keys create`")


class AccessDenied(Exception):
    """Why a request may not be answered."""

    def __init__(self, status: int, title: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.title = status, title


class Access:
    """The keys of a server: from the environment, and from a file that is read again when it changes."""

    def __init__(self, options: ServerSettings) -> None:
        self._options = options
        named = [("read", secret) for secret in options.read_keys] + [
            ("admin", secret) for secret in options.admin_keys
        ]
        self._own = tuple(keys.of_secret(f"environment-{n}", scope, secret) for n, (scope, secret) in enumerate(named))
        self._file: tuple[float, tuple[Key, ...]] = (0.0, ())

    def who(self, path: str, headers: dict[bytes, bytes]) -> Key | None:
        """The key that came with a request, None where none is needed. Raises Refused."""
        given = headers.get(b"x-api-key", b"").decode("latin-1")
        if not given and headers.get(b"authorization", b"")[:7].lower() == b"bearer ":
            given = headers[b"authorization"][7:].decode("latin-1").strip()
        if given:
            key = keys.find_key(self.known(), given)
            if key is None:
                raise AccessDenied(401, "KeyUnknown", "The key given is not known, or has expired.")
            return key
        if self._options.open or path in OPEN:
            return None
        raise AccessDenied(401, "KeyMissing", "This server is not on loopback and needs a key: send it as X-API-Key.")

    def known(self) -> tuple[Key, ...]:
        """All keys; a change of the file counts at once."""
        file = self._options.keys
        written = file.stat().st_mtime if file and file.exists() else 0.0
        if written != self._file[0]:
            self._file = (written, keys.read(file))
        return (*self._own, *self._file[1])


def admin(request: Request, _: str | None = Security(HEADER)) -> Key:
    """The admin's key. Raises Refused where there is none."""
    key: Key | None = request.state.key
    if key and key.scope == "admin":
        return key
    access: Access = request.app.state.access
    if not any(known.scope == "admin" for known in access.known()):
        raise AccessDenied(
            403, "NoAdminKey", "No admin key was ever configured; `mm keys create NAME --scope admin` makes one."
        )
    if key is None:
        raise AccessDenied(401, "KeyMissing", "This needs an admin key: send it as X-API-Key.")
    raise AccessDenied(403, "ScopeTooSmall", f"The key '{key.name}' may read; this needs one of scope admin.")
