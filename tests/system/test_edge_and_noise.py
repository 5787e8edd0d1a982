"""The shipped demo finds what was planted, no more; the shipped negative control finds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_master.pipeline import Outcome
from market_master.registry.versions import Versions
from tests.support.quick_training import train_quickly
from tests.support.servers import own_copy
from tests.support.trained_home import settings_of


@pytest.mark.long
def test_the_demo_is_promoted(home: Path) -> None:
    """Edge .15: IC in [.6 edge, edge + 3 SE] (method 11), direction with t above 3, promoted."""
    demo = train_quickly(home, settings_of("demo"))
    assert demo.outcome == "promoted", demo.reason
    card = next(card for card in demo.leaderboard if card["candidate"] == demo.winner)
    error = card["ic"] / card["ic_t"]
    assert 0.6 * 0.15 <= card["ic"] <= 0.15 + 3 * error
    assert card["dir_t"] > 3
    assert demo.signal is not None
    assert demo.signal["paper"] is False


@pytest.mark.nightly
def test_noise_beside_a_champion_leaves_the_alias(trained_home: Path, home: Path) -> None:
    """Edge 0: rejected with reasons, and the alias stays where it was. CI judges the same market in test_gate_statistics.py."""
    noise = train_quickly(own_copy(trained_home, home), settings_of("noise"))
    assert noise.outcome == "rejected"
    assert noise.reason
    assert Versions(home, "market-master").production() == "1"
    assert _first_words(noise).startswith("No evidence of skill")


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [11, 22, 33, 44, 55])
def test_noise_is_never_called_skilled(home: Path, seed: int) -> None:
    """Edge 0 over seeds: no directional skill (|t| of DIR below 3), never promoted."""
    quick = {"MM_CANDIDATES": "[logistic]", "MM_UNIVERSE__WEIGHTS": "null", "MM_PROVIDER__SEED": str(seed)}
    outcome = train_quickly(home, settings_of("noise", **quick))
    assert outcome.outcome == "rejected"
    assert all(abs(card["dir_t"]) < 3 for card in outcome.leaderboard if card["kind"] == "model")
    assert "no evidence" in _first_words(outcome).lower()


def _first_words(outcome: Outcome) -> str:
    """The verdict of a run's tear sheet."""
    page = Path(outcome.reports["backtest"]).read_text(encoding="utf-8")
    return page.rpartition("<h1>")[2].partition("<strong>")[2].partition("</strong>")[0]
