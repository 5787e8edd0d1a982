"""The simulated market: real calendar, valid bars, an edge of the size it says, flaws where it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from market_master.domain.arrays import Array, Ints
from market_master.domain.bars import OHLCV, Bars, violations
from market_master.domain.clock import iso, session_date
from market_master.domain.errors import ConfigError, NoBars
from market_master.market_data.providers import FetchResult, Query, simulated_bounds
from market_master.market_data.providers.imperfections import KINDS
from market_master.market_data.providers.simulated import Simulated
from market_master.market_data.providers.simulated_bounds import gaussian, index_ic, targets
from market_master.market_data.providers.simulated_process import IDIOSYNCRATIC, MARKET, SECTOR
from tests.support import ROOT

NOW = 1_900_000_000
HOURLY = Query((), "XNYS", "1h", NOW)
WEIGHTS = ROOT / "data" / "sample" / "weights.csv"


@pytest.mark.parametrize(
    ("calendar", "interval"),
    [("XNYS", "1h"), ("XNYS", "1d"), ("XNYS", "5m"), ("24/7", "1h"), ("24/7", "1d"), ("XTKS", "30m"), ("BVMF", "1d")],
)
def test_bars_are_valid_and_on_the_grid(calendar: str, interval: str) -> None:
    """On any calendar and interval every bar keeps the bar contract, and the last session is that of 2025-06-30."""
    bars = _bars(Simulated(symbols=3, sessions=12).fetch(Query((), calendar, interval, NOW)))
    assert not violations(*(getattr(bars, name) for name in OHLCV))
    assert (bars.volume > 0).all()
    assert len(np.unique(bars.session)) == 12
    assert str(session_date(bars.session.max())) == "2025-06-30"
    assert bars.symbols == ("S001", "S002", "S003")
    assert len({bars.rows(symbol).stop - bars.rows(symbol).start for symbol in bars.symbols}) == 1


def test_half_days_and_clock_changes_are_the_exchange_s() -> None:
    """New York's year has short sessions before holidays, opens at 13:30 UTC in summer and at 14:30 in winter."""
    bars = _bars(Simulated(symbols=2, sessions=250).fetch(HOURLY)).select(["S001"])
    days = {str(session_date(day)): bars.bar_end[bars.session == day] for day in np.unique(bars.session)}
    assert len(days["2024-11-27"]) == 7
    assert iso(days["2024-11-29"][-1]) == "2024-11-29T18:00:00Z"
    assert len(days["2024-11-29"]) == 4
    assert iso(days["2025-03-07"][0]) == "2025-03-07T15:30:00Z"
    assert iso(days["2025-03-10"][0]) == "2025-03-10T14:30:00Z"


def test_the_same_seed_gives_the_same_bits() -> None:
    """A market is its parameters: the same ones give the same bars bit for bit, another seed or edge gives others."""
    first, again = (Simulated(symbols=4, sessions=30, imperfections=tuple(KINDS)).fetch(HOURLY) for _ in range(2))
    assert _same(first, again)
    assert first.manifest == again.manifest
    assert not _same(first, Simulated(seed=8, symbols=4, sessions=30, imperfections=tuple(KINDS)).fetch(HOURLY))


def test_other_parameters_are_another_source() -> None:
    """Two markets share a store folder only if they are the same market."""
    sources = {
        Simulated(seed=seed, edge=edge, sessions=sessions, mode=mode, imperfections=flaws).source
        for seed in (1, 2)
        for edge in (0.0, 0.1)
        for sessions in (10, 11)
        for mode in ("volume", "reversal")
        for flaws in ((), ("halt",), ("halt", "missing"))
    }
    assert len(sources) == 48
    assert Simulated(imperfections=("halt", "missing")).source == Simulated(imperfections=("missing", "halt")).source
    assert all(len(source) == len("simulated-12345678") for source in sources)


def test_only_closed_bars_of_the_symbols_asked_for() -> None:
    """Asked for two symbols at an instant in the past, it gives those, up to then, unchanged; strangers are noted."""
    market = Simulated(symbols=4, sessions=30)
    whole = market.fetch(HOURLY)
    middle = int(whole.series["S002"]["bar_end"][100]) + 1
    part = market.fetch(Query(("S002", "S004", "AAPL"), "XNYS", "1h", middle))
    assert set(part.series) == {"S002", "S004"}
    assert "AAPL" in part.notes[0]
    for name in ("bar_end", *OHLCV):
        np.testing.assert_array_equal(part.series["S002"][name], whole.series["S002"][name][:101])
    with pytest.raises(NoBars, match="none of the 1 symbols"):
        market.fetch(Query(("AAPL",), "XNYS", "1h", NOW))
    with pytest.raises(NoBars, match="2001-09-09"):
        market.fetch(Query((), "XNYS", "1h", 1_000_000_000))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_edge_shows_in_the_bars(seed: int) -> None:
    """A bar's volume, for its slot and symbol, foretells the next return as well as the manifest says, not better."""
    fetched = Simulated(seed=seed, symbols=30, sessions=120, edge=0.15).fetch(HOURLY)
    ic, error = _ic(*_observed(_bars(fetched)))
    assert 0.6 * 0.15 <= ic <= fetched.manifest["ic"] + 3 * error


@pytest.mark.parametrize("seed", range(5))
def test_no_edge_no_forecast(seed: int) -> None:
    """At edge 0 volume says nothing about the next return."""
    fetched = Simulated(seed=seed, symbols=30, sessions=120, edge=0.0).fetch(HOURLY)
    ic, error = _ic(*_observed(_bars(fetched)))
    assert abs(ic) < 3 * error
    assert (fetched.manifest["ic"], fetched.manifest["index_ic"]) == (0.0, 0.0)
    assert fetched.manifest["macro_f1_cut"] == pytest.approx(0.2, abs=1e-6)


def test_regime_flip_turns_the_edge_round() -> None:
    """Half-way the same volume begins to mean the opposite."""
    fetched = Simulated(symbols=30, sessions=160, edge=0.15, mode="regime_flip").fetch(HOURLY)
    bars = _bars(fetched)
    shown, ahead, day = _observed(bars)
    flip = pd.Timestamp(fetched.manifest["flips_at"]).timestamp()
    later = day >= flip // 86400
    before, error = _ic(shown[~later], ahead[~later], day[~later])
    after, _ = _ic(shown[later], ahead[later], day[later])
    assert 0.6 * 0.15 <= before <= 0.15 + 3 * error
    assert -0.15 - 3 * error <= after <= -0.6 * 0.15


def test_reversal_takes_back_a_symbol_s_own_moves() -> None:
    """In mode `reversal` what a symbol did against the others comes back; its volume says nothing."""
    bars = _bars(Simulated(symbols=50, sessions=120, edge=0.15, mode="reversal").fetch(HOURLY))
    shown, ahead, day = _observed(bars)
    ic, error = _ic(shown, ahead, day)
    assert abs(ic) < 3 * error
    z = np.append(np.nan, ahead[:-1])
    own = z - pd.Series(z).groupby(bars.bar_end).transform("mean").to_numpy()
    seen = np.isfinite(own) & np.isfinite(ahead)
    ic, error = _ic(-own[seen], ahead[seen], day[seen])
    assert 0.6 * 0.15 <= ic <= 0.15 + 3 * error


def test_exact_targets_are_those_of_the_method() -> None:
    """With Gaussian noise: RPSS .020, .126, .51 % and cut-rule macro-F1 .2037, .2095, .2197 at edges .02, .05, .10."""
    for edge, rpss, macro_f1 in ((0.02, 0.00020, 0.2037), (0.05, 0.00126, 0.2095), (0.10, 0.0051, 0.2197)):
        best = targets(edge, noise=gaussian)
        assert best["rpss"] == pytest.approx(rpss, rel=0.02)
        assert best["macro_f1_cut"] == pytest.approx(macro_f1, abs=6e-5)
        assert 0.99 * edge < best["ic"] <= edge
        assert best["accuracy"] == pytest.approx(0.40, abs=1e-4)


def test_exact_targets_agree_with_a_drawn_sample() -> None:
    """A forecaster who knows the carrier scores the exact targets on a long draw of the mixture."""
    edge, rng = 0.3, np.random.default_rng(5)
    best, count = targets(edge), 400_000
    noise = np.sqrt([0.3, 0.1, 0.6]) @ (np.sqrt(0.6) * rng.standard_t(5, (3, count)))
    x = rng.standard_normal(count)
    z = edge * x + np.sqrt(1 - edge**2) * noise
    weak, strong = np.quantile(np.abs(z), [0.4, 0.8])
    action = np.digitize(z, [-strong, -weak, weak, strong])
    said = np.digitize(x, np.quantile(x, [0.1, 0.3, 0.7, 0.9]))
    macro_f1 = np.mean(
        [2 * ((action == c) & (said == c)).sum() / ((action == c).sum() + (said == c).sum()) for c in range(5)]
    )
    assert macro_f1 == pytest.approx(best["macro_f1_cut"], abs=0.003)
    assert np.corrcoef(x, z)[0, 1] == pytest.approx(best["ic"], abs=0.005)


def test_an_index_needs_a_common_carrier() -> None:
    """100 equal symbols at edge .05: index IC .009 if the edge is each one's own, .0485 if 30 % of it is shared."""
    equal = np.full(100, 0.01)
    assert index_ic(0.05, equal, common=0.0) == pytest.approx(0.009, abs=3e-4)
    assert index_ic(0.05, equal) == pytest.approx(0.0485, abs=1e-4)
    assert index_ic(0.05, np.ones(1)) == pytest.approx(0.05)


def test_the_manifest_tells_what_the_market_is() -> None:
    """Seed, edge, mode, weights and the best possible scores travel with the bars."""
    manifest = Simulated(seed=3, symbols=20, sessions=30, edge=0.1).fetch(HOURLY).manifest
    assert {key: manifest[key] for key in ("seed", "symbols", "sessions", "edge", "mode")} == {
        "seed": 3, "symbols": 20, "sessions": 30, "edge": 0.1, "mode": "volume",
    }  # fmt: skip
    assert {"ic", "rpss", "accuracy", "macro_f1_cut", "index_ic"} <= set(manifest)
    assert manifest["imperfections"] == []
    assert sum(manifest["weights"].values()) == pytest.approx(1.0, abs=1e-12)
    assert min(manifest["weights"].values()) > 0
    assert 0.09 < manifest["index_ic"] <= 0.1


def test_the_sample_weights_are_the_demo_market_s() -> None:
    """data/sample/weights.csv holds the weights of the market with seed 7 and 30 symbols."""
    table = pd.read_csv(WEIGHTS)
    assert list(table) == ["symbol", "weight", "as_of"]
    assert set(table["as_of"]) == {"2024-01-02"}
    manifest = Simulated(seed=7, symbols=30, sessions=1).fetch(HOURLY).manifest
    assert dict(zip(table["symbol"], table["weight"], strict=True)) == manifest["weights"]
    assert round(table["weight"].sum(), 9) == 1


FLAWED = Simulated(symbols=10, sessions=60)


def test_a_flawless_market_passes_the_cleaning_unchanged() -> None:
    """Bars that skip the cleaning are those that come out of it: flaws that lie after `now` change nothing."""
    flawless, cleaned = FLAWED, replace(FLAWED, imperfections=("bad_tick",))
    early = Query((), "XNYS", "1h", int(flawless.fetch(HOURLY).series["S001"]["bar_end"][30]))
    assert _same(flawless.fetch(early), cleaned.fetch(early))
    for one, other in zip(flawless.fetch(early).report, cleaned.fetch(early).report, strict=True):
        assert replace(one, stamps="") == replace(other, stamps="")


@pytest.mark.parametrize("kind", KINDS)
def test_every_imperfection_is_where_the_manifest_says(kind: str) -> None:
    """One flaw is planted, told, and leaves every other symbol as it was; what comes out is clean."""
    whole, spoilt = _bars(FLAWED.fetch(HOURLY)), replace(FLAWED, imperfections=(kind,)).fetch(HOURLY)
    bars, planted = _bars(spoilt), spoilt.manifest["imperfections"]
    assert [flaw["kind"] for flaw in planted] == [kind]
    assert not violations(*(getattr(bars, name) for name in OHLCV))
    if kind == "missing":
        assert len(whole) - len(bars) == planted[0]["bars"]
        assert 0.003 < planted[0]["bars"] / len(whole) < 0.008
        return
    symbol = planted[0]["symbol"]
    before, after = whole.series(symbol), bars.series(symbol)
    line = next(line for line in spoilt.report if line.symbol == symbol)
    at = int(np.flatnonzero([iso(end) == planted[0]["bar_end"] for end in before["bar_end"]])[0])
    for other in set(whole.symbols) - {symbol}:
        for name in OHLCV:
            np.testing.assert_array_equal(bars.series(other)[name], whole.series(other)[name])
    match kind:
        case "splits":
            np.testing.assert_allclose(
                after["close"], np.where(np.arange(len(before["close"])) < at, 1, 0.5) * before["close"]
            )
            assert whole.slot[whole.rows(symbol)][at] == 0
            assert line.jumps == 1
        case "stale_block":
            silent = np.flatnonzero(after["volume"] == 0)
            assert (silent[0], len(silent), line.zero_volume) == (at, 6, 6)
            assert len(np.unique(after["high"][silent])) == 1
        case "halt":
            assert len(before["close"]) - len(after["close"]) == planted[0]["bars"] == line.missing
        case "late_listing":
            assert iso(after["bar_end"][0]) == planted[0]["bar_end"] == line.first != iso(before["bar_end"][0])
        case "delisting":
            assert iso(after["bar_end"][-1]) == planted[0]["bar_end"] == line.last != iso(before["bar_end"][-1])
        case "duplicate":
            assert line.duplicates == 1
            np.testing.assert_array_equal(after["close"], before["close"])
        case "bad_tick":
            assert line.impossible == len(spoilt.quarantine) == 1
            np.testing.assert_array_equal(after["close"], np.delete(before["close"], at))


def test_imperfections_stay_in_their_places() -> None:
    """A flaw lies where it lay when others are switched on beside it."""
    alone = {kind: replace(FLAWED, imperfections=(kind,)).fetch(HOURLY).manifest["imperfections"][0] for kind in KINDS}
    together = replace(FLAWED, imperfections=tuple(KINDS)).fetch(HOURLY)
    assert together.manifest["imperfections"] == [alone[kind] for kind in KINDS]
    assert not violations(*(getattr(_bars(together), name) for name in OHLCV))


@pytest.mark.parametrize("noise", [0.2, 0.4])
def test_a_noisy_carrier_attenuates_the_edge_as_told(noise: float) -> None:
    """rho_eff = rho .4 / sqrt(.16 + n^2): the manifest's IC, and the IC of the volume itself within 3 SE of it."""
    fetched = Simulated(symbols=60, sessions=250, edge=0.2, noise=noise).fetch(HOURLY)
    known = 0.2 * 0.4 / np.sqrt(0.16 + noise**2)
    assert fetched.manifest["ic"] == pytest.approx(known, rel=0.01)
    found, error = _ic(*_observed(_bars(fetched)))
    assert abs(found - fetched.manifest["ic"]) < 3 * error + 0.04 * known
    assert (
        fetched.manifest["index_ic"] < Simulated(symbols=60, sessions=250, edge=0.2).fetch(HOURLY).manifest["index_ic"]
    )


def test_a_smeared_carrier_scores_the_exact_targets() -> None:
    """The RPSS of one who knows only the smeared carrier, on a long draw, is the quadrature's."""
    random, edge, share = np.random.default_rng(4), 0.3, simulated_bounds.visible_share(0.4)
    told = simulated_bounds.targets(edge * share, noise=simulated_bounds.smeared(edge, share))
    count = 400_000
    unit = np.sqrt(3 / 5)
    parts = unit * random.standard_t(5, (3, count))
    shock = np.sqrt(MARKET) * parts[0] + np.sqrt(SECTOR) * parts[1] + np.sqrt(IDIOSYNCRATIC) * parts[2]
    x, smear = random.standard_normal((2, count))
    z, shown = edge * x + np.sqrt(1 - edge**2) * shock, share * x + np.sqrt(1 - share**2) * smear
    assert np.corrcoef(shown, z)[0, 1] == pytest.approx(told["ic"], abs=4 / np.sqrt(count))


def test_without_an_edge_nothing_can_be_known() -> None:
    """Mode `none` is the market of edge 0, whatever edge is asked for."""
    none = Simulated(symbols=20, sessions=60, edge=0.3, mode="none").fetch(HOURLY)
    assert max(none.manifest[name] for name in ("ic", "rpss", "index_ic")) < 1e-12
    assert _same(none, Simulated(symbols=20, sessions=60, edge=0.0).fetch(HOURLY))


def test_an_unknown_imperfection_names_the_known_ones() -> None:
    """A flaw, or a mode, that does not exist is refused with the list of those that do."""
    with pytest.raises(ConfigError, match=r"no 'gremlins'.*splits.*bad_tick"):
        Simulated(imperfections=("gremlins",))
    with pytest.raises(ConfigError, match=r"no 'momentum'.*volume.*reversal"):
        Simulated(mode="momentum")
    with pytest.raises(ConfigError, match="seed -1"):
        Simulated(seed=-1)
    with pytest.raises(ConfigError, match="noise -1"):
        Simulated(noise=-1)


def _bars(fetched: FetchResult) -> Bars:
    return Bars.of(fetched.timetable, fetched.series)


def _same(one: FetchResult, other: FetchResult) -> bool:
    return set(one.series) == set(other.series) and all(
        one.series[symbol][name].tobytes() == other.series[symbol][name].tobytes()
        for symbol in one.series
        for name in ("bar_end", *OHLCV)
    )


def _observed(bars: Bars) -> tuple[Array, Array, Ints]:
    """From complete bars only: log volume freed of symbol and slot, next return over an EWMA scale, and the day."""
    frame = pd.DataFrame({"code": bars.code, "kind": bars.slot * 10**6 + bars.bar_end - bars.bar_start})
    frame["short"] = frame.groupby([bars.session, bars.code])["kind"].transform("size")
    shown = np.log(bars.volume)
    for keys in (["code"], ["kind", "short"]):
        shown = shown - pd.Series(shown).groupby([frame[key] for key in keys]).transform("mean").to_numpy()
    own = np.log(bars.close / bars.open)
    factor = np.sqrt(pd.Series(own**2).groupby([frame["kind"], frame["short"]]).transform("mean").to_numpy())
    free = pd.Series(own / factor)
    scale = np.sqrt((free**2).groupby(bars.code).transform(lambda s: s.ewm(halflife=70).mean().shift(1)).to_numpy())
    z = free.to_numpy() / scale
    ahead = np.where(np.append(bars.code[1:] == bars.code[:-1], False), np.append(z[1:], np.nan), np.nan)
    age = np.arange(len(bars)) - bars.offsets[bars.code]
    ahead[age < 100] = np.nan
    return shown, ahead, bars.session


def _ic(shown: Array, ahead: Array, day: Ints) -> tuple[float, float]:
    """Correlation, and its standard error from daily means."""
    seen = np.isfinite(ahead)
    shown, ahead, day = shown[seen] - shown[seen].mean(), ahead[seen] - ahead[seen].mean(), day[seen]
    products = pd.Series(shown * ahead / (shown.std() * ahead.std())).groupby(day).mean()
    return float(np.corrcoef(shown, ahead)[0, 1]), float(products.std() / np.sqrt(len(products)))
