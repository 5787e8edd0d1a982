"""The interval around the expected WSS holds what it says it holds, counts what symbols share once, and looks at no later bar."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom, norm, t

from market_master.artifact import bundle
from market_master.artifact.out_of_sample import OUT_OF_SAMPLE_FILE, OutOfSample
from market_master.decision import wss
from market_master.domain import clock
from market_master.domain.actions import SCORES, expected_score
from market_master.domain.clock import instant
from market_master.index import uncertainty
from market_master.index.signal import predict_index
from market_master.index.uncertainty import level_interval
from market_master.market_data.weights import Weights
from market_master.prediction.loaded_model import LoadedModel, load_model
from market_master.registry.versions import Versions
from tests.support.known_probabilities import BORDERS

SYMBOLS, PER_DAY, INFORMATION = 20, 7, 0.15
LOUD = 1.5
"""what is said is so many times what it should be: a truth that the interval has to find"""


def history(seed: int, days: int, common: float) -> uncertainty.LevelHistory:
    """An index whose expected level is known up to `LOUD`; `common` is the share of news that all symbols have together."""
    random = np.random.default_rng(seed)
    bars = days * PER_DAY
    known_part = np.sqrt(0.3) * random.normal(size=(bars, 1)) + np.sqrt(0.7) * random.normal(size=(bars, SYMBOLS))
    news = np.sqrt(common) * random.normal(size=(bars, 1)) + np.sqrt(1 - common) * random.normal(size=(bars, SYMBOLS))
    z = INFORMATION * known_part + np.sqrt(1 - INFORMATION**2) * news
    reached = norm.cdf((BORDERS - INFORMATION * known_part[..., None]) / np.sqrt(1 - INFORMATION**2))
    bar = np.repeat(np.arange(bars), SYMBOLS)
    weight = np.full(len(bar), 1 / SYMBOLS)
    expected, realised = LOUD * (2 - reached.sum(axis=2)), SCORES[np.searchsorted(BORDERS, z)]
    return uncertainty.level_history(weight, bar, bar // PER_DAY, expected.ravel(), realised.ravel(), floor=0.8)


@pytest.mark.parametrize(("days", "common"), [(30, 0.3), (60, 0.0), (60, 0.3)])
def test_the_interval_holds_the_truth_as_often_as_it_says(days, common) -> None:
    """Of 100 histories 90 % hold the level that comes on average, within the binomial's 99.9 %, with and without common news."""
    level = 0.1
    result = [uncertainty.fit_error_model(history(seed, days, common)).interval(LOUD * level) for seed in range(100)]
    hits = sum(low <= level <= high for low, high in result)
    assert binom.ppf(0.0005, len(result), 0.9) <= hits <= binom.ppf(0.9995, len(result), 0.9)


def test_what_symbols_share_makes_it_wider() -> None:
    """Twenty symbols with common news are not twenty witnesses: about sqrt(c + (1 - c) / 20) of one's spread.

    For news that share .3 that is 2.6 times the width of independent ones; scores of five steps share a little less.
    """
    widths = [
        np.mean([np.ptp(uncertainty.fit_error_model(history(seed, 60, common)).interval(0.1)) for seed in range(20)])
        for common in (0.0, 0.3)
    ]
    full = np.sqrt((0.3 + 0.7 / SYMBOLS) / (1 / SYMBOLS))
    assert 0.75 * full < widths[1] / widths[0] < 1.05 * full


def test_past_levels_are_what_the_aggregate_says() -> None:
    """Of each past bar, ragged and unevenly weighted: WSS_E of the same rows, to 1e-12; a bar below the floor is none."""
    random = np.random.default_rng(5)
    raw = random.random(8)
    weights = raw / raw.sum()
    there = random.random((40, 8)) < 0.85
    bar, code = np.nonzero(there)
    predicted, outcomes = random.normal(size=len(bar)), random.integers(-2, 3, len(bar)).astype(float)
    result = uncertainty.level_history(weights[code], 100 * bar, bar // 7, predicted, outcomes, floor=0.8)
    expected, realised, times = [], [], []
    by_symbol = {str(symbol): float(weight) for symbol, weight in enumerate(weights)}
    for bar_number in range(40):
        rows = np.flatnonzero(bar == bar_number)
        if weights[code[rows]].sum() < 0.8:
            continue
        for scores, sums in ((predicted, expected), (outcomes, realised)):
            covered = {str(code[row]): float(scores[row]) for row in rows}
            sums.append(
                wss.aggregate(by_symbol, dict.fromkeys(covered, 0), covered, floor=0.8, reasons={}).wss_expected
            )
        times.append(100 * bar_number)
    assert 0 < len(times) < 40
    assert result.bar_end.tolist() == times
    assert result.expected == pytest.approx(expected, abs=1e-12)
    assert result.realised == pytest.approx(realised, abs=1e-12)


def test_a_level_that_never_moved_has_a_shift_and_no_slope() -> None:
    """Without directional edge the level is constant: the interval is around the mean of what came."""
    random = np.random.default_rng(3)
    bar = np.arange(60 * PER_DAY)
    realised = random.normal(0.2, 1.0, len(bar))
    result = uncertainty.fit_error_model(
        uncertainty.level_history(np.ones(len(bar)), bar, bar // PER_DAY, np.full(len(bar), 0.05), realised, floor=0.8)
    )
    assert (result.slope == 0).all()
    low, high = result.interval(0.05)
    assert low < realised.mean() < high


@pytest.mark.parametrize("blocks", [6, 12, 24, 50])
def test_tails_are_expanded_for_few_blocks(blocks) -> None:
    """Hesterberg's expansion, with scipy's t in place of its series, off by its next term (3e-4 of six blocks)."""
    exact = norm.cdf(-np.sqrt(blocks / (blocks - 1)) * t.ppf(0.95, blocks - 1))
    assert uncertainty.percentile_tail(blocks) == pytest.approx(exact, abs=4e-4)


def test_an_interval_straddles_a_level_or_its_mirror() -> None:
    """Strictly inside, on either side of zero."""
    assert uncertainty.interval_contains((0.5, 1.5), 1.0)
    assert uncertainty.interval_contains((-1.5, -0.5), 1.0)
    assert not uncertainty.interval_contains((-0.9, 0.9), 1.0)
    assert not uncertainty.interval_contains((1.1, 2.0), 1.0)


@pytest.fixture(scope="module")
def version_files(trained_home: Path) -> bundle.VersionFiles:
    """Where the champion of the trained home lies."""
    versions = Versions(trained_home, "market-master")
    return versions.files(versions.production() or "")


def copied(version_files: bundle.VersionFiles, folder: Path) -> Path:
    """A copy of a version's files that may be altered."""
    shutil.copytree(version_files.folder, folder)
    return folder


def served_from(version_files: bundle.VersionFiles, folder: Path) -> LoadedModel:
    """The version from other files."""
    return load_model(bundle.read_version(replace(version_files, folder=str(folder))))


def test_a_signal_tells_the_interval_of_its_versions_past(
    version_files: bundle.VersionFiles, trained_home: Path
) -> None:
    """As computed by hand from what was kept, with the signal's own weights; and whether it can be told from one deviation."""
    champion = load_model(bundle.read_version(version_files))
    signal = predict_index(champion, champion.store(trained_home), now=clock.now())
    stored = OutOfSample.read(Path(version_files.folder))
    weights = {row.symbol: row.weight for row in signal.constituents}
    rows = stored.label >= 0
    past = uncertainty.level_history(
        np.array([weights[symbol] for symbol in stored.symbols])[stored.code[rows]],
        stored.bar_end[rows], stored.session[rows], expected_score(stored.probabilities[rows]), stored.label[rows] - 2.0, floor=0.8,
    )  # fmt: skip
    assert signal.wss_expected_interval == pytest.approx(
        uncertainty.fit_error_model(past).interval(signal.wss_expected), abs=1e-12
    )
    sd = champion.card.wss_expected_sd
    assert signal.wss_expected_interval is not None
    assert sd is not None
    unsure = uncertainty.interval_contains(signal.wss_expected_interval, sd)
    assert ("uncertain_signal" in signal.warnings) == unsure


def test_a_version_without_a_kept_past_has_no_interval(
    version_files: bundle.VersionFiles, trained_home: Path, tmp_path: Path
) -> None:
    """Null and no error, no warning; all else is the same."""
    folder = copied(version_files, tmp_path / "version")
    (folder / OUT_OF_SAMPLE_FILE).unlink()
    champion, with_past = served_from(version_files, folder), load_model(bundle.read_version(version_files))
    bare = predict_index(champion, champion.store(trained_home), now=clock.now())
    signal = predict_index(with_past, with_past.store(trained_home), now=clock.now())
    assert bare.wss_expected_interval is None
    assert "uncertain_signal" not in bare.warnings
    assert replace(bare, wss_expected_interval=signal.wss_expected_interval, warnings=signal.warnings) == signal


def test_an_interval_knows_no_outcome_of_later_bars(version_files: bundle.VersionFiles, tmp_path: Path) -> None:
    """At a bar in the past, what was labelled from that bar on does not change it; what came before does."""
    past = OutOfSample.read(Path(version_files.folder))
    days = np.unique(past.session)
    as_of = int(past.bar_end[past.session == days[-8]][0])
    table = Weights(dict.fromkeys(past.symbols.tolist(), 1 / len(past.symbols)), None, 1.0)
    result = []
    for name, rows in (
        ("whole", past.bar_end < 0),
        ("later", past.bar_end >= as_of),
        ("earlier", past.bar_end < as_of),
    ):
        folder = copied(version_files, tmp_path / name)
        label = np.where(rows & (past.label >= 0), 4 - past.label, past.label).astype(np.int8)
        (folder / OUT_OF_SAMPLE_FILE).write_bytes(replace(past, label=label).to_bytes())
        result.append(level_interval(served_from(version_files, folder), table, 0.03, as_of))
    unaltered, later, earlier = result
    assert unaltered is not None
    assert unaltered == later
    assert unaltered != earlier


def test_too_short_a_past_has_no_interval(version_files: bundle.VersionFiles) -> None:
    """Before thirty sessions are known, nothing is said."""
    past = OutOfSample.read(Path(version_files.folder))
    table = Weights(dict.fromkeys(past.symbols.tolist(), 1 / len(past.symbols)), None, 1.0)
    champion, days = load_model(bundle.read_version(version_files)), np.unique(past.session)
    ends = [int(past.bar_end[past.session == days[n]][-1]) for n in (28, 30)]
    assert level_interval(champion, table, 0.03, ends[0]) is None
    assert level_interval(champion, table, 0.03, ends[1]) is not None
    assert level_interval(champion, table, 0.03, instant(champion.card.train_first)) is None
