"""From kept answers to a tear sheet: out of sample only, the same WSS as everywhere, nothing of the future, words that fit."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from market_master import config
from market_master.artifact.out_of_sample import HOLDOUT, OutOfSample
from market_master.backtest.evaluate import evaluate_backtest
from market_master.backtest.history import (
    OutOfSampleHistory,
    index_history,
    predict_out_of_sample,
    stored_out_of_sample,
)
from market_master.backtest.instrument import traded_instrument, weighted_basket
from market_master.backtest.run import run_backtest
from market_master.backtest.tearsheet import tearsheet
from market_master.cli.app import app
from market_master.config.settings import Universe
from market_master.domain.bars import OHLCV, Bars
from market_master.domain.clock import instant
from market_master.domain.errors import ConfigError, InSample, ModelError
from market_master.prediction.history import predict_history
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction_log import PredictionLog
from market_master.registry.champion import load_champion
from market_master.registry.versions import Versions
from market_master.signals.paper_trading import trade_on_paper
from tests.support.servers import MODEL, own_copy
from tests.support.simulated_world import world
from tests.support.trained_home import settings_of

EQUAL = 1e-12


@pytest.fixture(scope="module")
def champion(trained_home: Path) -> LoadedModel:
    """The trained home's."""
    return load_champion(trained_home, MODEL)


@pytest.fixture(scope="module")
def known(trained_home: Path, champion: LoadedModel) -> OutOfSample:
    """What it answered out of sample."""
    return OutOfSample.read(Path(Versions(trained_home, MODEL).files(champion.artifact.version).folder))


@pytest.fixture(scope="module")
def bars(trained_home: Path, champion: LoadedModel) -> Bars:
    """The store's."""
    return champion.store(trained_home).bars()


@pytest.fixture(scope="module")
def history(champion: LoadedModel, known: OutOfSample, bars: Bars) -> OutOfSampleHistory:
    """Answers out of sample, and their index."""
    return stored_out_of_sample(champion, known, bars)


def test_nothing_that_was_learned_from_is_kept(champion: LoadedModel, known: OutOfSample) -> None:
    """Hold-out rows end after the last label was known; walk-forward rows are of a fold after the first, each row once."""
    assert known.bar_end[known.fold == HOLDOUT].min() > instant(champion.card.label_known)
    assert known.bar_end[known.fold != HOLDOUT].max() <= instant(champion.card.label_known)
    assert set(np.unique(known.fold).tolist()) == {HOLDOUT, *range(2, champion.settings.folds.splits + 1)}
    assert len(set(zip(known.code.tolist(), known.bar_end.tolist(), strict=True))) == len(known.code)
    for fold in np.unique(known.fold[known.fold > HOLDOUT + 2]).tolist():
        assert known.bar_end[known.fold == fold].min() > known.bar_end[known.fold == fold - 1].max()


def test_the_wss_of_the_backtest_is_that_of_the_series(
    champion: LoadedModel, history: OutOfSampleHistory, bars: Bars
) -> None:
    """On the hold-out the registered graph spoke, so its WSS is batch's and serving's to the last digit."""
    ends = bars.bar_end[history.predictions.rows][history.fold == HOLDOUT]
    series = index_history(champion, predict_history(champion, bars, since=int(ends.min())))
    rows = np.searchsorted(history.index.bar_end, series.bar_end)
    assert np.array_equal(history.index.bar_end[rows], series.bar_end)
    assert np.abs(history.index.wss[rows] - series.wss).max() <= EQUAL
    assert np.abs(history.index.wss_expected[rows] - series.wss_expected).max() <= EQUAL
    assert [history.index.signal[n] for n in rows.tolist()] == list(series.signal)


def test_what_was_learned_is_refused(champion: LoadedModel, bars: Bars) -> None:
    """Bars up to the last known label are left out and counted; nothing but them is an error with the remedy."""
    known = instant(champion.card.label_known)
    later = predict_out_of_sample(champion, bars)
    assert bars.bar_end[later.predictions.rows].min() > known
    assert later.refused == int((bars.bar_end <= known).sum())
    with pytest.raises(InSample, match="Bring later bars"):
        predict_out_of_sample(champion, bars.until(known))


def test_later_prices_leave_earlier_equity_as_it_was(champion: LoadedModel, history: OutOfSampleHistory) -> None:
    """Every bar after an instant is another: targets and equity up to it are the same to the bit, in both books."""
    bars = history.predictions.bars
    cut = int(np.quantile(history.index.bar_end, 0.6))
    moved = np.where(bars.bar_end > cut, 1.07, 1.0)
    shaken = replace(bars, **{name: getattr(bars, name) * moved for name in OHLCV[:4]})
    there = run_backtest(champion, history)
    here = run_backtest(champion, replace(history, predictions=replace(history.predictions, bars=shaken)))
    for first, second in ((there.index, here.index), (there.constituents, here.constituents)):
        rows = first.panel.bar_end <= cut
        assert rows.any()
        assert np.array_equal(first.result.equity[rows], second.result.equity[rows])
        assert not np.array_equal(first.result.equity, second.result.equity)


def test_the_constituents_book_is_half_the_wss(champion: LoadedModel, history: OutOfSampleHistory) -> None:
    """Its targets add up to half the WSS of the bar: each holds its own part in it."""
    book = run_backtest(champion, history).constituents
    rows = np.searchsorted(book.panel.bar_end, history.index.bar_end)
    known = np.isfinite(history.index.wss)
    assert np.abs(2 * book.target[rows].sum(axis=1) - history.index.wss)[known].max() <= EQUAL


def test_a_basket_of_one_is_that_one(bars: Bars) -> None:
    """Its returns over the gap and within the bar are the symbol's; of many equal weights they are the mean."""
    symbol_bars = bars.select([bars.symbols[0]])
    basket_bars = weighted_basket(symbol_bars, Universe())
    close = symbol_bars.close[1:]
    assert basket_bars.close[1:] / basket_bars.close[:-1] == pytest.approx(close[1:] / close[:-1], rel=1e-12)
    assert basket_bars.close / basket_bars.open == pytest.approx(
        symbol_bars.close[1:] / symbol_bars.open[1:], rel=1e-12
    )
    all_of_them = weighted_basket(bars, Universe())
    end = int(all_of_them.bar_end[50])
    within = (bars.close / bars.open)[bars.bar_end == end]
    assert (all_of_them.close / all_of_them.open)[50] == pytest.approx(within.mean(), rel=1e-12)


def test_the_benchmarks_own_bars_are_traded_where_there_are_any(bars: Bars) -> None:
    """And it is no constituent."""
    name = bars.symbols[0]
    traded = traded_instrument(bars, Universe(benchmark=name))
    assert np.array_equal(traded.bars.close, bars.close[bars.rows(name)])
    assert name in traded.description
    assert "basket" in traded_instrument(bars, Universe()).description


def test_what_never_trades_has_no_skill(champion: LoadedModel, history: OutOfSampleHistory) -> None:
    """A threshold that the WSS never reaches: the first sentence says so, the equity is 1, and no number is invented."""
    policy = champion.settings.policy.model_copy(update={"buy": 2.0, "sell": -2.0})
    quiet = replace(champion, settings=champion.settings.model_copy(update={"policy": policy}))
    silent = replace(history.index, wss=np.where(np.isfinite(history.index.wss), 0.0, np.nan))
    tested = run_backtest(quiet, replace(history, index=silent))
    sheet = tearsheet(quiet, tested).sheet
    assert sheet.sentence.startswith("No evidence of skill: nothing was traded")
    assert (tested.index.result.equity == 1).all()
    assert (sheet.dealings.trades, sheet.dealings.break_even, sheet.forecast["ic"]) == (0, None, None)


def test_a_version_without_kept_answers_says_so(tmp_path: Path) -> None:
    """Old versions have none: the remedy is to train anew."""
    with pytest.raises(ModelError, match="Train anew"):
        OutOfSample.read(tmp_path)


def test_the_command_writes_a_page_that_stands_alone(
    trained_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page, tables and summary; nothing is fetched from outside; the first words are the verdict; a full folder is refused."""
    monkeypatch.setenv("MM_HOME", str(trained_home))
    arguments = ["backtest", "--out", str(tmp_path / "sheet"), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    page = (tmp_path / "sheet" / "tearsheet.html").read_text(encoding="utf-8")
    assert summary["sentence"] in page.replace("&#39;", "'").replace("&#34;", '"')
    plain = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert re.findall(r"""(?:src|href)=["'](?!#)""", plain) == []
    assert not re.findall(r"<script[^>]+src=", page)
    assert json.loads((tmp_path / "sheet" / "summary.json").read_text()) == summary
    equity = pd.read_csv(summary["files"]["equity"])
    assert equity.equity.iloc[-1] == pytest.approx(1 + summary["index_book"]["values"]["total"])
    assert [row["multiple"] for row in summary["costs"]] == [0, 1, 2]
    net = [row["net"] for row in summary["costs"]]
    assert net == sorted(net, reverse=True)
    assert {"part", "slot", "regime", "symbol"} == set(summary["cuts"])
    assert CliRunner().invoke(app, arguments).exit_code == 2
    with pytest.raises(ConfigError):
        evaluate_backtest(MODEL, None, trained_home, tmp_path / "sheet", now=0)


@pytest.mark.nightly
def test_signals_said_in_time_earn_on_paper_what_the_backtest_earns(home: Path, tmp_path: Path) -> None:
    """Five sessions of scheduled signals: the same net, bar by bar; what was filled in later is not traded; a change is named."""
    with world(home, PROVIDER__SESSIONS="126", CANDIDATES="[logistic]") as here:
        assert here.train(here.close(119)).outcome in ("promoted", "provisional")
        for day in range(120, 125):
            for end in here.day(day).tolist():
                here.signal(end)
        summary = trade_on_paper(MODEL, home, here.log, tmp_path / "paper")
        assert (summary["different"], summary["late"], summary["backfilled"], summary["silent"]) == (0, 0, 0, 0)
        assert summary["traded"] == 35
        assert summary["paper_net"] == summary["backtest_net"]
        here.fill(int(here.day(125)[0]), int(here.day(125)[2]), here.close(125))
        from sqlalchemy import text

        with here.log.transaction() as connection:
            connection.execute(
                text("UPDATE signals SET wss = wss + 0.1 WHERE bar_end = :end"), {"end": here.close(121)}
            )
        summary = trade_on_paper(MODEL, home, here.log, tmp_path / "again")
        assert (summary["backfilled"], summary["different"], summary["traded"]) == (3, 1, 35)
        assert instant(summary["differing"][0]["bar_end"]) == here.close(121)
        assert "1 logged signals" in summary["sentence"]


@pytest.mark.nightly
def test_bars_that_came_since_are_traded_too(home: Path, tmp_path: Path) -> None:
    """The champion answers what its kept answers do not reach, and the sheet tells that part on its own."""
    with world(home, PROVIDER__SESSIONS="126", CANDIDATES="[logistic]") as here:
        here.train(here.close(119))
        here.fetch(here.close(125))
        summary = evaluate_backtest(MODEL, None, home, tmp_path / "sheet", now=here.close(125))
    assert {"walk-forward", "hold-out", "since"} == {row["name"] for row in summary["cuts"]["part"]}
    assert instant(summary["span"]["last"]) == here.close(125)


def test_the_settings_reach_the_rules(champion: LoadedModel, history: OutOfSampleHistory) -> None:
    """Costs of the index are its own where they are set; a limit of the settings is one of the engine's."""
    settings = settings_of("test", MM_COSTS__INDEX_BPS="0.5", MM_BACKTEST__FLAT_BY_CLOSE="true")
    chosen = champion.settings.model_copy(update={"costs": settings.costs, "backtest": settings.backtest})
    tested = run_backtest(replace(champion, settings=chosen), history)
    assert tested.index.result.rate == pytest.approx(0.5e-4)
    assert tested.constituents.result.rate == pytest.approx(2e-4)
    nights = tested.index.panel.ends_session
    assert tested.index.rules.flat_by_close
    assert nights.any()


def _log(home: Path) -> PredictionLog:
    return PredictionLog(config.predictions_url({"MM_HOME": str(home)}))


def test_without_signals_there_is_no_paper(trained_home: Path, home: Path, tmp_path: Path) -> None:
    """Nothing was logged: an error that says who logs, and nothing is written."""
    from market_master.domain.errors import NoSignal

    own_copy(trained_home, home)
    with pytest.raises(NoSignal, match="backfill"):
        trade_on_paper(MODEL, home, _log(home), tmp_path / "paper")
    assert not (tmp_path / "paper").exists()
