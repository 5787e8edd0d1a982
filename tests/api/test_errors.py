"""The HTTP status of every refusal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.errors import HTTP_STATUS, http_status
from market_master.domain import errors
from market_master.domain.errors import MarketMasterError

NOT_422 = {
    "MarketMasterError": 500, "Failed": 500, "ConfigError": 500, "RunnerError": 500, "NotWritten": 500,
    "UnknownSymbol": 404, "UnknownReport": 404, "NoSignal": 404, "LowCoverage": 503, "StaleData": 503,
    "ModelError": 503, "NoChampion": 503, "NoForecast": 503, "NoTrackRecord": 503,
    "RegistryAway": 503, "LogAway": 503, "FingerprintMismatch": 503,
    "JournalBroken": 503, "UnknownVersion": 404, "NotPromotable": 409, "OrchestratorAway": 503, "UnknownTraining": 404,
}  # fmt: skip


def _with_subclasses(kind: type[MarketMasterError]) -> Iterator[type[MarketMasterError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _with_subclasses(child)


ALL = [kind for kind in _with_subclasses(MarketMasterError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_refusal_has_its_status(kind: type[MarketMasterError]) -> None:
    """That of its class, or of the nearest base in the table; data that is wrong is 422."""
    assert http_status(kind("So it is.")) == NOT_422.get(kind.__name__, 422)


def test_the_table_repeats_no_inherited_status() -> None:
    """Each row says something, and the test's own list speaks of errors that there are."""
    for kind, status in HTTP_STATUS.items():
        bases = [base for base in kind.__mro__[1:] if base in HTTP_STATUS]
        assert not bases or HTTP_STATUS[bases[0]] != status, kind
    assert set(NOT_422) <= {kind.__name__ for kind in ALL}
