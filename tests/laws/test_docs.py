"""What the documents say is there is there, and what is there is in the documents."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel
from typer.main import get_command

from api.app import create_app
from market_master import config
from market_master.cli.app import app
from tests.support import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
OURS = {
    "src", "api", "flows", "configs", "deployments", "tests", "benchmarks", "docs",
    *(entry.name for entry in (ROOT / "src" / "market_master").iterdir()),
    *(entry.name for entry in (ROOT / "tests").iterdir()),
}  # fmt: skip
"""first words of paths that lie in the project; `data/` and `mlruns/` are made at run time"""
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_make_target_is_documented_and_exists() -> None:
    """Makefile and documents name the same targets."""
    named = set(re.findall(r"(?:`|^    )make ([a-z][a-z-]*)", TEXT, re.MULTILINE))
    assert named - TARGETS == set()
    assert TARGETS - named - {"help"} == set()


def test_every_setting_is_documented() -> None:
    """docs/operations.md lists each key a config may have."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    def keys(section: type[BaseModel], prefix: str) -> list[str]:
        found = []
        for name, field in section.model_fields.items():
            inner = field.annotation
            nested = isinstance(inner, type) and issubclass(inner, BaseModel)
            found += keys(inner, f"{prefix}{name}.") if nested else [f"{prefix}{name}"]
        return found

    providers = config.provider_settings().values()
    wanted = [key for key in keys(config.Settings, "") if key != "provider"]
    wanted += [key for provider in providers for key in keys(provider, "provider.")]
    assert [key for key in wanted if f"`{key}`" not in page] == []


def test_every_route_is_documented() -> None:
    """docs/api.md names each route of the OpenAPI."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for path, methods in create_app().openapi()["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in page, f"{method.upper()} {path}"


def test_every_command_is_documented() -> None:
    """docs/operations.md names each command of `mm`."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    def commands(group: object, prefix: str) -> list[str]:
        inner = getattr(group, "commands", None)
        return [prefix] if inner is None else [c for n, g in inner.items() for c in commands(g, f"{prefix} {n}")]

    for command in commands(get_command(app), "mm"):
        assert f"`{command}" in page, command


def test_every_named_test_exists() -> None:
    """The table of mistakes names tests that are there."""
    page = (ROOT / "docs" / "methodology.md").read_text(encoding="utf-8")
    file = ""
    for name, function in re.findall(r"`([\w/]*\.py)?(?:::(\w+))?`", page):
        file = name or file
        if name and not (ROOT / "tests" / name).exists():
            assert (
                list((ROOT / "src" / "market_master").rglob(name)) or (ROOT / "src" / "market_master" / name).exists()
            ), name
        if function:
            assert f"def {function}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), function


def test_every_mistake_of_others_has_its_guard() -> None:
    """Each of the twenty rows names a test, in a file and by its function, that stands there."""
    page = (ROOT / "docs" / "methodology.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| [^|]* \| (.*) \|$", page, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 21))
    for number, guards in rows:
        assert re.search(r"`[\w/]+/test_\w+\.py::test_\w+`", guards), f"row {number} names no test: {guards}"


UNFINISHED = re.compile(r"\b(comes with its issue|TODO|TBD|FIXME|not written yet|no \w+( \w+)? yet\b)", re.IGNORECASE)
"""sentences about a part that is still to come; they stay behind when it has come"""


def test_every_class_has_the_fields_term() -> None:
    """The glossary of docs/architecture.md names each public class, and no class that is gone."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z][^|`]*) \|", page[page.index("## Glossary") :], re.MULTILINE)
    named = {name for row in rows for name in row.split(", ")}
    defined: set[str] = set()
    for folder in (ROOT / "src" / "market_master", ROOT / "api", ROOT / "flows"):
        for file in folder.rglob("*.py"):
            if file.name not in ("errors.py", "schemas.py") and "routes" not in file.parts:
                tree = ast.parse(file.read_text(encoding="utf-8"))
                defined |= {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {name for name in defined if not name.startswith("_")} - named == set()
    assert named - defined - {"Problem"} == set()


def test_no_document_waits_for_a_part_to_come() -> None:
    """What is not there is told in closing notes; a document says what is."""
    for page in PAGES:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            assert not UNFINISHED.search(line), f"{page.name}:{number}: {line}"


def test_every_path_in_the_documents_exists() -> None:
    """A file or folder of ours that a document names is there, from the root, the package or tests/."""
    roots = (ROOT, ROOT / "src" / "market_master", ROOT / "tests")
    for page in PAGES:
        for path in re.findall(r"`([\w./-]+/|[\w./-]+\.(?:py|yaml|toml|html|css))`", page.read_text(encoding="utf-8")):
            if path.split("/")[0] in OURS and not any((root / path).exists() for root in roots):
                raise AssertionError(f"{page.name} names {path}, which is not there")


def test_the_backtest_by_hand_is_what_the_engine_says() -> None:
    """The Python of docs/backtest.md runs: five bars worked out by hand, and their assertions."""
    page = (ROOT / "docs" / "backtest.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(compile(code, "docs/backtest.md", "exec"), {})


def test_every_link_leads_somewhere() -> None:
    """Relative links of the documents point at files."""
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readmes_request_is_answered(trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The curl lines of the README, pasted, answer 200."""
    monkeypatch.setenv("MM_HOME", str(trained_home))
    lines = re.findall(r"^    curl (.*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) >= 6
    with TestClient(create_app()) as client:
        for line in lines:
            words = shlex.split(line)
            path = next(word for word in words if word.startswith("http")).removeprefix("http://127.0.0.1:8000")
            if "POST" in words:
                body = json.loads((ROOT / words[words.index("-d") + 1].removeprefix("@")).read_text(encoding="utf-8"))
                assert client.post(path, json=body).status_code == 200, line
                assert len(body["bars"]) >= 60
            else:
                assert client.get(path).status_code == 200, line


def test_no_host_of_a_registry_and_no_path_of_a_machine_is_written_down() -> None:
    """The lock holds hashes and no hosts."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--hash=sha256:" in lock
