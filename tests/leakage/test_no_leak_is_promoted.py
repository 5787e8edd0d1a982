"""A leak in the pipeline itself: the run that holds it is rejected with the proof, and `mm audit` ends with 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from market_master import features
from market_master.cli.app import app
from market_master.domain.arrays import Array
from market_master.domain.bars import Bars
from market_master.registry.versions import Versions
from tests.support import ROOT
from tests.support.quick_training import QUICK, train_quickly
from tests.support.trained_home import settings_of


@pytest.fixture
def leaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first feature holds a little of the next bar's close, where there is one."""
    honest = features.compute

    def compute(bars: Bars, names: Any, **how: Any) -> Array:
        values = honest(bars, names, **how).copy()
        ahead = np.log(np.append(bars.close[1:], bars.close[-1]) / bars.close)
        inside = np.append(bars.code[1:] == bars.code[:-1], False)
        rows = slice(None) if how.get("only") is None else how["only"]
        values[:, 0] += np.where(inside, 20 * ahead, 0.0)[rows]
        return values

    monkeypatch.setattr(features, "compute", compute)


@pytest.mark.long
@pytest.mark.usefixtures("leaking")
def test_a_leak_is_never_promoted(home: Path) -> None:
    """However good its numbers are: the certificate names the broken laws, and the alias stays where it was."""
    outcome = train_quickly(home, settings_of("test", **QUICK))
    verdict = next(verdict for verdict in outcome.verdicts if verdict["rule"] == "certified")
    assert (outcome.outcome, verdict["passed"]) == ("rejected", False)
    assert "L1" in verdict["reason"]
    assert Versions(home, "market-master").production() is None
    kept = json.loads(next((home / "data" / "certificates").iterdir()).read_text())
    proof = next(f for f in kept["findings"] if f["law"] == "L1" and not f["passed"])["proof"]
    assert {"symbol", "bar_end", "before", "after"} <= set(proof)


@pytest.mark.long
@pytest.mark.parametrize("leak", [True, False])
def test_mm_audit_ends_with_1_when_a_law_is_broken(home: Path, request: pytest.FixtureRequest, leak: bool) -> None:
    """The table names every law; with a leak the proof stands below it and the exit code is 1, else 0."""
    if leak:
        request.getfixturevalue("leaking")
    words = ["audit", "--config", str(ROOT / "configs" / "test.yaml"), "--json"]
    result = CliRunner().invoke(app, words, env={"MM_CANDIDATES": "[logistic]", "MM_HOME": str(home)})
    answer = json.loads(result.stdout)
    assert result.exit_code == (1 if leak else 0)
    assert bool(answer["broken"]) is leak
    assert len(answer["laws"]) == 11
    assert len(answer["paths"]) == 5
    assert ("L1" in answer["broken"]) is leak
