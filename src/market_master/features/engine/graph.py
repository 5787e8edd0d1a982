"""Dependency graph of features: the order in which each finds its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

from market_master.features.engine.declare import COLUMNS, MEMBERS, Node, node


@dataclass(frozen=True)
class Plan:
    """Steps in an order in which each finds its inputs: first for one symbol, then across the panel."""

    names: tuple[str, ...]
    by_symbol: tuple[Node, ...]
    panel: tuple[Node, ...]

    @cached_property
    def panel_inputs(self) -> tuple[Node, ...]:
        """Steps of single symbols that the panel needs."""
        inputs = {name for step in self.panel for name in step.inputs}
        return tuple(step for step in self.by_symbol if step.name in inputs)

    @cached_property
    def shared_features(self) -> frozenset[str]:
        """Features of single symbols that other steps ask for."""
        inputs = {name for step in (*self.by_symbol, *self.panel) for name in step.inputs}
        return frozenset(step.name for step in self.by_symbol if step.feature and step.name in inputs)

    @cached_property
    def places(self) -> dict[str, tuple[int, ...]]:
        """Where among the names each step that is asked for stands."""
        return {name: tuple(i for i, other in enumerate(self.names) if other == name) for name in self.names}

    @cached_property
    def reach(self) -> int:
        """How many bars before a value anything it is made of may lie."""
        return max((step.warmup for step in (*self.by_symbol, *self.panel)), default=0)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Bar columns that steps of single symbols ask for."""
        inputs = {name for step in self.by_symbol for name in step.inputs}
        return tuple(name for name in COLUMNS if name in inputs)

    @cached_property
    def spent(self) -> dict[str, tuple[str, ...]]:
        """The values of single symbols that no step asks for after this one."""
        last = {name: step.name for step in self.by_symbol for name in (step.name, *step.inputs)}
        return {step.name: tuple(name for name in last if last[name] == step.name) for step in self.by_symbol}


@lru_cache(maxsize=64)
def plan(names: tuple[str, ...]) -> Plan:
    """The plan for some features; ConfigError for an unknown one, TypeError for inputs that can't be had."""
    steps: dict[str, Node] = {}
    for name in names:
        _add(node(name), steps, ())
    by_symbol = tuple(step for step in steps.values() if not step.panel)
    return Plan(names, by_symbol, tuple(step for step in steps.values() if step.panel))


def _add(step: Node, steps: dict[str, Node], above: tuple[str, ...]) -> None:
    if step.name in steps:
        return
    if step.name in above:
        raise TypeError(f"'{step.name}' needs itself, through {' and '.join(above)}.")
    for name in step.inputs:
        if name in COLUMNS or (name == MEMBERS and step.panel):
            continue
        needed = node(name)
        if needed.panel and not step.panel:
            raise TypeError(f"'{step.name}' sees one symbol; it can't ask for '{name}', which sees all.")
        _add(needed, steps, (*above, step.name))
    steps[step.name] = step
