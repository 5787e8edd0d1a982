"""A Prefect server for a module that calls flows from Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[None]:
    """On a database of its own, until the module's last test has ended.

    No longer: the client's threads draw from `random`, which Hypothesis takes for a strategy that is not its own.
    """
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield
