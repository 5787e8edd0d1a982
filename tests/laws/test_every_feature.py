"""Laws that hold for every registered feature, found by walking the family: a new one is judged with no new test."""

from __future__ import annotations

import functools
import tracemalloc

import numpy as np
import pytest

from market_master import features
from market_master.domain.bars import Bars
from market_master.domain.errors import ConfigError, ContextMissing
from market_master.features.engine.evaluate import evaluate_by_symbol
from market_master.features.engine.graph import plan
from market_master.plugins import load_family
from tests.support.feature_laws import breaks_warmup, differ, feels_bar, feels_others, looks_ahead, needs_more_history
from tests.support.feature_markets import drawn, plain, ragged, rough
from tests.support.random_bars import changed, random_bars, scaled, shaken

PLUGINS = load_family("features")
ALL = tuple(PLUGINS)
CORE = features.select(["core"], "1h")
MARKET = features.select(["market"], "1h")
SETS = ("classic", "core", "fundamental", "long", "market", "microstructure", "patterns", "regime", "volatility")
OWN = tuple(name for name in ALL if not PLUGINS[name].metadata["panel"])
PANEL = tuple(name for name in ALL if PLUGINS[name].metadata["panel"])
WARMUP = {name: PLUGINS[name].metadata["warmup"] for name in ALL}
BY_WARMUP = {need: tuple(name for name in ALL if WARMUP[name] == need) for need in sorted(set(WARMUP.values()))}


DRAWN_BARS = 30


def named(names: tuple[str, ...], columns: np.ndarray) -> list[str]:
    return [name for name, column in zip(names, columns, strict=True) if column]


def of(names: tuple[str, ...], members: tuple[str, ...] | None = None):
    return functools.partial(features.compute, names=names, members=members)


MARKETS = pytest.mark.parametrize("market", [plain, ragged, rough])


def with_instants_missing(seed: int) -> Bars:
    """Three symbols, 200 sessions of 1 h, and no bar of anyone at one instant in 33."""
    bars = random_bars(seed, symbols=3, sessions=200)
    every = np.unique(bars.bar_end)
    return bars.take(np.isin(bars.bar_end, every[np.random.default_rng(0).random(len(every)) > 0.03]))


def long_sessions() -> Bars:
    """Three symbols around the clock, 288 bars a session."""
    return random_bars(4, symbols=3, sessions=4, calendar="24/7", interval="5m")


def instants(bars: Bars, count: int = 12, start: int = 60) -> np.ndarray:
    """Times to cut at: inside sessions, the last bars of sessions and the first, all over the history."""
    times, at = np.unique(bars.bar_end, return_index=True)
    edge = np.flatnonzero(np.diff(bars.session[at]) > 0)
    edge = edge[edge > start]
    near = np.concatenate([edge[:: max(1, len(edge) // 3)], edge[:: max(1, len(edge) // 3)] + 1])
    inside = np.random.default_rng(5).integers(start, len(times), count)
    return times[np.unique(np.concatenate([near, inside, [len(times) - 1]]))]


@MARKETS
def test_no_feature_looks_ahead(market) -> None:
    """A feature does not change when later bars are cut off, or turn out otherwise."""
    bars = market()
    assert named(ALL, looks_ahead(of(ALL), bars, instants(bars))) == []


@MARKETS
def test_declared_warmup_is_exact(market) -> None:
    """A symbol's own feature is NaN with fewer than `warmup` bars before, finite ever after: flat, silent, crashed."""
    need = np.array([WARMUP[name] for name in OWN])
    assert named(OWN, breaks_warmup(of(OWN), market(), need)) == []


@MARKETS
def test_declared_warmup_of_panel_features_is_exact(market) -> None:
    """A panel feature needs `warmup` bars behind it both in its symbol and in the market, and no more."""
    bars = market()
    need = np.array([WARMUP[name] for name in PANEL])
    axis = np.searchsorted(np.unique(bars.bar_end), bars.bar_end)
    assert named(PANEL, breaks_warmup(of(PANEL), bars, need, axis)) == []


@MARKETS
@pytest.mark.parametrize("need", BY_WARMUP)
def test_short_history_is_enough(market, need) -> None:
    """The last warmup + 1 bars give the same value as the whole history, to 1e-9; so do some more, and 500."""
    bars, names = market(), BY_WARMUP[need]
    for count in {need + 1, need + 14, 500}:
        assert named(names, needs_more_history(of(names), bars, count, instants(bars, 8))) == []


@pytest.mark.parametrize("need", [need for need in BY_WARMUP if need > 0])
def test_no_more_warmup_is_declared_than_is_used(need) -> None:
    """Some value of a feature changes with the bar `warmup` bars back: nothing is blanked for nothing.

    A flag turns seldom: what no 23rd bar of the first market changes is looked for at every bar of the second, and what reaches
    back to the open in the long sessions of the third.
    """
    names, felt = BY_WARMUP[need], np.zeros(len(BY_WARMUP[need]), dtype=bool)
    if need < DRAWN_BARS:
        felt |= feels_bar(of(names), drawn(), need, np.unique(drawn().bar_end)[need + 1 : DRAWN_BARS])
    for market, step in ((with_instants_missing(4), 23), (with_instants_missing(12), 1), (long_sessions(), 23)):
        if unfelt := named(names, ~felt):
            instants = np.unique(market.bar_end)[need + 1 :: step]
            felt[~felt] = feels_bar(of(tuple(unfelt)), market, need, instants)
    assert named(names, ~felt) == []


@MARKETS
def test_symbols_do_not_touch(market) -> None:
    """A symbol's own features are the same with and without other symbols."""
    assert named(OWN, feels_others(of(OWN), market())) == []


@MARKETS
def test_non_members_do_not_change_market_features(market) -> None:
    """A symbol that is no member of the market changes no value of any other symbol."""
    bars = market()
    members, inside = bars.symbols[:2], np.isin(bars.code, [0, 1])
    whole = of(ALL, members)(bars)
    assert named(ALL, differ(of(ALL, members)(bars.select(members)), whole[inside])) == []
    assert named(ALL, differ(of(ALL, members)(shaken(bars, ~inside))[inside], whole[inside])) == []


def test_panel_features_see_the_panel() -> None:
    """Every panel feature feels another member at the same bar or before."""
    assert named(PANEL, ~feels_others(of(PANEL), plain())) == []


def test_a_non_member_has_market_features_too() -> None:
    """A symbol outside the market gets a value at every bar the members have, and none where they have no bar."""
    bars = plain()
    members = bars.symbols[:2]
    gone = bars.bar_end[bars.rows("S1")][100]
    thin = bars.take((bars.bar_end != gone) | (bars.code == 3))
    names = tuple(name for name in PANEL if WARMUP[name] < 60)
    values = of(names, members)(thin)[thin.rows("S4")]
    assert np.flatnonzero(~np.isfinite(values[60:]).all(axis=1)).tolist() == [40]


@pytest.mark.parametrize(("price", "volume"), [(10.0, 10.0), (1e-7, 1e-3), (1e3, 1e4)])
def test_units_of_price_and_volume_do_not_matter(price, volume) -> None:
    """Prices of 1e-5 or 1e5, and volumes in any unit, give the same features to 1e-9."""
    bars = plain()
    assert named(ALL, differ(of(ALL)(scaled(bars, price, volume)), of(ALL)(bars))) == []


def test_every_feature_varies_with_its_bars() -> None:
    """A feature varies, and replacing a bar changes it at that bar or later, unless it reads none."""
    constant = deaf = np.ones(len(ALL), dtype=bool)
    for bars, instants in ((random_bars(6, symbols=3, sessions=100), range(550, 600, 7)), (drawn(), range(20, 40, 7))):
        values, times = of(ALL)(bars), np.unique(bars.bar_end)
        spread = np.where(np.isfinite(values), values, 0.0).std(axis=0)
        constant = constant & (spread < 1e-3)
        for at in instants:
            deaf = deaf & ~differ(of(ALL)(shaken(bars, bars.bar_end == times[at])), values)
    assert named(ALL, constant) == []
    assert [name for name in named(ALL, deaf) if not features.reads_no_bar(name)] == []


@MARKETS
def test_every_feature_keeps_its_bounds(market) -> None:
    """No feature exceeds 8 in size, crash or no crash, so none can steer a linear model alone."""
    assert named(ALL, np.nanmax(np.abs(of(ALL)(market())), axis=0) > 8.0 + 1e-9) == []


@pytest.mark.parametrize(
    ("calendar", "interval", "sessions"),
    [("24/7", "1h", 24), ("XNYS", "5m", 8), ("XNYS", "1d", 560), ("24/7", "30m", 12)],
)
def test_laws_hold_on_other_timetables(calendar, interval, sessions) -> None:
    """Never ahead, exact warm-up and short history also hold around the clock, on 5 minutes and on days."""
    bars = random_bars(8, symbols=3, sessions=sessions, calendar=calendar, interval=interval, missing=0.02)
    names = features.select(SETS, interval)
    cuts, required_bars = instants(bars, 6), features.warmup(names) + 1
    assert named(names, looks_ahead(of(names), bars, cuts)) == []
    assert named(names, needs_more_history(of(names), bars, required_bars, cuts)) == []
    ready = np.arange(len(bars)) - bars.offsets[bars.code] >= required_bars - 1
    assert np.isfinite(of(names)(bars)[ready]).all()


def test_impossible_looking_prices_stay_finite() -> None:
    """Bars that keep the bar contract with absurd numbers give finite features, not a division by zero."""
    bars = plain()
    last = np.array([bars.rows(symbol).stop - 1 for symbol in bars.symbols])
    wild = changed(bars, last, open=1e-300, low=5e-324, high=1e300, close=1e300, volume=1e308)
    assert np.isfinite(of(ALL)(wild)[last]).all()


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("only", [None, [0, 7, 130, 131, 560, 561]], ids=["all", "some"])
@MARKETS
def test_cuts_and_threads_change_no_bit(market, only, threads, monkeypatch) -> None:
    """However few bars are computed at once, wherever a symbol is cut, and by however many threads: the same numbers."""
    bars = market()
    rows = None if only is None else np.array(only)
    compute = functools.partial(features.compute, bars, ALL, members=bars.symbols[:-1], only=rows, threads=threads)
    whole = compute()
    monkeypatch.setattr(features, "TIMES_PER_REACH", 0.1)
    for size in (97, 500):
        monkeypatch.setattr(features, "ROWS_PER_SPAN", size)
        cut = compute()
        same = (cut == whole) | (np.isnan(cut) & np.isnan(whole))
        assert named(ALL, ~same.all(axis=0)) == [], size


def test_long_series_are_the_same_bit_for_bit_on_two_threads() -> None:
    """Of so many bars that threads are started, and symbols cut."""
    bars = random_bars(9, symbols=4, sessions=1200)
    assert len(bars) > features.ROWS_PER_SPAN
    one, two = (features.compute(bars, ALL, threads=threads) for threads in (1, 2))
    assert np.array_equal(one, two, equal_nan=True)


@pytest.mark.parametrize("names", [CORE, (*CORE, *MARKET)], ids=["core", "core and market"])
def test_memory_grows_by_the_bar(names) -> None:
    """Beyond the values themselves, twice the bars take no more memory but what the market's own columns need a bar."""
    beyond = {}
    for sessions in (2200, 4400):
        bars = random_bars(9, symbols=4, sessions=sessions)
        tracemalloc.start()
        values = features.compute(bars, names, threads=1)  # two need up to two spans' arrays, as chance will have it
        beyond[len(bars)] = tracemalloc.get_traced_memory()[1] - values.nbytes
        tracemalloc.stop()
    (few, small), (many, large) = beyond.items()
    market_columns = len(plan(names).panel_inputs) + 10 if features.needs_market(names) else 1
    assert (large - small) / (many - few) < 8 * market_columns + 8


def _running_range_of_the_day(bars: Bars) -> np.ndarray:
    """The high of the whole session, known at its first bar: leaks inside sessions only."""
    place = np.unique(bars.code * 1_000_000 + bars.session, return_inverse=True)[1]
    top = np.zeros(place.max() + 1)
    np.maximum.at(top, place, bars.high)
    return np.log(top[place] / bars.close)[:, None]


def _next_return(bars: Bars) -> np.ndarray:
    return np.roll(np.log(bars.close / bars.open), -1)[:, None]


def _standardised_over_all_time(bars: Bars) -> np.ndarray:
    values = np.log(bars.close / bars.open)
    return ((values - values.mean()) / values.std())[:, None]


def _exponential_mean(bars: Bars) -> np.ndarray:
    """Never ends to remember: honest about time, but 60 bars are not enough for it."""
    values = np.log(bars.close / bars.open)
    for _, rows in bars:
        for at in range(rows.start + 1, rows.stop):
            values[at] = 0.95 * values[at - 1] + 0.05 * values[at]
    return values[:, None]


@pytest.mark.parametrize("leak", [_next_return, _standardised_over_all_time, _running_range_of_the_day])
def test_a_planted_leak_is_caught(leak) -> None:
    """A negative shift, a z-score over the whole sample and the coming high of the day each break the first law."""
    assert looks_ahead(leak, plain(), instants(plain())).all()


def test_endless_memory_is_caught() -> None:
    """An exponential mean looks back only, and still fails: its value from 60 bars is not the one from all."""
    assert not looks_ahead(_exponential_mean, plain(), instants(plain())).any()
    assert needs_more_history(_exponential_mean, plain(), 60, instants(plain())).all()


def test_a_shared_scale_is_caught() -> None:
    """A feature scaled by all symbols together is not a symbol's own."""
    assert feels_others(_standardised_over_all_time, plain()).all()


def test_sixty_bars_suffice_for_core_and_market_and_five_hundred_for_all() -> None:
    """The warm-up of a list is that of its neediest: at most 59 earlier bars, and 499."""
    assert features.warmup((*CORE, *MARKET)) <= 59
    assert 59 < features.warmup(ALL) <= 499
    assert features.warmup(("rsi", "macd")) == max(WARMUP["rsi"], WARMUP["macd"])
    assert features.warmup(()) == 0


def test_sets_are_chosen_by_name_and_interval() -> None:
    """Same-slot features need 30 minutes or more and several bars a session; what is left out has its reason."""
    assert {"volatility_ratio", "time_of_session", "slot_volume_surprise"} <= set(CORE)
    assert features.left_out(["core", "market"], "1h") == {}
    for interval in ("5m", "1d"):
        out = features.left_out(["core", "market"], interval)
        chosen = features.select(["core", "market"], interval)
        assert "slot_volume_surprise" in out
        assert "time_of_session" in chosen
        assert set(chosen) | set(out) == set(CORE) | set(MARKET)
        assert not set(chosen) & set(out)
        assert all(out.values())
    assert features.select(["market", "core", "market"], "1h") == MARKET + CORE
    assert not features.needs_market(CORE)
    assert features.needs_market(CORE + MARKET)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    """A set or a feature nobody wrote is an error that names the nearest."""
    with pytest.raises(ConfigError, match="'core'"):
        features.select(["cor"], "1h")
    with pytest.raises(ConfigError, match="'rsi'"):
        features.compute(plain(), ["rsy"])


def test_a_market_without_members_is_refused() -> None:
    """Market features without a single member's bar are an error, not a guess."""
    with pytest.raises(ContextMissing, match="none of the"):
        features.compute(plain(), MARKET, members=["ELSEWHERE"])


def test_every_feature_says_what_it_means() -> None:
    """Each feature has a sentence that ends, and a set."""
    for facts in features.describe(ALL):
        assert facts["summary"].rstrip().endswith((".", "?", "!")), facts
        assert facts["set"] in SETS
        assert set(facts) == {"name", "set", "unit", "warmup", "summary", "group"}


def every_step(bars: Bars, rows: slice) -> dict[str, np.ndarray]:
    """What each step of one symbol gives over some rows."""
    computed: dict[str, np.ndarray] = {}
    evaluate_by_symbol(bars, rows, plan(ALL), lambda step, values: computed.update({step.name: values}))
    return computed


@MARKETS
def test_symbols_may_lie_behind_each_other(market) -> None:
    """Every step of one symbol, series among them, is the same when it is computed with others at once."""
    bars = market()
    steps = plan(ALL)
    named = [
        step
        for step in steps.by_symbol
        if step.name not in ("same_slot", "next_slot_before", "same_slot_month", "next_slot_month")
    ]
    together = every_step(bars, slice(0, len(bars)))
    for _, rows in bars:
        alone = every_step(bars, rows)
        for step in named:
            ready = bars.age[rows] >= step.warmup
            one, other = alone[step.name][ready], together[step.name][rows][ready]
            np.testing.assert_allclose(one, other, rtol=1e-12, err_msg=step.name)


def test_every_feature_has_a_group_of_at_most_six() -> None:
    """So few, that all sets of groups can be asked about when a score is explained."""
    assert len({facts["group"] for facts in features.describe(ALL)}) <= 6
