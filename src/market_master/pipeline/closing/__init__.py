"""Closing steps: each writes one report of a judged run, after outcome and signal.

A step is a file of this folder with a function under `@closing_step(...)`; nothing else is edited. It looks at a run that
is already decided on, so it changes neither outcome nor aliases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from market_master.gate.decide import Decision
from market_master.plugins import load_family, register
from market_master.registry.tracking import Run
from market_master.training import Comparison, Experiment


@dataclass(frozen=True, eq=False)
class JudgedRun:
    """A run whose version was judged, and promoted where the gate allowed it."""

    run: Run
    experiment: Experiment
    comparison: Comparison
    decision: Decision
    version: str
    home: Path


WriteReport = Callable[[JudgedRun], Path]


@dataclass(frozen=True)
class ClosingStep:
    """A step with its names."""

    name: str
    """in timings and progress, and of its Prefect task and artifact"""
    report: str
    """the report's name in the outcome"""
    title: str
    """the text of a link to the report"""
    write: WriteReport


def closing_step(*, name: str, order: float, report: str, title: str) -> Callable[[WriteReport], WriteReport]:
    """Decorator: a function that writes a report of a judged run and returns its path; steps run by `order`."""
    return register("pipeline.closing", name, order=order, report=report, title=title)


def closing_steps() -> tuple[ClosingStep, ...]:
    """Every step of this folder, in order."""
    plugins = sorted(load_family("pipeline.closing").values(), key=lambda plugin: plugin.metadata["order"])
    return tuple(
        ClosingStep(plugin.name, plugin.metadata["report"], plugin.metadata["title"], plugin.factory)
        for plugin in plugins
    )
