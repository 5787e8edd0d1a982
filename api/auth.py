"""Authentication by API key: who may read, who may move models, and which paths are public."""

from __future__ import annotations

from fastapi import Request, Security
from fastapi.security import APIKeyHeader

from api import keys
from api.keys import Key
from api.settings import ServerSettings

PUBLIC_PATHS = ("/health", "/ready", "/v1/health", "/v1/ready")
API_KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="A key made by `mm keys create`")


class AccessDenied(Exception):
    """Why a request may not be served: status, title and sentence of the problem document."""

    def __init__(self, status: int, title: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.title = status, title


class Authenticator:
    """The keys of a server: from the environment, and from a file that is read again when it changes."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        read, admin = settings.read_keys, settings.admin_keys
        scopes_and_secrets = [*(("read", secret) for secret in read), *(("admin", secret) for secret in admin)]
        self._environment_keys = tuple(
            keys.of_secret(f"environment-{n}", scope, secret) for n, (scope, secret) in enumerate(scopes_and_secrets)
        )
        self._file_keys: tuple[float, tuple[Key, ...]] = (0.0, ())
        """the file's time of change, and what was read from it"""

    def authenticate(self, path: str, headers: dict[bytes, bytes]) -> Key | None:
        """The key of a request, None where none is needed. Raises AccessDenied."""
        secret = headers.get(b"x-api-key", b"").decode("latin-1")
        if not secret and headers.get(b"authorization", b"")[:7].lower() == b"bearer ":
            secret = headers[b"authorization"][7:].decode("latin-1").strip()
        if secret:
            key = keys.find_key(self.known_keys(), secret)
            if key is None:
                raise AccessDenied(401, "KeyUnknown", "The key given is not known, or has expired.")
            return key
        if self._settings.open or path in PUBLIC_PATHS:
            return None
        raise AccessDenied(401, "KeyMissing", "This server is not on loopback and needs a key: send it as X-API-Key.")

    def known_keys(self) -> tuple[Key, ...]:
        """All keys; a change of the file counts at once."""
        file = self._settings.keys
        modified = file.stat().st_mtime if file and file.exists() else 0.0
        if modified != self._file_keys[0]:
            self._file_keys = (modified, keys.read(file))
        return (*self._environment_keys, *self._file_keys[1])


def require_admin(request: Request, _: str | None = Security(API_KEY_HEADER)) -> Key:
    """The admin's key. Raises AccessDenied where there is none."""
    key: Key | None = request.state.key
    if key and key.scope == "admin":
        return key
    authenticator: Authenticator = request.app.state.authenticator
    if not any(known.scope == "admin" for known in authenticator.known_keys()):
        raise AccessDenied(
            403, "NoAdminKey", "No admin key was ever configured; `mm keys create NAME --scope admin` makes one."
        )
    if key is None:
        raise AccessDenied(401, "KeyMissing", "This needs an admin key: send it as X-API-Key.")
    raise AccessDenied(403, "ScopeTooSmall", f"The key '{key.name}' may read; this needs one of scope admin.")
