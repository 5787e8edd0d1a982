"""Laws over all source files that imports alone can not state; the contracts between rooms stand in pyproject.toml."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

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


def test_no_test_is_imported() -> None:
    """What tests share stands in tests/support/."""
    for file in TESTS:
        for dotted, _ in _imports(file):
            assert not any(part.startswith("test_") for part in dotted.split(".")), (
                f"{file.relative_to(ROOT)}: {dotted}"
            )
