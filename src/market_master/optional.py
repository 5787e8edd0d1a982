"""Optional parts: libraries without which everything else works."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from market_master.domain import ConfigError


@dataclass(frozen=True)
class OptionalPart:
    """A library, what it is for, and whether it is here."""

    library: str
    purpose: str

    @property
    def version(self) -> str | None:
        """The installed one; None where there is none."""
        try:
            return version(self.library)
        except PackageNotFoundError:
            return None

    @property
    def remedy(self) -> str:
        """How to switch it on."""
        return f"pip install {self.library}"


OPTIONAL_PARTS = (
    OptionalPart("ccxt", "the provider ccxt: bars of crypto exchanges"),
    OptionalPart("redis", "MM_REDIS_URL: one cache and one rate limit for several servers"),
)


def require_part(library: str) -> None:
    """Raise ConfigError, with the remedy, where an optional part is not installed."""
    part = next(part for part in OPTIONAL_PARTS if part.library == library)
    if part.version is None:
        raise ConfigError(f"{library} is not installed; it is needed for {part.purpose}. Install it: {part.remedy}.")
