"""Fingerprint of the code behind each feature: equal hashes, equal numbers from equal bars.

Read from the syntax trees of this package: the feature's function, the series it asks for, and every function and
constant of the package they name, however deep. Docstrings, comments, layout, annotations and decorators don't count;
the declared warm-up, the bound of all features and TA-Lib's version do. Nor does the file that a function stands in:
code that moves is the same code.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import talib

from market_master.features.engine import declare
from market_master.plugins import load_family

PACKAGE = "market_master.features"
Address = tuple[str, str]
"""module and name"""


def fingerprint(names: Sequence[str]) -> dict[str, str]:
    """Each feature's hash; empty for a feature that is not here (any more)."""
    known = load_family("features")
    return {name: fingerprint_of(name, sources()) if name in known else "" for name in names}


def combined(hashes: Mapping[str, str]) -> str:
    """One hash of many."""
    return _digest([f"{name}={value}" for name, value in sorted(hashes.items())])


def fingerprint_of(name: str, texts: Mapping[str, str]) -> str:
    """The hash of a feature by the source texts of the package's modules."""
    pieces: dict[Address, str] = {}
    steps = reached(name)
    warmups = [f"{step.name} {step.warmup}" for step in steps]
    _collect((f"{PACKAGE}.engine.windows", "BOUND"), texts, pieces)
    for step in steps:
        _collect((step.function.__module__, step.function.__name__), texts, pieces)
    code = sorted(f"{called}\n{text}" for (_, called), text in pieces.items())
    return _digest([f"TA-Lib {talib.__version__}", *warmups, *code])


@cache
def sources() -> Mapping[str, str]:
    """The source text of each module of the package, by its full name."""
    folder = Path(__file__).parents[1]
    files = [file for file in folder.rglob("*.py") if file.name != "__init__.py"]
    return {_module_name(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in sorted(files)}


def _module_name(file: Path) -> str:
    return ".".join((PACKAGE, *file.with_suffix("").parts))


def reached(name: str) -> list[declare.Node]:
    """A feature and every series and feature it asks for by name, however deep, each once."""
    steps: dict[str, declare.Node] = {}
    waiting = [name]
    while waiting:
        step = declare.node(waiting.pop())
        steps[step.name] = step
        waiting += [i for i in step.inputs if i not in steps and i not in (*declare.COLUMNS, declare.MEMBERS)]
    return [steps[key] for key in sorted(steps)]


def _collect(address: Address, texts: Mapping[str, str], pieces: dict[Address, str]) -> None:
    """The bare code at an address, and at every address of the package it names."""
    module, name = address
    definition = _definitions(texts[module]).get(name) if module in texts else None
    if definition is None or address in pieces:
        return
    if isinstance(definition, ast.ImportFrom):
        _collect((definition.module or "", _original(definition, name)), texts, pieces)
        return
    pieces[address], references = _read(definition)
    for base, attribute in references:
        source = _definitions(texts[module]).get(base)
        if attribute is None:
            _collect((module, base), texts, pieces)
        elif isinstance(source, ast.ImportFrom):
            _collect((f"{source.module}.{_original(source, base)}", attribute), texts, pieces)


@cache
def _read(definition: ast.stmt) -> tuple[str, tuple[tuple[str, str | None], ...]]:
    """The text of a definition, and the names it takes from around it: alone, or with the attribute asked of them."""
    local = _local_names(definition)
    references: list[tuple[str, str | None]] = []
    for part in ast.walk(definition):
        if isinstance(part, ast.Name) and part.id not in local:
            references.append((part.id, None))
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id not in local:
            references.append((part.value.id, part.attr))
    return ast.unparse(definition), tuple(dict.fromkeys(references))


def _original(statement: ast.ImportFrom, name: str) -> str:
    return next(alias.name for alias in statement.names if (alias.asname or alias.name) == name)


def _local_names(definition: ast.stmt) -> set[str]:
    """Parameters and variables of a function: they hide what the module calls the same."""
    if not isinstance(definition, ast.FunctionDef):
        return set()
    parts = list(ast.walk(definition))
    stored = {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    return stored | {part.arg for part in parts if isinstance(part, ast.arg)}


@cache
def _definitions(text: str) -> dict[str, ast.stmt]:
    """What a module defines or imports at its top, by name, stripped of what does not change a number."""
    definitions: dict[str, ast.stmt] = {}
    for statement in _Bare().visit(ast.parse(text)).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            definitions[statement.name] = statement
        elif isinstance(statement, ast.ImportFrom):
            definitions |= {alias.asname or alias.name: statement for alias in statement.names}
        elif isinstance(statement, ast.Assign):
            definitions |= {
                t.id: statement for target in statement.targets for t in ast.walk(target) if isinstance(t, ast.Name)
            }
    return definitions


class _Bare(ast.NodeTransformer):
    """Takes docstrings, decorators and annotations out of a tree."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.decorator_list, node.returns = [], None
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)


def _digest(pieces: Sequence[str]) -> str:
    return hashlib.sha256("\n\0".join(pieces).encode()).hexdigest()
