"""Fundamentals: point in time, from statements, figures or ratios, and refused where that can't be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_master.config.settings import FundamentalTables
from market_master.domain import clock
from market_master.domain.clock import DAY, instant
from market_master.domain.errors import ConfigError, ContextMissing, DataError
from market_master.domain.fundamentals import FIGURES, Fundamentals
from market_master.market_data import ingest
from market_master.market_data.fundamentals import read_fundamentals, require_plausible
from market_master.market_data.store import Store
from tests.support.random_bars import random_bars, random_reports
from tests.support.trained_home import settings_of

YEARS = {
    "2022-12-31": {"Total Revenue": 80.0, "Net Income": 8.0, "Stockholders Equity": 30.0, "Share Issued": 10.0},
    "2023-12-31": {"Total Revenue": 100.0, "Net Income": 12.0, "Stockholders Equity": 40.0, "Share Issued": 10.0},
}


def read(folder: Path, lines: list[str], name: str = "table.csv", **options: Any) -> Fundamentals:
    """What a file with these lines holds."""
    (folder / name).write_text("\n".join(lines) + "\n")
    found = read_fundamentals(FundamentalTables(path=folder / name, **options))
    assert found is not None
    return found


def statements(years: dict[str, dict[str, float]], freq: str = "annual") -> list[str]:
    """Lines of a statement file."""
    return ["symbol,statement,freq,period_end,item,value"] + [
        f"A,any,{freq},{end},{item},{value}" for end, items in years.items() for item, value in items.items()
    ]


def figures_at(found: Fundamentals, day: str, symbol: str = "A") -> dict[str, float]:
    """What was known at the end of a day."""
    end = np.array([instant(f"{day}T23:59:00Z")])
    return {name: float(found.known(symbol, name, end)[0]) for name in FIGURES}


def test_a_statement_counts_so_many_days_after_its_period(tmp_path: Path) -> None:
    """Not on the last day of the delay, from the next on; then it is the year's, with growth against the year before."""
    found = read(tmp_path, statements(YEARS), known_after_days=60)
    assert all(np.isnan(value) for value in figures_at(found, "2023-03-01").values())
    assert figures_at(found, "2023-03-02") == pytest.approx(
        {
            "earnings_per_share": 0.8,
            "book_per_share": 3.0,
            "sales_per_share": 8.0,
            "shares": 10.0,
            "sales_growth": np.nan,
        },
        nan_ok=True,
    )
    assert figures_at(found, "2024-02-29") == figures_at(found, "2023-03-02") | {
        "sales_growth": pytest.approx(np.nan, nan_ok=True)
    }
    assert figures_at(found, "2024-03-01")["sales_growth"] == pytest.approx(0.25)
    assert figures_at(found, "2024-03-01")["earnings_per_share"] == pytest.approx(1.2)


def test_four_quarters_make_a_year(tmp_path: Path) -> None:
    """Flows are added up, book and shares are the last quarter's; three quarters make none, and an annual statement wins."""
    ends = ("2024-03-31", "2024-06-30", "2024-09-30", "2024-12-31")
    quarters = {
        end: {
            "Total Revenue": 20.0 + n,
            "Net Income": 2.0,
            "Stockholders Equity": 40.0 + n,
            "Diluted Average Shares": 10.0,
        }
        for n, end in enumerate(ends)
    }
    found = read(tmp_path, statements(quarters, "quarterly"), known_after_days=30)
    assert np.isnan(figures_at(found, "2024-11-15")["sales_per_share"])
    assert figures_at(found, "2024-11-15")["book_per_share"] == pytest.approx(4.2)
    assert figures_at(found, "2025-02-15")["sales_per_share"] == pytest.approx(8.6)
    both = statements(quarters, "quarterly") + statements({"2024-12-31": {"Total Revenue": 90.0}})[1:]
    assert figures_at(read(tmp_path, both, known_after_days=30), "2025-02-15")["sales_per_share"] == pytest.approx(9.0)


def test_a_restated_value_counts_from_when_it_was_known(tmp_path: Path) -> None:
    """The table's own known_at wins over any delay; a time of day counts to the second, a date when it is over."""
    found = read(
        tmp_path,
        [
            "symbol,period_end,item,value,known_at",
            "A,2023-12-31,Share Issued,10,2024-02-01",
            "A,2023-12-31,Net Income,10,2024-02-01",
            "A,2023-12-31,Net Income,7,2024-05-02T13:30:00-04:00",
        ],
        known_after_days=1,
    )
    earned = found.known("A", "earnings_per_share", np.array([instant(time) for time in (
        "2024-02-01T23:59:59Z", "2024-02-02T00:00:00Z", "2024-05-02T17:29:59Z", "2024-05-02T17:30:00Z",
    )]))  # fmt: skip
    np.testing.assert_allclose(earned, [np.nan, 1.0, 1.0, 0.7])


def test_ratios_are_dated_by_the_file_s_name(tmp_path: Path) -> None:
    """Prices, price ratios and market values become figures by share, known when the day is over."""
    lines = [
        "Symbol,Name,Price,Price/Earnings,Earnings/Share,Market Cap,Price/Sales,Price/Book",
        "A,Acme,50,10,5,1000,2.5,4",
        "NA,No Earnings,20,,,400,1,",
    ]
    found = read(tmp_path, lines, "ratios_2024-02-08.csv")
    assert figures_at(found, "2024-02-08", "A")["shares"] != figures_at(found, "2024-02-09", "A")["shares"]
    assert figures_at(found, "2024-02-09") == pytest.approx(
        {"earnings_per_share": 5, "book_per_share": 12.5, "sales_per_share": 20, "shares": 20, "sales_growth": np.nan},
        nan_ok=True,
    )
    assert figures_at(found, "2024-02-09", "NA")["sales_per_share"] == 20.0


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    """Two dated tables are two reports; excluded symbols have none."""
    for day, shares in (("2024-02-08", 20), ("2024-08-08", 30)):
        (tmp_path / f"table_{day}.csv").write_text(f"symbol,shares\nA,{shares}\nB,1\n")
    found = read_fundamentals(FundamentalTables(path=tmp_path, exclude=("B",)))
    assert found is not None
    assert list(found.reports) == ["A"]
    assert [figures_at(found, day)["shares"] for day in ("2024-03-01", "2024-09-01")] == [20.0, 30.0]


@pytest.mark.parametrize(
    ("lines", "name", "error", "words"),
    [
        (statements(YEARS), "table.csv", ConfigError, "fundamentals.known_after_days is not set"),
        (["symbol,shares", "A,1"], "table.csv", ConfigError, "holds 0 dates YYYY-MM-DD"),
        (["symbol,price", "A,1"], "table_2024-01-01.csv", DataError, r"has the columns \['symbol', 'price'\]"),
        (["symbol,shares,known_at", "A,1,soon"], "table.csv", DataError, "has 'soon' where a date stands"),
        (["symbol,shares,known_at"], "table.csv", DataError, "holds no fundamentals"),
        (
            ["symbol,shares,known_at", "A,1,20240131"],
            "table.csv",
            DataError,
            "has '20240131' where a date stands",
        ),
        (["symbol,shares,known_at", "A,1,03/12/2024"], "table.csv", DataError, "write it as YYYY-MM-DD"),
        (["symbol,shares,known_at", "A,1,2024-02"], "table.csv", DataError, "write it as YYYY-MM-DD"),
        (["symbol,shares,known_at", "A,1,2024-02-30"], "table.csv", DataError, "write it as YYYY-MM-DD"),
        (["symbol,shares,known_at", "A,1,2024-05-02T16:30:00"], "table.csv", DataError, "with the zone of the time"),
        (["symbol,shares", "A,1"], "from_2024-01-01_to_2024-02-01.csv", ConfigError, "holds 2 dates"),
        (
            ["symbol,period_end,freq,item,value,known_at", "A,2024-03-31,TTM,Net Income,1,2024-05-01"],
            "table.csv",
            DataError,
            "freq 'ttm'",
        ),
        (
            [
                "symbol,period_end,item,value,known_at",
                "A,2024-03-31,Net Income,1,2024-05-01",
                "A,2024-06-30,Net Income,1,2024-08-01",
            ],
            "table.csv",
            DataError,
            "end 91 days apart and no column freq",
        ),
        (
            [
                "symbol,period_end,item,value,known_at",
                "A,2024-03-31,Net Income,5,2024-05-01",
                "A,2024-03-31,Net Income,-5,2024-05-01",
            ],
            "table.csv",
            DataError,
            "is both -5 and 5.*known_at of its own",
        ),
        (
            ["symbol,shares,known_at", 'A,"1,000",2024-01-31'],
            "table.csv",
            DataError,
            "1 cells of shares that are no numbers",
        ),
        (
            ["symbol,shares,known_at", "A,1,2024-01-31", "A,2,2024-01-31"],
            "table.csv",
            DataError,
            "1 reports that differ",
        ),
    ],
)
def test_a_table_that_cannot_be_dated_or_read_is_refused(
    tmp_path: Path, lines: list[str], name: str, error: type[Exception], words: str
) -> None:
    """By the file's name, with the remedy."""
    with pytest.raises(error, match=words):
        read(tmp_path, lines, name)


def test_figures_of_another_currency_are_refused() -> None:
    """Who earns more than half of the price in a year, by any report, is named with the share and the remedy."""
    bars = random_bars(1, symbols=2, sessions=5)
    assert bars.fundamentals
    require_plausible(bars.fundamentals, bars)
    report = dict(bars.fundamentals.reports["S2"])
    for place, share in ((2, 0.81), (0, 0.81), (1, -30.0)):
        price = bars.close[bars.rows("S2")][0]
        figures = np.where(np.arange(3) == place, share * price, 0.05 * price)
        wrong = Fundamentals({"S2": report | {"earnings_per_share": figures}})
        with pytest.raises(DataError, match=r"S2 \(.*fundamentals.exclude"):
            require_plausible(wrong, bars)
    with pytest.raises(DataError, match="none of which is among the 2"):
        require_plausible(Fundamentals({"X": report}), bars)


def test_shares_are_those_outstanding(tmp_path: Path) -> None:
    """The larger of average and number; what is issued holds treasury shares too, and counts where there is nothing else."""
    items = {"Net Income": 12.0, "Diluted Average Shares": 10.0, "Ordinary Shares Number": 8.0, "Share Issued": 30.0}
    found = read(tmp_path, statements({"2023-12-31": items}), known_after_days=60)
    assert figures_at(found, "2024-06-01")["shares"] == 10.0
    issued = {"Net Income": 12.0, "Share Issued": 30.0}
    found = read(tmp_path, statements({"2023-12-31": issued}), known_after_days=60)
    assert figures_at(found, "2024-06-01")["shares"] == 30.0


def test_a_shortened_year_is_none(tmp_path: Path) -> None:
    """Six months after a change of the year's end do not stand for a year."""
    stub = {"2024-06-30": {"Total Revenue": 45.0, "Net Income": 6.0}}
    found = read(tmp_path, statements(YEARS | stub), known_after_days=60)
    assert figures_at(found, "2024-12-01")["sales_per_share"] == pytest.approx(10.0)


def test_statements_in_several_files_are_one(tmp_path: Path) -> None:
    """Sales and earnings in one, book and shares in another; both forms for one symbol are refused."""
    lines, whole = statements(YEARS), tmp_path / "whole"
    whole.mkdir()
    together = read(whole, lines, known_after_days=60)
    for number in (0, 1):
        (tmp_path / f"part{number}.csv").write_text("\n".join([lines[0], *lines[1 + number :: 2]]))
    apart = read_fundamentals(FundamentalTables(path=tmp_path, known_after_days=60))
    assert apart is not None
    assert apart.to_bytes() == together.to_bytes()
    (tmp_path / "ratios_2024-02-08.csv").write_text("symbol,shares\nA,1")
    with pytest.raises(DataError, match="both statements and figures of 1 symbols"):
        read_fundamentals(FundamentalTables(path=tmp_path, known_after_days=60))


def test_a_figure_stands_until_a_newer_one_or_a_year_and_a_half(tmp_path: Path) -> None:
    """A report that does not say leaves it as it was; 550 days after the last one nothing is known."""
    found = read(tmp_path, ["symbol,known_at,earnings_per_share,shares", "A,2024-02-01,5,10", "A,2024-03-01,,11"])
    assert figures_at(found, "2024-03-02")["earnings_per_share"] == 5.0
    assert figures_at(found, "2024-03-02")["shares"] == 11.0
    assert figures_at(found, "2025-09-02")["shares"] == 11.0
    assert np.isnan(figures_at(found, "2025-09-03")["shares"])


@given(st.integers(0, 10), st.data())
def test_nothing_is_known_before_its_time(seed: int, data: st.DataObject) -> None:
    """Reports that come later change no figure before, and as a file they are what they were."""
    columns = {"bar_end": np.arange(20) * DAY, "close": np.full(20, 10.0)}
    reports = {symbol: random_reports(seed + number, columns) for number, symbol in enumerate("AB")}
    whole, cut = Fundamentals(reports), data.draw(st.integers(0, 20)) * DAY
    earlier = Fundamentals(
        {
            s: {name: values[report["known_at"] <= cut] for name, values in report.items()}
            for s, report in reports.items()
        }
    )
    instants = np.arange(0, cut + 1, DAY // 2)
    read_again = Fundamentals.of_bytes(whole.to_bytes())
    for symbol in "ABC":
        for name in FIGURES:
            np.testing.assert_array_equal(earlier.known(symbol, name, instants), whole.known(symbol, name, instants))
            np.testing.assert_array_equal(read_again.known(symbol, name, instants), whole.known(symbol, name, instants))


def test_bars_know_their_companies_from_the_store(tmp_path: Path) -> None:
    """Whole and recent, from when they are put there; bars without any say so, by the figure."""
    bars = random_bars(1, symbols=2, sessions=5)
    store = Store(tmp_path, "source", "1h")
    store.append(bars.timetable, {symbol: bars.series(symbol) for symbol in bars.symbols})
    with pytest.raises(ContextMissing, match=r"looks at shares.*fundamentals\.path"):
        store.bars().column("shares")
    before = store.recent()
    assert bars.fundamentals
    store.put_fundamentals(bars.fundamentals)
    after = store.recent(before)
    assert after is not before
    for source in (store, after):
        np.testing.assert_array_equal(source.bars(("S2",)).column("shares"), bars.column("shares")[bars.rows("S2")])
    store.put_fundamentals(bars.fundamentals)
    assert store.recent(after) is after


def test_the_published_tables_are_read(shared_data: Path) -> None:
    """27 companies' statements and the ratios of 505: Apple's year to September 2024, known 90 days later."""
    folder = shared_data / "fundamentals"
    found = read_fundamentals(FundamentalTables(path=folder / "statements.parquet", known_after_days=90))
    assert found is not None
    assert len(found.reports) == 27
    apple = figures_at(found, "2025-01-15", "AAPL")
    assert (apple["earnings_per_share"], apple["sales_growth"]) == pytest.approx((6.08, 0.0202), abs=0.005)
    ratios = read_fundamentals(FundamentalTables(path=folder / "sp500_2018-02-08.csv"))
    assert ratios is not None
    assert len(ratios.reports) == 505


def test_a_refused_table_is_not_served(tmp_path: Path) -> None:
    """Bars are stored, and the figures that were there stay."""
    (tmp_path / "figures.csv").write_text("symbol,earnings_per_share,shares,known_at\nS001,1,5,2025-01-01\n")
    settings = settings_of("test", MM_FUNDAMENTALS__PATH=str(tmp_path / "figures.csv"))
    market = ingest.fetch(settings, tmp_path, clock.now())
    assert "Fundamentals: reports of 1 of 10 symbols, none of S002" in market.notes[-1]
    (tmp_path / "figures.csv").write_text("symbol,earnings_per_share,shares,known_at\nS001,5000,5,2025-01-01\n")
    with pytest.raises(DataError, match="S001"):
        ingest.update_store(settings, tmp_path, clock.now())
    served = Store(tmp_path / "data", market.source, "1h").recent().bars(("S001",))
    assert served.column("earnings_per_share")[-1] == 1.0


def test_figures_belong_to_the_data_where_they_are_looked_at(tmp_path: Path) -> None:
    """They are in the data's hash of a run whose features look at them, as known at its bars; elsewhere they change nothing."""

    def hash_of(lines: str, sets: str) -> str:
        (tmp_path / "figures.csv").write_text(f"symbol,shares,known_at\n{lines}")
        environ = {"MM_FUNDAMENTALS__PATH": str(tmp_path / "figures.csv"), "MM_FEATURES__SETS": sets}
        return ingest.fetch(settings_of("test", **environ), tmp_path, clock.now()).data_hash

    plain = ingest.fetch(settings_of("test"), tmp_path, clock.now()).data_hash
    known, unseen = "S001,1,2025-01-01\n", "ZZZ,1,2025-01-01\nS001,2,2099-01-01\n"
    assert hash_of(known, "[core]") == plain
    first = hash_of(known, "[core, fundamental]")
    assert first != plain
    assert hash_of(known + unseen, "[core, fundamental]") == first
    assert hash_of("S001,3,2025-01-01\n", "[core, fundamental]") != first
