"""The floor plan of docs/architecture.md: imports go down, never up, never sideways; each vendor has one room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "market_master"
EDGE = {"cli", "show"}
FLOORS = {"domain": 0, "plugins": 1, "files": 1, "config": 3, "steps": 4, "cli": 5, "show": 5}
ROOM_FLOOR = 2
VENDORS = {
    "mlflow": ["src/market_master/registry/"],
    "evidently": ["src/market_master/drift/"],
    "prefect": ["flows/"],
    "fastapi": ["api/"],
    "yfinance": ["src/market_master/providers/yahoo.py"],
    "exchange_calendars": ["src/market_master/domain/sessions.py"],
    "typer": ["src/market_master/cli.py"],
    "skl2onnx": ["src/market_master/registry/"],
}
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


def _room(dotted: str) -> str | None:
    """The room or floor of a dotted name of ours."""
    parts = dotted.split(".")
    if parts[0] != "market_master" or len(parts) < 2:
        return None
    return parts[1] if (PACKAGE / parts[1]).is_dir() or (PACKAGE / f"{parts[1]}.py").exists() else None


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_down_never_up_never_sideways(file: Path) -> None:
    """A file imports from lower floors, or from its own room; steps may import steps."""
    relative = file.relative_to(ROOT)
    own = None if relative.parts[0] in ("flows", "api") else file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    floor = 5 if own is None else FLOORS.get(own, ROOM_FLOOR)
    for dotted, inside in _imports(file):
        top = dotted.split(".")[0]
        if top in ("flows", "api"):
            assert relative.parts[0] == top or (own == "cli" and inside), f"{relative} imports {dotted}"
        room = _room(dotted)
        if room is None or room == own:
            continue
        other = FLOORS.get(room, ROOM_FLOOR)
        assert other < floor or (own in EDGE and room in EDGE), (
            f"{relative} (floor {floor}) imports {dotted} (floor {other})"
        )


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_vendor_has_one_room(vendor: str) -> None:
    """A vendor's name stands in its own room only, so that a change of its API is a change of one room."""
    for file in SOURCES:
        relative = str(file.relative_to(ROOT))
        if any(relative.startswith(place) for place in VENDORS[vendor]):
            continue
        assert vendor not in {dotted.split(".")[0] for dotted, _ in _imports(file)}, f"{relative} imports {vendor}"


def test_predicting_never_sees_a_label() -> None:
    """The newest bar can't be lost with its missing label: the predict step, and what it imports, do not know labels."""
    seen, todo = (
        set(),
        ["market_master.prediction.predict", "market_master.index.signal", "market_master.market_data.posted_bars"],
    )
    while todo:
        dotted = todo.pop()
        base = ROOT / "src" / Path(*dotted.split("."))
        file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        if dotted in seen or not file.exists():
            continue
        seen.add(dotted)
        todo += [name for name, _ in _imports(file) if name.startswith("market_master")]
    assert not any(name.startswith("market_master.labels") for name in seen)


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
