"""Weights are those known at the bar; what is missing is an error and never 0."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from market_master.domain.errors import DataError, MissingWeight
from market_master.market_data import weights
from market_master.market_data.weights import Weights
from tests.support import ROOT

DATED = """as_of,symbol,weight
2024-01-31,A,0.5
2024-01-31,B,0.3
2024-01-31,OLD,0.2
2024-06-30,A,0.2
2024-06-30,B,0.2
2024-06-30,C,0.5
2024-06-30,QQQ,0.1
"""


def instant(day: str) -> int:
    """The end of a bar on a day."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC, hour=20).timestamp())


def at(table: Path | None, day: str, known: str, requested: str = "", benchmark: str | None = None) -> Weights:
    """The weights on a day; symbols are written with spaces between."""
    return weights.weights_of_table(
        table, instant(day), set(known.split()), requested=requested.split(), benchmark=benchmark
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two tables in one file."""
    return written(tmp_path, DATED)


def written(folder: Path, text: str) -> Path:
    """A weights file with this text."""
    file = folder / "weights.csv"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("day", "as_of"),
    [
        ("2024-01-31", "2024-01-31"),
        ("2024-06-29", "2024-01-31"),
        ("2024-06-30", "2024-06-30"),
        ("2030-01-01", "2024-06-30"),
    ],
)
def test_the_newest_table_not_after_the_bar_is_in_force(table, day, as_of) -> None:
    """A table counts from its date on, until the next one."""
    assert at(table, day, "A B").as_of == as_of


def test_weights_of_the_future_are_never_used(table, tmp_path) -> None:
    """Later tables may say anything, or be missing: today's weights are the same; before the first there are none."""
    today = at(table, "2024-03-01", "A B C")
    later = written(tmp_path, DATED.split("2024-06-30")[0] + "2024-06-30,C,99\n2024-12-31,A,7\n")
    assert at(later, "2024-03-01", "A B C") == today
    assert "C" not in today.by_symbol
    with pytest.raises(MissingWeight, match=r"begin after 2024-01-30.*earlier as_of"):
        at(table, "2024-01-30", "A B")


@pytest.mark.parametrize("stamp", ["06/30/2024", "30.06.2024", "June", "2024-13-01", "2024-6-30", "nan"])
def test_a_date_that_can_not_be_read_is_refused(tmp_path, stamp) -> None:
    """Dates are compared as written, so one in another style could put the future in force."""
    with pytest.raises(DataError, match=r"as_of.*YYYY-MM-DD"):
        at(written(tmp_path, DATED + f"{stamp},A,0.9\n"), "2024-03-01", "A B")


def test_a_date_may_carry_an_hour(tmp_path) -> None:
    """A date with a time behind it is its day."""
    assert (
        at(written(tmp_path, "as_of,symbol,weight\n2024-01-31T16:00:00Z,A,1\n"), "2024-01-31", "A").as_of
        == "2024-01-31"
    )


def test_weights_are_renormalised_once_and_their_share_is_told(table) -> None:
    """Over the symbols that have bars; `index_share` is what they were of the whole index before."""
    found = at(table, "2024-07-01", "A C X")
    assert found.by_symbol == pytest.approx({"A": 0.2 / 0.7, "C": 0.5 / 0.7})
    assert sum(found.by_symbol.values()) == pytest.approx(1.0)
    assert found.index_share == pytest.approx(0.7)
    doubled = Weights(found.by_symbol, found.as_of, found.index_share)
    assert at(table, "2024-07-01", "A C").by_symbol == doubled.by_symbol


def test_weights_in_percent_are_the_same_weights(tmp_path) -> None:
    """Only proportions count."""
    rows = [line.rsplit(",", 1) for line in DATED.split()[1:]]
    percent = written(tmp_path, "as_of,symbol,weight\n" + "".join(f"{k},{float(w) * 100}\n" for k, w in rows))
    one, other = at(percent, "2024-07-01", "A C"), at(written(tmp_path, DATED), "2024-07-01", "A C")
    assert one.by_symbol == pytest.approx(other.by_symbol)
    assert one.index_share == pytest.approx(other.index_share)


def test_the_benchmark_is_never_a_constituent(table) -> None:
    """Not with a weight in the table, not asked for by name, not among equals."""
    assert set(at(table, "2024-07-01", "A B QQQ", benchmark="QQQ").by_symbol) == {"A", "B"}
    assert set(at(table, "2024-07-01", "A QQQ", requested="A QQQ", benchmark="QQQ").by_symbol) == {"A"}
    assert at(None, "2024-07-01", "A B QQQ", benchmark="QQQ") == Weights({"A": 0.5, "B": 0.5}, None, 1.0)


def test_constituents_are_the_symbols_asked_for_that_have_bars(table) -> None:
    """A symbol without a weight trains only; one that no bars came of is no constituent, with or without a table."""
    assert set(at(table, "2024-07-01", "A B C X", requested="A X").by_symbol) == {"A"}
    assert at(table, "2024-07-01", "A", requested="A C").by_symbol == {"A": 1.0}
    assert at(table, "2024-07-01", "A", requested="A C").index_share == pytest.approx(0.2)
    assert at(None, "2024-07-01", "A B", requested="A B Z") == Weights({"A": 0.5, "B": 0.5}, None, 1.0)


def test_without_a_table_all_are_equal() -> None:
    """Equal weights, with no date."""
    assert at(None, "2024-07-01", "D A B C") == Weights(dict.fromkeys("ABCD", 0.25), None, 1.0)


def test_a_file_without_dates_is_always_in_force(tmp_path) -> None:
    """symbol,weight is enough."""
    found = at(written(tmp_path, "symbol,weight\nA,3\nB,1\n"), "1999-01-01", "A B")
    assert (found.by_symbol, found.as_of) == ({"A": 0.75, "B": 0.25}, "")


def test_a_constituent_that_drops_out_is_an_error(table) -> None:
    """A symbol asked for that had a weight and has none now is named, with the date; before that date all is well."""
    with pytest.raises(MissingWeight, match=r"OLD had a weight before 2024-06-30") as caught:
        at(table, "2024-07-01", "A B OLD", requested="A B OLD")
    assert caught.value.numbers == {"missing": ["OLD"]}
    assert "OLD" in at(table, "2024-06-29", "A B OLD", requested="A B OLD").by_symbol


def test_no_weight_at_all_is_an_error(tmp_path, table) -> None:
    """Symbols that the index does not have, or that all weigh nothing, make no index."""
    with pytest.raises(MissingWeight, match="None of the 2 symbols has a weight"):
        at(table, "2024-07-01", "X Y")
    with pytest.raises(MissingWeight, match="None of the 1 symbols"):
        at(written(tmp_path, "symbol,weight\nA,0\nB,1\n"), "2024-07-01", "A")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("symbol,weight\nA,0.5\nA,0.5\n", "names A twice"),
        ("symbol,weight\nA,0.5\n A ,0.5\n", "names A twice"),
        ("symbol,weight\nA,-0.5\n", "1 impossible rows"),
        ("symbol,weight\nA,\nB,x\nC,1\n", "2 impossible rows"),
        ("symbol,weight\nA,inf\nB,1\n", "1 impossible rows"),
        ("symbol,weight\n,0.5\n", "1 impossible rows"),
        ("ticker,weight\nA,0.5\n", "lacks the column symbol"),
        ("a,b\n1,2\n", "lacks the column symbol and weight"),
        ("", "can't be read"),
    ],
)
def test_a_file_with_impossible_rows_is_refused_whole(tmp_path, text, words) -> None:
    """Repeated symbols, weights that are no weights and columns that are missing, each said with its number or name."""
    with pytest.raises(DataError, match=words):
        weights.read_weights(written(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path) -> None:
    """By its name."""
    with pytest.raises(DataError, match=r"gone\.csv can't be read"):
        weights.read_weights(tmp_path / "gone.csv")


def test_symbols_that_look_like_missing_values_are_symbols(tmp_path) -> None:
    """NA, NAN and TRUE are tickers."""
    rows = weights.read_weights(written(tmp_path, "symbol,weight\nNA,1\nNAN,1\nTRUE,2\n"))
    assert [row.symbol for row in rows] == ["NA", "NAN", "TRUE"]


def test_a_renamed_symbol_weighs_as_the_one_whose_bars_stand_for_it(table) -> None:
    """OLD became C: before the change it has OLD's weight, after it its own, and asked by name it never left."""
    renamed = {"OLD": "C"}
    before = weights.weights_of_table(
        table, instant("2024-03-01"), "ABC", requested="AC", benchmark=None, renamed=renamed
    )
    after = weights.weights_of_table(
        table, instant("2024-07-01"), "ABC", requested="AC", benchmark=None, renamed=renamed
    )
    assert before.by_symbol == pytest.approx({"A": 0.5 / 0.7, "C": 0.2 / 0.7})
    assert after.by_symbol == pytest.approx({"A": 0.2 / 0.7, "C": 0.5 / 0.7})


def test_classes_of_shares_add_up(tmp_path) -> None:
    """Two rows of the table for one symbol's bars are one constituent with both weights."""
    file = written(tmp_path, "symbol,weight\nGOOG,0.3\nGOOGL,0.2\nA,0.5\n")
    found = weights.weights_of_table(
        file, instant("2024-07-01"), ["A", "GOOGL"], requested=(), benchmark=None, renamed={"GOOG": "GOOGL"}
    )
    assert found.by_symbol == pytest.approx({"A": 0.5, "GOOGL": 0.5})
    assert found.index_share == pytest.approx(1.0)
    assert at(file, "2024-07-01", "A GOOGL").index_share == pytest.approx(0.7)


def test_real_names_and_classes_are_followed_through_three_tables(shared_data) -> None:
    """With FB known by META's bars and GOOG by GOOGL's, both are constituents at every date."""
    table, renamed = shared_data / "weights" / "weights.csv", {"FB": "META", "GOOG": "GOOGL"}
    rows = {(row.as_of, row.symbol): row.weight for row in weights.read_weights(table)}
    for day, meta in (("2020-07-02", "FB"), ("2024-12-26", "META"), ("2025-06-02", "META")):
        found = weights.weights_of_table(
            table, instant(day), ["AAPL", "META", "GOOGL"], requested=["META", "GOOGL"], benchmark=None, renamed=renamed
        )
        both = rows[found.as_of, "GOOG"] + rows[found.as_of, "GOOGL"]
        assert found.by_symbol["GOOGL"] / found.by_symbol["META"] == pytest.approx(both / rows[found.as_of, meta])


def test_the_real_index_at_three_dates(shared_data) -> None:
    """QQQ as published: 2020 knows FB, 2025 knows META, and naming FB in 2025 is an error."""
    table = shared_data / "weights" / "weights.csv"
    assert at(table, "2024-12-25", "AAPL MSFT FB META").as_of == "2020-07-02"
    assert set(at(table, "2024-12-25", "AAPL MSFT FB META").by_symbol) == {"AAPL", "MSFT", "FB"}
    late = at(table, "2025-06-02", "AAPL MSFT FB META QQQ", benchmark="QQQ")
    assert (late.as_of, set(late.by_symbol)) == ("2025-04-28", {"AAPL", "MSFT", "META"})
    assert 0.15 < late.index_share < 0.30
    with pytest.raises(MissingWeight, match="FB had a weight"):
        at(table, "2025-06-02", "AAPL FB", requested="AAPL FB")
    sums = {
        as_of: sum(row.weight for row in weights.read_weights(table) if row.as_of == as_of)
        for as_of in {row.as_of for row in weights.read_weights(table)}
    }
    assert list(sums.values()) == pytest.approx([1.0] * 3, abs=1e-3)


def test_the_sample_table_belongs_to_the_demo() -> None:
    """The committed weights are those of the simulated market's 30 symbols, and sum to 1."""
    sample = weights.read_weights(ROOT / "data" / "sample" / "weights.csv")
    assert [row.symbol for row in sample] == [f"S{number:03}" for number in range(1, 31)]
    assert sum(row.weight for row in sample) == pytest.approx(1.0, abs=1e-6)
