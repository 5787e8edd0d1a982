"""Exit codes of the shell: every class of error has one, its own or its nearest ancestor's."""

from __future__ import annotations

from collections.abc import Iterator

from market_master.cli.common import exit_code
from market_master.domain.errors import ConfigError, DataError, MarketMasterError, ModelError

OTHERS = {
    "MarketMasterError", "Failed", "RunnerError", "NotWritten", "OrchestratorAway", "TrainingRefused", "UnknownTraining",
}  # fmt: skip
"""errors that are neither settings nor data nor a model"""


def _classes(base: type[MarketMasterError] = MarketMasterError) -> Iterator[type[MarketMasterError]]:
    yield base
    for child in base.__subclasses__():
        yield from _classes(child)


def test_every_error_has_an_exit_code() -> None:
    """2 settings, 3 data, 4 registry or model; 1 for these alone, and for what is no error of ours."""
    codes = {kind.__name__: exit_code(kind("It can't be done.")) for kind in _classes()}
    assert {name for name, code in codes.items() if code == 1} == OTHERS
    assert exit_code(ValueError()) == 1
    for base, code in ((ConfigError, 2), (DataError, 3), (ModelError, 4)):
        assert {codes[kind.__name__] for kind in _classes(base)} == {code}, base
