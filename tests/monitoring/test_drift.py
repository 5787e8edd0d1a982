"""Alarms that mean something: quiet where nothing has changed, though bars follow each other; awake where something has."""

from __future__ import annotations

import numpy as np
import pytest

from market_master.artifact.reference_window import MAX_SESSION_ROWS, Reference, sample
from market_master.domain import clock
from market_master.domain.arrays import Array, Ints
from market_master.market_data.ingest import fetch
from market_master.monitoring.drift import LEVEL_UNITS, WINDOWS, CurrentWindow, ReferenceDistances, feature_drift
from market_master.monitoring.performance import DIRECTION_ALARM_T
from market_master.monitoring.reading import (
    ALARM_STREAK,
    MIN_PAST_BLOCKS,
    MOVED,
    NOT_ENOUGH_HISTORY,
    OK,
    compare_with_past_blocks,
    evaluate_limit,
)
from market_master.plugins import load_family
from market_master.stats.control_charts import DECISION, SLACK, cusum, shortfall
from market_master.stats.daily import newey_west_se
from market_master.stats.distances import Counts, unusual, windows
from market_master.training import feature_table as features_step
from tests.support.trained_home import settings_of

SESSIONS = 460
LEARNED = 220
"""sessions of the reference; the 240 after it are 200 daily windows and what they reach back to"""


@pytest.fixture(scope="module", params=[1, pytest.param(2, marks=pytest.mark.nightly)])
def rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Array, Ints, np.ndarray]:
    """Features of a simulated market in which nothing changes: values, sessions (counted from 0) and names."""
    settings = settings_of(
        "demo", MM_PROVIDER__SEED=str(request.param), MM_PROVIDER__SESSIONS=str(SESSIONS), MM_PROVIDER__SYMBOLS="20",
        MM_UNIVERSE__WEIGHTS="null",
    )  # fmt: skip
    market = fetch(settings, tmp_path_factory.mktemp("market"), clock.now())
    table = features_step.compute_features(market.bars, settings, market.members)
    session = np.unique(market.bars.session, return_inverse=True)[1]
    complete = table.complete
    return table.values[complete], session[complete], np.array(table.names)


def _reference(values: Array, session: Ints, names: np.ndarray) -> Reference:
    learned = session < LEARNED
    nothing = np.full((int(learned.sum()), 5), np.nan)
    return Reference(
        names, values[learned].astype(np.float32), session[learned], np.ones(int(learned.sum()), dtype=bool),
        np.full(int(learned.sum()), 2, dtype=np.int8), np.zeros(int(learned.sum())), nothing, np.full(5, 0.2),
    )  # fmt: skip


def _alarms_by_day(values: Array, session: Ints, names: np.ndarray, ends: range) -> dict[int, list[str]]:
    """For each day, what moved by the windows that end with it."""
    distances, alarms_by_day = ReferenceDistances.of(_reference(values, session, names)), {}
    stored = values.astype(np.float32).astype(float)
    for end in ends:
        inside = (session <= end) & (session > end - max(WINDOWS) - ALARM_STREAK + 1)
        readings = feature_drift(distances, CurrentWindow(stored[inside], session[inside], None, None))  # type: ignore[arg-type]
        alarms_by_day[end] = [f"{r.cause} {r.statistic} {r.sessions}" for r in readings if r.moved]
    return alarms_by_day


@pytest.mark.long
def test_two_hundred_windows_of_nothing(rows) -> None:
    """Evaluated daily where nothing has changed, the alarm on features is raised in under 8 % of weeks, and never pages.

    The largest of 150 past sessions' blocks of 20 is passed by chance once in about nine of them (they hold 7.5 that do
    not overlap); a limit of four deviations, held three days in a row, leaves less than half of that.
    """
    values, session, names = rows
    alarms_by_day = _alarms_by_day(values, session, names, range(SESSIONS - 200, SESSIONS))
    weeks = np.array(
        [any("features features" in "".join(alarms_by_day[day]) for day in week) for week in _weeks(alarms_by_day)]
    )
    assert len(weeks) == 40
    assert weeks.mean() <= 0.08


def _weeks(alarms_by_day: dict[int, list[str]]) -> list[list[int]]:
    days = sorted(alarms_by_day)
    return [days[at : at + 5] for at in range(0, len(days), 5)]


@pytest.mark.long
@pytest.mark.parametrize("name", ["return_lag_1", "slot_return", "body_return"])
def test_a_feature_that_spreads_by_half_is_found(rows, name: str) -> None:
    """A scaled feature whose volatility grows by 1.5 has moved within two window lengths, at five different days."""
    values, session, names = rows
    column = names.tolist().index(name)
    for day in range(LEARNED + 20, SESSIONS - 40, 40):
        planted = values.copy()
        planted[session >= day, column] *= 1.5
        alarms_by_day = _alarms_by_day(planted, session, names, range(day, day + 2 * max(WINDOWS), 2))
        assert any(f"feature {name}" in alarm for moved in alarms_by_day.values() for alarm in moved), (name, day)


def test_levels_are_told_and_never_alarm(rows) -> None:
    """Volatility and volume wander by nature: a shift of theirs is in the readings, and opens nothing."""
    values, session, names = rows
    known = load_family("features")
    levels = [n for n, name in enumerate(names.tolist()) if known[name].metadata["unit"] in LEVEL_UNITS]
    assert levels
    planted = values.copy()
    planted[np.ix_(session >= LEARNED + 20, levels)] += 3.0
    alarms = _alarms_by_day(planted, session, names, range(LEARNED + 45, LEARNED + 46))[LEARNED + 45]
    assert [alarm for alarm in alarms if alarm.startswith("level")]
    before = _alarms_by_day(values, session, names, range(LEARNED + 45, LEARNED + 46))[LEARNED + 45]
    assert [f for f in alarms if not f.startswith("level")] == [f for f in before if not f.startswith("level")]


def test_too_few_blocks_is_not_ok() -> None:
    """Under twenty past blocks, or three evaluations, nothing is said; and that is not a clean bill."""
    too_few, enough, three = np.ones(MIN_PAST_BLOCKS - 1), np.ones(MIN_PAST_BLOCKS), np.zeros(ALARM_STREAK)
    assert compare_with_past_blocks("features", "x", 5, past=too_few, now=three).state == NOT_ENOUGH_HISTORY
    assert compare_with_past_blocks("features", "x", 5, past=enough, now=three[:-1]).state == NOT_ENOUGH_HISTORY
    assert compare_with_past_blocks("features", "x", 5, past=enough, now=three).state == OK


@pytest.mark.parametrize(
    ("now", "run", "state"), [([2, 2, 2], 3, MOVED), ([0, 2, 2], 2, OK), ([2, 2, 0], 0, OK), ([2, 0, 2], 1, OK)]
)
def test_an_alarm_needs_three_in_a_row(now: list[float], run: int, state: str) -> None:
    """The newest three evaluations have to agree."""
    reading = evaluate_limit("features", "x", 5, np.array(now, dtype=float), 1.0, "test")
    assert (reading.in_a_row, reading.state) == (run, state)
    assert "1" in reading.reason


def test_a_block_is_compared_with_the_others_only() -> None:
    """The distance of a block that is all there is of one kind does not hide itself in the reference."""
    random = np.random.default_rng(3)
    session = np.repeat(np.arange(40), 50)
    values = random.standard_normal((2000, 1))
    values[session < 5] += 3.0
    past = Counts.of(values, session).past(5)[:, 0]
    assert past[:, 0].argmax() == 0
    assert past[0, 1] == pytest.approx(3.0 / values.std(), rel=0.05)


def test_the_wasserstein_distance_is_scipys() -> None:
    """Between the outermost edges, from fifty bins, within what the bins can tell."""
    from scipy.stats import wasserstein_distance

    random = np.random.default_rng(5)
    before, after = random.standard_normal(20_000), 0.3 + 1.4 * random.standard_normal(4_000)
    counts = Counts.of(before[:, None], np.zeros(20_000, dtype=np.int64))
    now = counts.now(counts.counted(after[:, None], np.zeros(4_000, dtype=np.int64)), 1, 1)[0, 0]
    inner = np.quantile(before, [0.02, 0.98])
    exact = wasserstein_distance(np.clip(before, *inner), np.clip(after, *inner)) / before.std()
    assert now[1] == pytest.approx(exact, rel=0.05)


def test_windows_are_sums_of_sessions_in_a_row() -> None:
    """Oldest first, none when there are too few."""
    assert windows(np.arange(5.0)[:, None], 2)[:, 0].tolist() == [1, 3, 5, 7]
    assert len(windows(np.arange(5.0)[:, None], 6)) == 0


def test_one_column_of_a_hundred_is_one_family() -> None:
    """The most unusual column counts in standard deviations of its own past."""
    past = np.exp(np.random.default_rng(1).standard_normal((150, 100, 1)))
    now = past[:1].copy()
    now[0, 7, 0] = np.exp(9.0)
    worst = unusual(past, now)
    assert worst[1][0] > worst[2] >= worst[0].max()


def test_the_control_chart_alarms_about_once_in_930_days() -> None:
    """The run length of the chart in control, by simulation of 400 of them (Siegmund's approximation says 938)."""
    random = np.random.default_rng(11)
    runs = []
    for _ in range(400):
        path = cusum(random.standard_normal(8000), 0.0, 1.0)
        runs.append(int(np.argmax(path >= DECISION)) + 1 if (path >= DECISION).any() else 8000)
    error = np.std(runs, ddof=1) / np.sqrt(len(runs))
    b = 2 * SLACK * (DECISION + 1.166)
    siegmund = (np.exp(b) - b - 1) / (2 * SLACK**2)
    assert round(siegmund) == 938
    assert abs(np.mean(runs) - siegmund) < 4 * error


def test_a_sign_flip_of_the_edge_is_found_within_sixty_sessions() -> None:
    """At edge 0.15 a day's gain is half a standard deviation above nothing; turned round it is found in 60 of 60 days.

    In 200 simulations of sixty days, by the chart.
    """
    random = np.random.default_rng(13)
    count = 0
    for _ in range(200):
        before = 0.5 + random.standard_normal(180)
        after = -0.5 + random.standard_normal(60)
        path = cusum(after, before.mean() - newey_west_se(before), before.std(ddof=1))
        count += bool((path >= DECISION).any())
    assert count >= 199


def test_a_shortfall_counts_the_doubt_of_both_means() -> None:
    """In 2,000 simulations of nothing 20 days lie three errors below 60 of before in at most 0.5 %."""
    random = np.random.default_rng(17)
    alarms = [shortfall(random.standard_normal(20), random.standard_normal(60)) > 3 for _ in range(2000)]
    assert np.mean(alarms) <= 0.005
    assert shortfall(np.zeros(20), np.zeros(60)) == 0.0


def test_the_sample_of_a_session_depends_on_that_session_alone() -> None:
    """More sessions, the same rows of each; never more than the reference keeps."""
    session = np.repeat([3, 1, 2], [MAX_SESSION_ROWS + 50, 10, MAX_SESSION_ROWS + 7])
    rows = sample(session)
    assert np.unique(session[rows], return_counts=True)[1].tolist() == [10, MAX_SESSION_ROWS, MAX_SESSION_ROWS]
    alone = sample(session[session == 3])
    assert rows[session[rows] == 3].tolist() == alone.tolist()


def test_a_reference_is_read_as_it_was_written(tmp_path) -> None:
    """Every array, bit for bit."""
    random = np.random.default_rng(1)
    reference = _reference(random.standard_normal((500, 3)), np.arange(500) % 60, np.array(["a", "b", "c"]))
    (tmp_path / "reference.npz").write_bytes(reference.to_bytes())
    restored = Reference.read(tmp_path)
    for name, value in vars(reference).items():
        np.testing.assert_array_equal(getattr(restored, name), value)


def test_pages_are_rarer_than_two_in_a_hundred_weeks() -> None:
    """Looked at daily over 300 lives of 200 sessions in which nothing changes, chart and direction together page in under 2 %.

    What is expected of a day is learned from 180 days before, as a version's reference gives them. The chart alone pages every
    938 days, half a percent of weeks; the rest is direction's, and the doubt of the mean.
    """
    random = np.random.default_rng(19)
    weeks = paged = 0
    for _ in range(300):
        days = random.multivariate_normal([0.3, 0.3], [[1.0, 0.7], [0.7, 1.0]], size=380)
        before, live = days[:180], days[180:]
        gains, direction = live.T
        path = cusum(gains, before[:, 0].mean() - newey_west_se(before[:, 0]), before[:, 0].std(ddof=1)) >= DECISION
        short = [
            n >= 20 and shortfall(direction[n - 20 : n], before[:, 1]) > DIRECTION_ALARM_T
            for n in range(1, len(live) + 1)
        ]
        moved = path | np.array(short)
        opened = moved & ~np.r_[False, moved[:-1]]
        weeks += len(live) // 5
        paged += int(opened.sum())
    assert weeks == 12_000
    assert paged / weeks < 0.02
