"""Registered versions: cards, aliases, outcomes and journal entries."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from api.errors import PROBLEMS
from api.model_server import model_server
from market_master.artifact import bundle
from market_master.domain import JournalEntry, NoChampion, as_json
from market_master.registry.journal import journal_of

router = APIRouter(prefix="/models", tags=["models"])
VersionNumber = Annotated[str, Path(examples=["1"])]


class Version(BaseModel):
    """A version of the registered model, and what was decided about it."""

    version: str
    created: int
    """epoch milliseconds"""
    run_id: str
    outcome: str
    aliases: list[str]


class Model(Version):
    """A version with its card, and the journal's entries about it."""

    card: dict[str, Any]
    journal: list[JournalEntry]


@router.get("", responses={503: PROBLEMS[503]})
def models(request: Request) -> list[Version]:
    """All versions, newest first, with aliases and outcomes."""
    return [Version(**row) for row in model_server(request).registry.versions()]


@router.get("/production", responses={404: PROBLEMS[404], 503: PROBLEMS[503]})
def production(request: Request) -> Model:
    """The version behind the alias `production`."""
    version = model_server(request).registry.production()
    if version is None:
        raise NoChampion("No version stands behind 'production'; `make run` trains and promotes one.")
    return model(version, request)


@router.get("/{version}", responses={status: PROBLEMS[status] for status in (404, 422, 503)})
def model(version: VersionNumber, request: Request) -> Model:
    """A version's card, its place, and the journal's entries about it."""
    server = model_server(request)
    artifact = bundle.read_version(server.registry.files(version))
    row = next(row for row in server.registry.versions() if row["version"] == artifact.version)
    entries = [entry for entry in journal_of(server.settings.home).entries() if entry.to_version == artifact.version]
    return Model.model_validate({**row, "card": as_json(artifact.card), "journal": as_json(entries)})
