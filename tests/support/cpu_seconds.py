"""CPU seconds by test file, children that have ended included, printed where `--durations` is asked for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest


class CpuSeconds:
    """What each phase of each test used; sent with its report, so that workers' tests are counted too."""

    def __init__(self) -> None:
        self.used = _used()
        self.by_file: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        """CPU seconds since the last report go into this one."""
        report: Any = yield
        before, self.used = self.used, _used()
        report.cpu_seconds = self.used - before
        return report

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Every report, whichever worker made it."""
        self.by_file[report.nodeid.split("::")[0]] += getattr(report, "cpu_seconds", 0.0)

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """The dearest files, and the sum."""
        count = config.getoption("durations")
        if count:
            terminalreporter.section(f"CPU seconds by file, {sum(self.by_file.values()):.0f} in all")
            for file, seconds in self.by_file.most_common(count):
                terminalreporter.write_line(f"{seconds:8.1f}  {file}")


def _used() -> float:
    return sum(os.times()[:4])


def pytest_configure(config: pytest.Config) -> None:
    """One counter a process."""
    config.pluginmanager.register(CpuSeconds(), "cpu-seconds")
