"""The registry of plug-ins: a folder becomes a dictionary.

A family (`features`, `models`, `labels`, `gate.rules`, `market_data.providers`) is a package. A module in it declares a
plug-in by decorating a function or class with `register("family", ...)`; `load_family("family")` imports every module of
the package, sub-folders too, and returns what was registered, by name. A new plug-in is a new file, or a new function in
one; nothing else is edited.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

Factory = TypeVar("Factory", bound=Callable[..., Any])


@dataclass(frozen=True)
class Plugin:
    """A registered function or class, its name, and what its decorator declared."""

    name: str
    factory: Callable[..., Any]
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (self.factory.__doc__ or "").strip().split("\n")[0]


_registered: dict[str, dict[str, Plugin]] = {}


def register(family: str, name: str | None = None, **metadata: Any) -> Callable[[Factory], Factory]:
    """Decorator: this function or class is a plug-in of the family, under its own name unless another is given.

    Raises TypeError when another function or class of the family has the name.
    """

    def add(factory: Factory) -> Factory:
        plugin = Plugin(name or factory.__name__, factory, metadata)
        first = _registered.setdefault(family, {}).setdefault(plugin.name, plugin).factory
        if (first.__module__, first.__qualname__) != (factory.__module__, factory.__qualname__):
            raise TypeError(f"{family} has two plug-ins named '{plugin.name}'.")
        return factory

    return add


def import_modules(package: str) -> list[ModuleType]:
    """Import every module of a package, sub-folders too, in order of name; no other file imports through a text."""
    folder = importlib.import_module(package)
    names = sorted(module.name for module in pkgutil.walk_packages(folder.__path__, f"{package}."))
    return [importlib.import_module(name) for name in names]


@cache
def load_family(name: str) -> dict[str, Plugin]:
    """Every plug-in of the package `market_master.<name>`, by name, in order of name."""
    import_modules(f"market_master.{name}")
    return dict(sorted(_registered.get(name, {}).items()))
