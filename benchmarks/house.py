"""Measures of the source tree beside their limits; with folders as arguments, what breaks them there, by file and line."""

from __future__ import annotations

import argparse
import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean, median

ROOT = Path(__file__).resolve().parents[1]
TREES = {"market_master": ROOT / "src" / "market_master", "api": ROOT / "api", "flows": ROOT / "flows"}
LONG_FILE, LONG_FUNCTION = 300, 60
"""lines"""
VAGUE = {
    "told", "said", "came", "kept", "found", "asked", "mine", "theirs", "ours", "given", "made", "seen",
    "wanted", "had", "held", "left", "took", "taken", "sent", "gone", "fresh", "place", "thing", "things",
    "stuff", "around", "beside", "behind", "ground", "course", "look", "looks", "word", "answers", "answered",
    "finished", "judged", "compared", "spend", "mend", "tell", "forget",
}  # fmt: skip
ONE_MEANING = {
    "router": "the routes of an API module",
    "main": "the entry point of a program",
    "GROUP": "the group that a file of features declares",
    "T": "a type variable",
    "log": "the logger of a module of the server",
    "model": "the decorator of a candidate and its module's only offer",
}
"""names that many modules may define, for they mean the same in each"""


@dataclass(frozen=True)
class Binding:
    """A name that the source gives to something."""

    name: str
    line: int

    @property
    def vague(self) -> bool:
        """Whether it is one of the vague words, with or without a leading underscore."""
        return self.name.lstrip("_").lower() in VAGUE


@dataclass(frozen=True)
class Module:
    """A source file and its syntax tree."""

    name: str
    file: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        """Lines of the file."""
        return self.text.count("\n")

    @property
    def package(self) -> str:
        """The folder it lies in, dotted."""
        return ".".join(
            (self.name + ".x").split(".")[:-1] if self.file.name == "__init__.py" else self.name.split(".")[:-1]
        )

    def bindings(self) -> Iterator[Binding]:
        """Parameters, variables, functions, classes and attributes, each where it is bound."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield Binding(node.name, node.lineno)
            elif isinstance(node, ast.arg):
                yield Binding(node.arg, node.lineno)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield Binding(node.id, node.lineno)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield Binding(node.attr, node.lineno)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                yield Binding(node.name, node.lineno)

    def offered(self) -> set[str]:
        """Public names defined at the top level: functions, classes, constants."""
        names: set[str] = set()
        for node in self.tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names.add(node.name)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        return {name for name in names if not name.startswith("_")}

    def imported(self, modules: set[str]) -> set[str]:
        """Other modules of the tree that it imports, wherever the import stands."""
        names: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= {dotted if dotted in modules else node.module for dotted in inner}
        return (names & modules) - {self.name}

    def long_functions(self) -> Iterator[tuple[str, int, int]]:
        """Name, first line and length of functions that are too long."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > LONG_FUNCTION:
                    yield node.name, node.lineno, length


@dataclass(frozen=True)
class Measure:
    """A number of the tree beside the limit it must not exceed."""

    name: str
    value: float
    limit: float
    unit: str = ""
    example: str = ""

    @property
    def broken(self) -> bool:
        """Whether it is above its limit."""
        return self.value > self.limit

    def text(self) -> str:
        """As a line of the table."""
        mark = "  above" if self.broken else ""
        return f"{self.name:<42}{self.value:>8.4g}{self.unit:<2}{self.limit:>8.4g}{self.unit:<2}{mark:<8}{self.example}".rstrip()


def read_modules(trees: dict[str, Path]) -> list[Module]:
    """All modules of some packages."""
    modules = []
    for package, folder in trees.items():
        for file in sorted(folder.rglob("*.py")):
            inner = file.relative_to(folder).with_suffix("").parts
            name = ".".join([package, *(inner[:-1] if inner[-1] == "__init__" else inner)])
            modules.append(Module(name, file, file.read_text(encoding="utf-8")))
    return modules


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules each of which reaches every other by imports (Tarjan 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for target in graph[node]:
            if target not in order:
                visit(target)
            if target in stack:
                lowest[node] = min(lowest[node], lowest[target])
        if lowest[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[-len(group) :]
            groups.append(group)

    for node in graph:
        if node not in order:
            visit(node)
    return [sorted(group) for group in groups if len(group) > 1]


def repeated_names(modules: list[Module]) -> dict[str, list[str]]:
    """Public names that three modules or more define, with the modules; without those that mean the same everywhere."""
    homes: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        for name in module.offered() - set(ONE_MEANING):
            homes[name].append(module.name)
    return {name: defined_in for name, defined_in in sorted(homes.items()) if len(defined_in) > 2}


def measure_tree(modules: list[Module]) -> list[Measure]:
    """The table."""
    names = {module.name for module in modules}
    graph = {module.name: module.imported(names) for module in modules}
    lines = [module.lines for module in modules]
    by_package: Counter[str] = Counter()
    for module in modules:
        by_package[module.package] += module.lines
    (biggest, size), *_ = by_package.most_common(1)
    bindings = [binding for module in modules for binding in module.bindings()]
    loops, repeated = circles(graph), repeated_names(modules)
    return [
        Measure("median file", median(lines), 100),
        Measure(f"files above {LONG_FILE} lines", 100 * mean(n > LONG_FILE for n in lines), 3, " %"),
        Measure("biggest package, share of lines", 100 * size / sum(lines), 12, " %", biggest),
        Measure("own modules that a module imports, mean", mean(len(imported) for imported in graph.values()), 4),
        Measure("circles of imports", len(loops), 0, "", " | ".join(" ".join(loop) for loop in loops)),
        Measure("vague names", 100 * mean(binding.vague for binding in bindings), 1, " %"),
        Measure("names that three modules define", len(repeated), 0, "", " ".join(repeated)),
        Measure(f"functions above {LONG_FUNCTION} lines", sum(len(list(m.long_functions())) for m in modules), 0),
    ]


def offenders(modules: list[Module], everything: list[Module]) -> Iterator[str]:
    """What breaks a limit in some modules, as `file:line: what`."""
    repeated = repeated_names(everything)
    for module in modules:
        at = module.file.relative_to(ROOT)
        if module.lines > LONG_FILE:
            yield f"{at}: {module.lines} lines"
        for name, line, length in module.long_functions():
            yield f"{at}:{line}: {name} has {length} lines"
        for binding in sorted(module.bindings(), key=lambda binding: binding.line):
            if binding.vague:
                yield f"{at}:{binding.line}: {binding.name}"
        for name in sorted(module.offered() & set(repeated)):
            yield f"{at}: {name} is defined in {', '.join(repeated[name])}"


def main() -> int:
    """Print, and say by the exit code whether every limit holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="list what breaks a limit in these files or folders")
    parser.add_argument("--report", action="store_true", help="exit with 0 though a limit is broken")
    options = parser.parse_args()
    modules = read_modules(TREES)
    if options.folders:
        folders = [folder.resolve() for folder in options.folders]
        chosen = [module for module in modules if any(module.file.is_relative_to(folder) for folder in folders)]
        print("\n".join(offenders(chosen, modules)))
        return 0
    table = measure_tree(modules)
    print(f"{'':<42}{'now':>8}  {'limit':>8}")
    print("\n".join(measure.text() for measure in table))
    return int(any(measure.broken for measure in table) and not options.report)


if __name__ == "__main__":
    raise SystemExit(main())
