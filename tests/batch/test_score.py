"""`mm batch`: a folder of bars in, tables and a summary out; no row sees a later bar, and WSS is the one that is served."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from market_master import config
from market_master.artifact.out_of_sample import OutOfSample
from market_master.backtest.history import stored_out_of_sample
from market_master.batch.score import run_batch
from market_master.domain import clock
from market_master.domain.bars import OHLCV, Bars
from market_master.domain.clock import iso
from market_master.domain.errors import ConfigError, IntervalMismatch, NotOhlcv, NotWritten, TooFewBars
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction_log import PredictionLog
from market_master.registry.champion import load_champion
from market_master.registry.tracking_uri import tracking_uri
from market_master.signals.replay import replay_signal
from market_master.signals.scheduled import run_scheduled_signal
from tests.support import ROOT
from tests.support.command_line import mm
from tests.support.servers import MODEL, in_process, own_copy

OUTCOMES = ["outcome", "outcome_return", "outcome_z"]
SESSIONS = 21
"""the classic folder of hourly files"""


@pytest.fixture(scope="module")
def champion(trained_home: Path) -> LoadedModel:
    """The trained home's."""
    return load_champion(trained_home, MODEL)


@pytest.fixture(scope="module")
def bars(champion: LoadedModel, trained_home: Path) -> Bars:
    """Its stored bars."""
    return champion.store(trained_home).bars()


def folder_of(bars: Bars, folder: Path) -> Path:
    """The bars as CSVs, one for each symbol that has some, as a vendor writes them."""
    folder.mkdir(parents=True)
    for symbol, rows in bars:
        if rows.start == rows.stop:
            continue
        frame = pd.DataFrame({name: getattr(bars, name)[rows] for name in OHLCV})
        frame.insert(0, "timestamp", pd.to_datetime(bars.bar_start[rows], unit="s", utc=True))
        frame.to_csv(folder / f"{symbol}_1h.csv", index=False)
    return folder


def newest(bars: Bars, sessions: int) -> Bars:
    """The bars of the last sessions."""
    return bars.take(np.isin(bars.session, np.unique(bars.session)[-sessions:]))


def scored(champion: LoadedModel, path: Path, out: Path, weights: Path | None = None) -> dict[str, Any]:
    """A batch that is not logged."""
    return run_batch(champion, path, weights, out, now=clock.now())


def test_21_days_of_hourly_files(champion: LoadedModel, bars: Bars, tmp_path: Path) -> None:
    """The classic case: a table for each symbol and the index's, in Parquet and CSV, and a summary that counts them."""
    summary = scored(champion, folder_of(newest(bars, SESSIONS), tmp_path / "in"), tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "symbols",
        "index.csv",
        "index.parquet",
        "summary.json",
    }
    files = {file.name for file in (tmp_path / "out" / "symbols").iterdir()}
    assert files == {f"{symbol}.{kind}" for symbol in bars.symbols for kind in ("csv", "parquet")}
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == json.loads(json.dumps(summary))
    index = pd.read_parquet(tmp_path / "out" / "index.parquet")
    tables = {symbol: pd.read_parquet(tmp_path / "out" / "symbols" / f"{symbol}.parquet") for symbol in bars.symbols}
    assert summary["bars"]["answered"] == sum(map(len, tables.values()))
    assert sum(summary["index"]["signals"].values()) == len(index) == summary["index"]["bars"]
    assert summary["index"]["weights"] == "equal"
    scores = {"strong_sell": -2, "sell": -1, "hold": 0, "buy": 1, "strong_buy": 2}
    mean = pd.concat(tables.values()).assign(score=lambda t: t["action"].map(scores)).groupby("bar_end")["score"].mean()
    assert index["wss"].to_numpy() == pytest.approx(mean.to_numpy(), abs=1e-12)
    table = tables["S001"]
    assert table[list(scores)].sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert table["confidence"].tolist() == table[list(scores)].max(axis=1).tolist()
    assert table["outcome"].isna().tolist() == [*[False] * (len(table) - 1), True]


def test_csv_and_parquet_hold_the_same(champion: LoadedModel, bars: Bars, tmp_path: Path) -> None:
    """Every number to the last bit, instants in ISO 8601, what is not known empty."""
    scored(champion, folder_of(newest(bars, SESSIONS), tmp_path / "in"), tmp_path / "out")
    for name in ("index", "symbols/S002"):
        parquet = pd.read_parquet(tmp_path / "out" / f"{name}.parquet")
        csv = pd.read_csv(tmp_path / "out" / f"{name}.csv", float_precision="round_trip")
        assert list(csv) == list(parquet)
        for column in parquet:
            if parquet[column].dtype.kind == "M":
                assert csv[column].tolist() == [iso(int(t.timestamp())) for t in parquet[column]]
            elif parquet[column].notna().any():
                present = parquet[column].notna()
                assert csv[column].notna().tolist() == present.tolist()
                assert csv[column][present].tolist() == parquet[column][present].tolist(), column


def test_files_cut_off_at_t_give_the_same_rows_up_to_t(champion: LoadedModel, bars: Bars, tmp_path: Path) -> None:
    """Bit for bit, in every table; an outcome is the only thing that a later bar tells, and it changes none that is known."""
    ends = np.unique(bars.bar_end)
    late = bars.take(~((bars.code == 1) & (bars.bar_end < ends[400])) & (bars.bar_end >= ends[250]))
    scored(champion, folder_of(late, tmp_path / "in"), tmp_path / "whole")
    for number in (330, 399, 403, 555):
        cut, out = late.until(int(ends[number])), tmp_path / f"out{number}"
        scored(champion, folder_of(cut, tmp_path / f"in{number}"), out)
        names = ["index", *(f"symbols/{file.stem}" for file in (out / "symbols").glob("*.parquet"))]
        assert len(names) == (11 if number == 555 else 10)
        for name in names:
            part, complete = (pd.read_parquet(folder / f"{name}.parquet") for folder in (out, tmp_path / "whole"))
            complete = complete.iloc[: len(part)]
            assert len(part) > 0
            later = [column for column in OUTCOMES if column in part]
            pd.testing.assert_frame_equal(part.drop(columns=later), complete.drop(columns=later), check_exact=True)
            known = part[later[-1]].notna()
            pd.testing.assert_frame_equal(part.loc[known, later], complete.loc[known, later], check_exact=True)
            assert int((~known).sum()) <= 2


@pytest.mark.parametrize("keeping", [False, True], ids=["plain", "keeping"])
def test_wss_is_one_number_wherever_it_is_asked(
    trained_home: Path, bars: Bars, home: Path, tmp_path: Path, keeping: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Server, scheduled signal, replay, batch and backtest agree on the same bars to 1e-12, and on the signal."""
    altered = own_copy(trained_home, home)
    rule = {"MM_POLICY__HYSTERESIS": "0.6", "MM_POLICY__MIN_HOLD": "3"} if keeping else {}
    for name, value in rule.items():
        monkeypatch.setenv(name, value)
    settings = config.load(ROOT / "configs" / "test.yaml", os.environ)
    champion = load_champion(altered, MODEL, settings)
    scored(champion, folder_of(bars, tmp_path / "in"), tmp_path / "out")
    index = pd.read_parquet(tmp_path / "out" / "index.parquet").iloc[-1]
    with in_process(altered, MM_CONFIG=str(ROOT / "configs" / "test.yaml")) as client:
        served = client.get("/signal/index").json()
    log = PredictionLog(config.predictions_url({"MM_HOME": str(altered)}))
    signals = [served]
    if not keeping:
        run_scheduled_signal(settings, altered, log, now=clock.now())
        again = replay_signal(MODEL, None, altered, log, asof=clock.now())
        assert again.identical
        signals.append(again.signal)
    log.close()
    stored = OutOfSample.read(champion.artifact.folder)
    traded = stored_out_of_sample(champion, stored, champion.store(altered).bars()).index
    for signal in signals:
        for name in ("wss", "wss_expected", "wss_z", "coverage"):
            assert getattr(traded, name)[-1] == pytest.approx(signal[name], abs=1e-12, rel=0), name
        assert traded.signal[-1] == signal["signal"]
        assert signal["as_of"] == iso(int(index["bar_end"].timestamp()))
        for name in ("wss", "wss_expected", "wss_z", "coverage", "index_share"):
            assert signal[name] == pytest.approx(index[name], abs=1e-12, rel=0), name
        assert signal["signal"] == index["signal"]


def test_only_what_is_out_of_sample_is_evaluated(champion: LoadedModel, bars: Bars, tmp_path: Path) -> None:
    """Rows up to the last label the champion learned from are marked; the scorecard is of the others, as by hand."""
    summary = scored(champion, folder_of(bars, tmp_path / "in"), tmp_path / "out")
    rows = pd.concat(pd.read_parquet(file) for file in (tmp_path / "out" / "symbols").glob("*.parquet"))
    learned = rows["bar_end"] <= pd.Timestamp(champion.card.label_known)
    assert rows["in_sample"].tolist() == learned.tolist()
    assert summary["in_sample"]["answers"] == int(learned.sum()) > 0
    evaluated = rows[~learned & rows["outcome"].notna()]
    evaluation = summary["evaluation"]
    ic = np.corrcoef(evaluated["expected_score"], evaluated["outcome_z"])[0, 1]
    assert evaluation["rows"] == len(evaluated) > 0
    assert evaluation["scorecard"]["ic"] == pytest.approx(ic)
    assert evaluation["low_sample"]
    index = pd.read_parquet(tmp_path / "out" / "index.parquet")
    index = index[~index["in_sample"] & index["outcome_z"].notna()]
    assert evaluation["index"]["wss_ic"] == pytest.approx(np.corrcoef(index["wss"], index["outcome_z"])[0, 1])


def test_few_sessions_are_not_evaluated_and_the_summary_says_why(
    champion: LoadedModel, bars: Bars, tmp_path: Path
) -> None:
    """Ten sessions are needed; the tables are there all the same."""
    summary = scored(champion, folder_of(newest(bars, 12), tmp_path / "in"), tmp_path / "out")
    assert summary["evaluation"] is None
    assert "10 sessions are needed" in summary["evaluation_reason"]
    assert summary["bars"]["answered"] > 0


def test_what_is_missing_is_told_with_its_reason(champion: LoadedModel, bars: Bars, tmp_path: Path) -> None:
    """A symbol with too few bars, one that is absent at a bar, bars under the floor of coverage."""
    some = newest(bars, SESSIONS)
    ends = np.unique(some.bar_end)
    some = some.take(~((some.code == 9) & (some.bar_end < ends[-30])))
    some = some.take(~((some.code < 3) & (some.bar_end == ends[-5])))
    summary = scored(champion, folder_of(some, tmp_path / "in"), tmp_path / "out")
    lost = {row["symbol"]: row for row in summary["missing"]}
    assert lost["S010"]["reason"] == "30 bars were given, 60 are needed for the features' warm-up."
    assert lost["S001"] == {"symbol": "S001", "bars": 1, "reason": f"no bar that ends {iso(int(ends[-5]))}"}
    assert summary["index"]["without_signal"] == 1
    row = pd.read_parquet(tmp_path / "out" / "index.parquet").iloc[-5]
    assert pd.isna(row["signal"])
    assert row["missing"] == "S001, S002, S003, S010"
    assert row["reason"].startswith("Only 0.600 of the index weight")
    assert not (tmp_path / "out" / "symbols" / "S010.csv").exists()


def test_weights_of_a_file_are_used(champion: LoadedModel, bars: Bars, tmp_path: Path) -> None:
    """With all the weight on one symbol WSS is its score."""
    file = tmp_path / "weights.csv"
    file.write_text("symbol,weight\nS003,1\nELSE,1\n", encoding="utf-8")
    summary = scored(champion, folder_of(newest(bars, SESSIONS), tmp_path / "in"), tmp_path / "out", file)
    index = pd.read_parquet(tmp_path / "out" / "index.parquet")
    table = pd.read_parquet(tmp_path / "out" / "symbols" / "S003.parquet")
    assert index["wss_expected"].to_numpy() == pytest.approx(table["expected_score"].to_numpy(), abs=1e-12)
    assert summary["index"]["index_share"] == 0.5
    assert "low_index_share" in summary["warnings"]


def test_bars_of_another_interval_are_refused(champion: LoadedModel, shared_data: Path, tmp_path: Path) -> None:
    """Ten days of 5-minute bars are not for an hourly champion; nothing is written."""
    frame = pd.read_parquet(shared_data / "us-5m" / "bars.parquet")
    table = frame[frame["symbol"] == frame["symbol"].iloc[0]].head(780)
    table.to_csv(tmp_path / "five.csv", index=False)
    with pytest.raises(IntervalMismatch, match=r"300 seconds \(5m\); 1h bars are asked for"):
        scored(champion, tmp_path / "five.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_but_whole(
    champion: LoadedModel, bars: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder in use, a file that is no bars, too few bars, a disk that breaks: each is an error, and no folder is left."""
    path = folder_of(newest(bars, SESSIONS), tmp_path / "in")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").touch()
    with pytest.raises(ConfigError, match=r"used is there already"):
        scored(champion, path, tmp_path / "used")
    with pytest.raises(TooFewBars, match=r"None of the 10 symbols has the 60 bars that an answer needs"):
        scored(champion, folder_of(newest(bars, 5), tmp_path / "few"), tmp_path / "out")

    def broken(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.csv.write_csv", broken)
        with pytest.raises(NotWritten, match="No space left on device"):
            scored(champion, path, tmp_path / "out")
    (path / "notes.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(NotOhlcv, match=r"notes\.csv"):
        scored(champion, path, tmp_path / "out")
    assert {entry.name for entry in tmp_path.iterdir()} == {"in", "used", "few"}
    assert [entry.name for entry in (tmp_path / "used").iterdir()] == ["mine.txt"]


def test_the_command_logs_its_files(trained_home: Path, bars: Bars, home: Path, tmp_path: Path) -> None:
    """`mm batch` writes, logs the same files to a run of its own, and tells one document; in use, exit 2."""
    altered, out = own_copy(trained_home, home), tmp_path / "out"
    path = folder_of(newest(bars, SESSIONS), tmp_path / "in")
    code, text, message = mm("batch", "--bars", str(path), "--out", str(out), "--json")
    assert code == 0, message
    summary = json.loads(text)
    client = MlflowClient(tracking_uri(altered))
    run = client.get_run(summary["run_id"])
    assert (run.info.status, run.data.tags["kind"]) == ("FINISHED", "batch")
    assert {file.path for file in client.list_artifacts(run.info.run_id, "batch")} == {
        f"batch/{entry.name}" for entry in out.iterdir()
    }
    assert run.data.metrics["answered"] == summary["bars"]["answered"]
    code, _, message = mm("batch", "--bars", str(path), "--out", str(out))
    assert (code, len(message.strip().splitlines()[-1:])) == (2, 1)
    assert "is there already" in message
    code, text, _ = mm("batch", "--bars", str(path), "--out", str(tmp_path / "again"), "--no-log")
    assert code == 0
    assert "equal" in text
    assert json.loads((tmp_path / "again" / "summary.json").read_text())["run_id"] is None
