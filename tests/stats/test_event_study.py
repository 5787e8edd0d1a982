"""Event studies: the null's p-values are uniform, a planted effect is found, and a common move is no effect."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from market_master.domain.arrays import Array, Ints
from market_master.stats.event_study import FEWEST_EVENTS, OutcomesByDay, holm

DAYS, SYMBOLS, SLOTS = 150, 8, 6


def rows() -> tuple[Ints, Ints, Ints]:
    """Symbol, slot and session of every bar."""
    session, code, slot = (axis.ravel() for axis in np.indices((DAYS, SYMBOLS, SLOTS)))
    return code, slot, session


def outcomes(random: np.random.Generator) -> Array:
    """Noise with a common part, larger at the open."""
    common = random.normal(size=(DAYS, 1, SLOTS))
    own = random.normal(size=(DAYS, SYMBOLS, SLOTS))
    return ((common + own) * np.array([3.0, 1.0, 1.0, 1.0, 1.0, 2.0])).ravel()


def test_events_without_effect_are_found_as_often_as_promised() -> None:
    """P-values of 200 events that mean nothing are uniform (Kolmogorov and Smirnov at 1 in 1000), common days and all."""
    random = np.random.default_rng(11)
    p_values = []
    for _ in range(40):
        study = OutcomesByDay(outcomes(random), *rows())
        for _ in range(5):
            busy = np.repeat(random.random((DAYS, SYMBOLS)) < 0.2, SLOTS, axis=1).ravel()
            p_values.append(study.study((busy & (random.random(len(busy)) < 0.3)).astype(float)).p_value)
    assert stats.kstest(np.array(p_values[::5]), "uniform").pvalue > 0.001


def test_a_planted_effect_is_found() -> None:
    """With its size inside the interval, in either direction."""
    random = np.random.default_rng(5)
    side = np.where(
        random.random(DAYS * SYMBOLS * SLOTS) < 0.1, random.choice([-1.0, 1.0], DAYS * SYMBOLS * SLOTS), 0.0
    )
    study = OutcomesByDay(outcomes(random) + 0.5 * side, *rows()).study(side)
    assert study.p_value < 0.001
    assert study.low < 0.5 < study.high
    assert abs(study.otherwise) < 0.1


def test_a_drift_of_all_bars_is_no_effect() -> None:
    """What follows every bar follows these too: the mean is high, so is what came otherwise, and p is not small."""
    random = np.random.default_rng(6)
    side = (random.random(DAYS * SYMBOLS * SLOTS) < 0.1).astype(float)
    study = OutcomesByDay(outcomes(random) + 2.0, *rows()).study(side)
    assert study.mean == pytest.approx(study.otherwise, abs=0.2)
    assert study.p_value > 0.01


def test_the_mean_is_of_the_known_outcomes() -> None:
    """Unknown ones are left out; few events conclude nothing; none have no mean."""
    code, slot, session = rows()
    values = outcomes(np.random.default_rng(7))
    values[::3] = np.nan
    side = np.zeros(len(values))
    side[: FEWEST_EVENTS - 5] = -1.0
    study = OutcomesByDay(values, code, slot, session)
    found = study.study(side)
    assert found.mean == pytest.approx(-np.nanmean(values[: FEWEST_EVENTS - 5]))
    assert (found.count, found.p_value) == (int(np.isfinite(values[: FEWEST_EVENTS - 5]).sum()), None)
    assert study.study(np.zeros(len(values))).mean is None


def test_holm_by_hand() -> None:
    """Times those left, never falling; what is not known counts as a test that was made."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, None, 0.01]) == [1.0, None, pytest.approx(0.03)]
