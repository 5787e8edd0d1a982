"""A champion that looks at companies' figures: they come from the store, for stored and posted bars alike, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from market_master.batch.score import bars_of, read_bars
from market_master.domain import clock
from market_master.domain.bars import Bars
from market_master.domain.clock import iso
from market_master.domain.errors import ConfigError, ContextMissing
from market_master.features import compute, select
from market_master.market_data.providers.simulated import LAST_SESSION
from market_master.prediction.newest import rows_of_newest, run_graph
from market_master.prediction.predict import predict_posted, predict_stored
from market_master.registry.champion import load_champion
from tests.support.quick_training import train_quickly
from tests.support.servers import MODEL, in_process, own_copy
from tests.support.trained_home import settings_of

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("fundamentals")]
SETS = ("core", "fundamental")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With reports of all companies but S009, known in January 2025, and newer ones of S001, of which the last is not known yet."""
    folder = tmp_path_factory.mktemp("fundamentals")
    lines = [f"S{n:03},2025-01-01,{n},20,90,{1e8 * n},0.1" for n in range(1, 9)]
    lines += ["S001,2025-03-03,2,21,95,1e8,0.2", f"S001,{LAST_SESSION.year + 1}-01-01,99,99,99,1e9,9"]
    head = "symbol,known_at,earnings_per_share,book_per_share,sales_per_share,shares,sales_growth"
    (folder / "figures.csv").write_text("\n".join([head, *lines]))
    settings = settings_of(
        "test", MM_FEATURES__SETS=f"[{', '.join(SETS)}]", MM_FUNDAMENTALS__PATH=str(folder / "figures.csv"),
        MM_CANDIDATES="[logistic]", MM_GATE__RULES="[deterministic]",
    )  # fmt: skip
    train_quickly(folder / "home", settings)
    return folder / "home"


def test_posted_stored_and_trained_figures_are_the_same(home: Path) -> None:
    """The graph's features are the functions' to 1e-9, for bars of the store and for posted ones; a report counts once known."""
    champion, now = load_champion(home, MODEL), clock.now()
    store = champion.store(home)
    bars = store.bars(last=champion.required_bars)
    names = select(SETS, "1h")
    newest = rows_of_newest(bars, bars.symbols)
    inputs, _ = run_graph(champion, bars, newest)
    np.testing.assert_allclose(inputs[:, : len(names)], compute(bars, names)[newest], atol=1e-9)
    known = dict(zip(bars.symbols, inputs[:, names.index("fundamentals_known")].tolist(), strict=True))
    assert {symbol for symbol, flag in known.items() if not flag} == {"S009", "S010"}
    assert inputs[0, names.index("sales_growth_year")] == pytest.approx(0.2)
    stored = predict_stored(champion, store, ["S001", "S009"], now=now)
    for symbol, prediction in zip(("S001", "S009"), stored, strict=True):
        posted = Bars.of(bars.timetable, {symbol: bars.series(symbol)})
        for source in (store, store.recent()):
            answer = predict_posted(champion, posted, symbol, source, context={}, now=now)
            assert answer.probabilities == pytest.approx(prediction.probabilities, abs=1e-9)


def test_without_figures_there_is_no_answer(home: Path) -> None:
    """Bars beside which no fundamentals lie are refused, not taken for a company without a report."""
    champion, now = load_champion(home, MODEL), clock.now()
    window = champion.store(home).bars(last=champion.required_bars)
    bars, others = window.select(("S001",)), {s: window.series(s) for s in window.symbols if s != "S001"}
    with pytest.raises(ContextMissing, match="no fundamentals beside the bars"):
        predict_posted(champion, replace(bars, fundamentals=None), "S001", None, context=others, now=now)


def test_a_config_that_names_the_set_and_no_table_is_refused() -> None:
    """With the sentence, before anything is fetched."""
    with pytest.raises(ConfigError, match=r"fundamentals\.path names no table"):
        settings_of("test", MM_FEATURES__SETS="[core, fundamental]")


def test_files_are_scored_with_the_config_s_table(home: Path, tmp_path: Path) -> None:
    """Batch and backtest read the figures that the model's config names."""
    champion = load_champion(home, MODEL)
    stored = champion.store(home).bars(("S001", "S009"))
    lines = ["symbol,timestamp,open,high,low,close,volume"] + [
        f"{stored.symbols[stored.code[row]]},{iso(stored.bar_start[row])},"
        + ",".join(repr(float(getattr(stored, name)[row])) for name in ("open", "high", "low", "close", "volume"))
        for row in range(len(stored))
    ]
    (tmp_path / "bars.csv").write_text("\n".join(lines))
    read = bars_of(champion, read_bars(champion, tmp_path / "bars.csv", clock.now()))
    for name in ("shares", "sales_growth"):
        np.testing.assert_array_equal(read.column(name)[-5:], stored.column(name)[-5:])


@pytest.mark.nightly
def test_a_champion_without_its_figures_is_no_opponent(home: Path, tmp_path: Path) -> None:
    """Another run over the same home, whose store has lost them, is judged without it and says why."""
    mine = own_copy(home, tmp_path / "home")
    champion = load_champion(mine, MODEL)
    (champion.store(mine).folder / "fundamentals.json").unlink()
    plain = settings_of(
        "test", MM_CANDIDATES="[logistic]", MM_GATE__RULES="[beats_champion]", MM_PROVIDER__SESSIONS="105"
    )
    outcome = train_quickly(mine, plain)
    assert "looks at companies' figures and the store has none" in str(outcome)


def test_insights_show_them(home: Path) -> None:
    """GET /insights has the company's ratios and a fundamental part in the composite; a company without a report says why."""
    with in_process(home) as client:
        known, unknown = (client.get(f"/insights/{symbol}").json() for symbol in ("S001", "S009"))
        fundamentals = known["fundamentals"]
        assert fundamentals["known_at"] == "2025-03-04T00:00:00Z"
        assert fundamentals["earnings_yield"] == pytest.approx(2 / known["price"])
        assert fundamentals["net_margin"] == pytest.approx(2 / 95)
        assert "fundamental" in {part["name"] for part in known["composite"]["parts"]}
        assert unknown["fundamentals"] is None
        assert "No report of 'S009'" in unknown["reasons"]["fundamentals"]
        rows = client.get("/ranking?by=fundamental").json()["rows"]
        assert [row["fundamental"] for row in rows[-2:]] == [None, None]
        bars = client.get("/bars/S001").json()["bars"]
        posted = client.post("/predict", json={"symbol": "S001", "interval": "1h", "bars": bars})
        assert posted.status_code == 200, posted.json()
