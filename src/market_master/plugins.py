"""A folder becomes a dictionary: the one piece of magic.

A family (features, models, labels, gates, providers) is a package. A module in it declares a plug-in by decorating a
function or class with `mark("family", ...)`; `family("family")` imports every module of the package and returns what was
marked, by name. A new plug-in is a new file, or a new function in one; nothing else is edited.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

Thing = TypeVar("Thing", bound=Callable[..., Any])


@dataclass(frozen=True)
class Plugin:
    """A marked function or class with its name and what its decorator said."""

    name: str
    make: Callable[..., Any]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (self.make.__doc__ or "").strip().split("\n")[0]


_marked: dict[str, dict[str, Plugin]] = {}


def register(family: str, name: str | None = None, **facts: Any) -> Callable[[Thing], Thing]:
    """Decorator: this function or class is a plug-in of the family, under its own name unless another is given."""

    def keep(thing: Thing) -> Thing:
        plugin = Plugin(name or thing.__name__, thing, facts)
        taken = _marked.setdefault(family, {}).setdefault(plugin.name, plugin)
        if taken.make.__qualname__ != thing.__qualname__ or taken.make.__module__ != thing.__module__:
            raise TypeError(f"{family} has two plug-ins named '{plugin.name}'.")
        return thing

    return keep


@cache
def load_family(name: str) -> dict[str, Plugin]:
    """Every plug-in of the package `market_master.<name>`, by name, in order of name."""
    package = importlib.import_module(f"market_master.{name}")
    for module in sorted(module.name for module in pkgutil.walk_packages(package.__path__, f"market_master.{name}.")):
        importlib.import_module(module)
    return dict(sorted(_marked.get(name, {}).items()))
