"""What the routes share: the home and the champion, loaded once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from market_master.config import Settings
from market_master.domain.errors import MarketMasterError, NoChampion
from market_master.registry.versions import Versions
from market_master.steps.predict import Champion, load_champion
from market_master.store import Store


@dataclass(frozen=True, eq=False)
class Serving:
    """A champion ready to answer, or the reason why there is none."""

    home: Path
    model: str
    champion: Champion | None
    refusal: MarketMasterError | None

    @classmethod
    def start(cls, home: Path, model: str, settings: Settings | None = None) -> Serving:
        """Load and verify the champion; a server without one lives, and is not ready."""
        try:
            return cls(home, model, load_champion(home, model, settings), None)
        except MarketMasterError as error:
            return cls(home, model, None, error)

    @property
    def versions(self) -> Versions:
        """The registry's versions of the served model."""
        return Versions(self.home, self.model)


def serving(request: Request) -> Serving:
    """What this server serves."""
    found: Serving = request.app.state.serving
    return found


def champion(request: Request) -> Champion:
    """The champion. Raises the reason why there is none."""
    found = serving(request)
    if found.champion is None:
        raise found.refusal or NoChampion("No champion is loaded.")
    return found.champion


def bar_store(request: Request) -> Store:
    """The champion's bars."""
    return champion(request).store(serving(request).home)
