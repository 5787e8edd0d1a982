"""Which versions there are, what each is, and how it came to be where it is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from api.errors import PROBLEMS
from api.serving import serving
from market_master.domain.errors import NoChampion
from market_master.domain.records import as_json
from market_master.journal import journal_of
from market_master.registry import bundle

router = APIRouter(prefix="/models", tags=["models"])


@router.get("", responses={503: PROBLEMS[503]})
def models(request: Request) -> list[dict[str, Any]]:
    """All versions, newest first, with aliases and outcomes."""
    rows: list[dict[str, Any]] = serving(request).clerk.ask("all")
    return rows


@router.get("/production", responses={404: PROBLEMS[404], 503: PROBLEMS[503]})
def production(request: Request) -> dict[str, Any]:
    """The version behind the alias `production`."""
    standing = serving(request).clerk.ask("production")
    if standing is None:
        raise NoChampion("No version stands behind 'production'; `make run` trains and promotes one.")
    return model(standing, request)


@router.get("/{version}", responses={status: PROBLEMS[status] for status in (404, 422, 503)})
def model(version: str, request: Request) -> dict[str, Any]:
    """A version's card, its place, and the journal's entries about it."""
    found = serving(request)
    loaded = bundle.read(found.clerk.ask("place", version))
    row = next(row for row in found.clerk.ask("all") if row["version"] == loaded.version)
    entries = [entry for entry in journal_of(found.options.home).entries() if entry.to_version == loaded.version]
    return {**row, "card": as_json(loaded.card), "journal": as_json(entries)}
