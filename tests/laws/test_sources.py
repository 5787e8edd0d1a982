"""Laws over all source files that imports alone can not state; the contracts between rooms stand in pyproject.toml."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

PACKAGE = ROOT / "src" / "market_master"
TESTS = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "flows").rglob("*.py"), *(ROOT / "api").rglob("*.py")])


def _imports(file: Path) -> Iterator[tuple[str, bool]]:
    """Every imported dotted name of a file, and whether it is imported inside a function."""

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, inside
            yield from ((f"{node.module}.{alias.name}", inside) for alias in node.names)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))

    return walk(ast.parse(file.read_text(encoding="utf-8")), False)


def test_only_time_splits_exist() -> None:
    """No splitter or shuffling that ignores time is imported anywhere (rivals.md 1.9; method F1)."""
    forbidden = {"KFold", "StratifiedKFold", "ShuffleSplit", "train_test_split", "TimeSeriesSplit", "cross_val_score"}
    for file in SOURCES:
        names = {dotted.split(".")[-1] for dotted, _ in _imports(file)}
        assert not names & forbidden, f"{file.relative_to(ROOT)} imports {names & forbidden}"


def test_a_negative_shift_lives_in_labels_only() -> None:
    """Looking ahead is what labels do; `shift(-n)` stands nowhere else."""
    for file in SOURCES:
        if "labels" not in file.parts:
            assert "shift(-" not in file.read_text(encoding="utf-8"), file


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _private_names() -> set[str]:
    """Functions, classes, variables and attributes that begin with an underscore, of the package and of tests' support."""
    names: set[str] = set()
    for file in [*SOURCES, *(ROOT / "tests" / "support").glob("*.py")]:
        for node in ast.walk(_tree(file)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
    return {name for name in names if _private(name)}


def _private_uses(file: Path, known: set[str]) -> Iterator[str]:
    """Where a file imports, reads or replaces a private name that it does not define itself."""
    for node in ast.walk(_tree(file)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            names = [node.attr]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setattr"):
            names = [str(part.value) for part in node.args[:2] if isinstance(part, ast.Constant)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("market_master."):
            names = [node.value]
        for name in names:
            if set(re.split("[.:]", name)) & known:
                yield f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}: {name}"


def test_tests_use_what_is_public() -> None:
    """No test and no benchmark touches a private name of the package, of the server, of the flows or of tests' support."""
    known = _private_names()
    uses = sorted(use for file in TESTS for use in _private_uses(file, known))
    assert uses == [], "\n".join(uses)


def test_private_names_stay_in_their_module() -> None:
    """What another module imports has a public name."""
    for file in SOURCES:
        for dotted, _ in _imports(file):
            assert not _private(dotted.split(".")[-1]), f"{file.relative_to(ROOT)} imports {dotted}"


def test_a_module_opens_with_a_short_line() -> None:
    """The subject of a module, at most 90 characters; more may follow below."""
    for file in SOURCES:
        text = ast.get_docstring(_tree(file))
        assert text, f"{file.relative_to(ROOT)} has no docstring"
        first = text.splitlines()[0]
        assert len(first) <= 90, f"{file.relative_to(ROOT)}: {len(first)} characters: {first}"
        assert not first.endswith("?"), f"{file.relative_to(ROOT)} opens with a question: {first}"


def test_no_test_is_imported() -> None:
    """What tests share stands in tests/support/."""
    for file in TESTS:
        for dotted, _ in _imports(file):
            assert not any(part.startswith("test_") for part in dotted.split(".")), (
                f"{file.relative_to(ROOT)}: {dotted}"
            )


def test_a_file_of_fast_tests_stays_with_one_worker(request: pytest.FixtureRequest) -> None:
    """The group is in the id that the scheduler sees; pytest 9.2 dropped it without a word (pytest-xdist#1386)."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert request.node.nodeid.endswith("@tests/laws/test_sources.py")
