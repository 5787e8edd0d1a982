"""Resume: finished fits are found again by the hash of all they depend on, and nothing else is ever taken for them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market_master.domain import clock
from market_master.domain.records import as_json
from market_master.market_data import ingest
from market_master.plugins import load_family
from market_master.training.compare import Comparison, compare
from market_master.training.experiment import build_experiment
from market_master.training.fit_cache import FitCache, evict, hash_of
from tests.support.trained_home import settings_of

DRAWS = np.random.default_rng(7).standard_normal((4, 50))


def _scaled(row: int, factor: float) -> tuple[np.ndarray, float]:
    return DRAWS[row] * factor, factor


def _run(
    kept: FitCache, jobs: list[tuple[int, float]], asked: list[Any] | None = None
) -> list[tuple[np.ndarray, float]]:
    """What the jobs give; those that were really run are put into `asked`."""

    def run(function: Any, todo: Any) -> Iterator[Any]:
        for job in todo:
            if asked is not None:
                asked.append(job)
            yield function(*job)

    return list(kept.map(run, _scaled, jobs, shared="rows"))


def _same(one: list[tuple[np.ndarray, float]], other: list[tuple[np.ndarray, float]]) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(one, other, strict=True)
    )


def test_only_what_is_missing_is_made_and_the_order_stays(tmp_path: Path) -> None:
    """Jobs kept before, in between and at the end: the answers are the same bits in the same places."""
    jobs = [(row, factor) for row in range(4) for factor in (1.0, 0.1)]
    asked: list[Any] = []
    _run(FitCache(tmp_path, "code"), [jobs[0], jobs[3], jobs[4], jobs[7]])
    kept = FitCache(tmp_path, "code")
    assert _same(_run(kept, jobs, asked), [_scaled(*job) for job in jobs])
    assert asked == [jobs[1], jobs[2], jobs[5], jobs[6]]
    assert kept.counts == {"made": 4, "reused": 4}
    assert _same(_run(kept, jobs), [_scaled(*job) for job in jobs])
    assert kept.counts == {"made": 4, "reused": 12}


def test_what_was_finished_before_an_error_is_not_made_again(tmp_path: Path) -> None:
    """A run that breaks at its third job has kept two."""

    def breaking(function: Any, todo: Any) -> Iterator[Any]:
        for number, job in enumerate(todo):
            if number == 2:
                raise RuntimeError("killed")
            yield function(*job)

    jobs, asked = [(row, 2.0) for row in range(4)], []
    with pytest.raises(RuntimeError, match="killed"):
        list(FitCache(tmp_path, "code").map(breaking, _scaled, jobs, shared="rows"))
    _run(FitCache(tmp_path, "code"), jobs, asked)
    assert asked == jobs[2:]


def test_other_code_reuses_nothing(tmp_path: Path) -> None:
    """Nor does the same code on other shared values."""
    jobs = [(0, 1.0)]
    _run(FitCache(tmp_path, "code"), jobs)
    other = FitCache(tmp_path, "changed code")
    _run(other, jobs)
    assert other.counts == {"made": 1}
    list(other.map(lambda f, todo: (f(*job) for job in todo), _scaled, jobs, shared="other rows"))
    assert other.counts == {"made": 2}


@pytest.mark.parametrize("harm", ["cut", "empty", "text", *range(0, 800, 50)])
def test_a_damaged_file_is_made_again(tmp_path: Path, harm: str | int) -> None:
    """Half a file, an empty one, text, or one byte turned round: the answer is what it always was."""
    expected = _run(FitCache(tmp_path, "code"), [(1, 3.0)])
    (file,) = tmp_path.rglob("*.npz")
    content = bytearray(file.read_bytes())
    if isinstance(harm, int):
        content[harm % len(content)] ^= 0xFF
    file.write_bytes({"cut": content[:-200], "empty": b"", "text": b"half a"}.get(str(harm), content))
    assert _same(_run(FitCache(tmp_path, "code"), [(1, 3.0)]), expected)
    again = FitCache(tmp_path, "code")
    assert _same(_run(again, [(1, 3.0)]), expected)
    assert again.counts == {"reused": 1}


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    """Used again is as good as new."""
    kept = FitCache(tmp_path, "code")
    for row in range(4):
        _run(kept, [(row, 1.0)])
    _run(kept, [(0, 1.0)])
    size = next(tmp_path.rglob("*.npz")).stat().st_size
    evict(tmp_path, max_bytes=2 * size)
    left = FitCache(tmp_path, "code")
    _run(left, [(0, 1.0), (3, 1.0)])
    assert left.counts == {"reused": 2}
    assert len(list(tmp_path.rglob("*.npz"))) == 2


def test_a_candidate_has_one_hash_in_every_process() -> None:
    """What this process kept another one finds."""
    code = (
        "from market_master.plugins import load_family; from market_master.training.fit_cache import hash_of\n"
        "for name, plugin in load_family('models').items(): print(name, hash_of(plugin.factory(symbols=3, seed=7)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    here = {name: hash_of(plugin.factory(symbols=3, seed=7)) for name, plugin in load_family("models").items()}
    assert dict(line.split() for line in told.splitlines()) == here
    assert len(set(here.values())) == len(here)
    forest = load_family("models")["random_forest"].factory
    assert hash_of(forest(symbols=3, seed=7)) != hash_of(forest(symbols=3, seed=8))


def _comparison(home: Path, where: Path | None, **environ: str) -> Comparison:
    settings = settings_of("test", **environ)
    market = ingest.fetch(settings, home, clock.now())
    return compare(build_experiment(market, settings), where)


def _numbers(comparison: Comparison) -> str:
    board = [{k: v for k, v in as_json(card).items() if k != "fit_seconds"} for card in comparison.leaderboard]
    answers = {name: hash_of([oof.probabilities, oof.decided]) for name, oof in comparison.out_of_fold.items()}
    said = comparison.estimator.predict_proba(comparison.inputs[comparison.train_rows[:500]])
    parts = [
        board,
        answers,
        hash_of(said),
        as_json(comparison.importance),
        comparison.calibration.state(),
        comparison.why,
    ]
    return json.dumps(parts, sort_keys=True)


@pytest.mark.long
def test_a_comparison_is_the_same_bits_with_and_without_what_was_kept(home: Path) -> None:
    """Made anew, made and kept, all reused, and half of it reused after half was lost."""
    two = {"MM_CANDIDATES": "[logistic, lightgbm]"}
    plain = _numbers(_comparison(home, None, **two))
    made, reused = (_comparison(home, home, **two) for _ in range(2))
    assert _numbers(made) == _numbers(reused) == plain
    assert reused.fold_data.cache
    assert set(reused.fold_data.cache.counts) == {"reused"}
    assert [card.fit_seconds for card in made.leaderboard] == [card.fit_seconds for card in reused.leaderboard]
    for file in sorted((home / "data" / "steps").rglob("*.npz"))[::2]:
        file.unlink()
    half = _comparison(home, home, **two)
    assert _numbers(half) == plain
    assert half.fold_data.cache
    assert half.fold_data.cache.counts["made"] > 5 < half.fold_data.cache.counts["reused"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("environ", "reused"),
    [
        ({"MM_LABEL__STRONG": "0.7"}, False),
        ({"MM_PROVIDER__SEED": "8"}, False),
        ({"MM_FOLDS__EMBARGO_SESSIONS": "2"}, False),
        ({"MM_COSTS__BPS": "3.0"}, True),
    ],
    ids=str,
)
def test_a_fit_is_made_again_when_anything_it_sees_is_another(
    home: Path, environ: dict[str, str], reused: bool
) -> None:
    """Labels, bars and folds each make another fit; what a fit does not see makes none."""
    _comparison(home, home, MM_CANDIDATES="[logistic]")
    fold_data = _comparison(home, home, MM_CANDIDATES="[logistic]", **environ).fold_data
    assert fold_data.cache
    assert set(fold_data.cache.counts) == ({"reused"} if reused else {"made"})
