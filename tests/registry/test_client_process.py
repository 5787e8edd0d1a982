"""The registry client: what it names by text is there, and it answers as the registry does."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from market_master.domain.errors import RegistryAway
from market_master.lifecycle.promote import roll_back
from market_master.registry.client_process import ROLL_BACK, RegistryClient
from market_master.registry.versions import Versions
from tests.support import ROOT
from tests.support.servers import MODEL

IMPORTS_BY_TEXT = ("import_module", "__import__", "resolve_name", "run_module", "run_path")
MAY_IMPORT_BY_TEXT = {
    "src/market_master/plugins.py": "the modules of a folder: plug-ins, commands, routes",
    "src/market_master/registry/client_process.py": "ROLL_BACK, which would bring MLflow into the server",
}


@pytest.fixture(scope="module")
def client(trained_home: Path) -> Iterator[RegistryClient]:
    """A client of the trained home's registry."""
    running = RegistryClient(trained_home, MODEL)
    yield running
    running.close()


def test_the_function_named_by_text_is_the_roll_back() -> None:
    """It is there, and takes what the client's process hands it."""
    assert pkgutil.resolve_name(ROLL_BACK) is roll_back
    assert list(inspect.signature(roll_back).parameters) == ["to", "by", "reason", "model", "home"]


def test_no_other_file_imports_through_a_text() -> None:
    """What is imported stands in an import statement, where the contracts between packages see it."""
    sources = [file for room in ("src", "api", "flows") for file in (ROOT / room).rglob("*.py")]
    importing = {
        str(file.relative_to(ROOT))
        for file in sources
        if any(f"{name}(" in file.read_text(encoding="utf-8") for name in IMPORTS_BY_TEXT)
    }
    assert importing == set(MAY_IMPORT_BY_TEXT)


def test_the_client_gives_what_the_registry_holds(client: RegistryClient, trained_home: Path) -> None:
    """Each method of the same meaning, from the process that has MLflow."""
    versions = Versions(trained_home, MODEL)
    assert client.production() == versions.production() == "1"
    assert client.production_with_outcome() == versions.production_with_outcome()
    assert client.versions() == versions.all()
    assert client.files("1") == versions.files("1")


def test_a_home_without_a_registry_is_refused(tmp_path: Path) -> None:
    """By name, and none is made by asking."""
    client = RegistryClient(tmp_path, MODEL)
    with pytest.raises(RegistryAway, match="There is no registry at"):
        client.production()
    client.close()
    assert not any(tmp_path.iterdir())
