"""The pipeline end to end: what it promotes, what it refuses, and what it leaves behind when it breaks."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from market_master.artifact.model_card import ModelCard
from market_master.domain import clock
from market_master.domain.errors import (
    FetchCoverage,
    FingerprintMismatch,
    MarketMasterError,
    ModelError,
    NotPromotable,
    TooFewBars,
)
from market_master.domain.records import as_json
from market_master.gate.decide import rejudge
from market_master.leakage import LAWS
from market_master.leakage.certificate import Certificate
from market_master.lifecycle import promote
from market_master.pipeline import STEPS, Outcome, Steps, train
from market_master.pipeline.closing import ClosingStep, JudgedRun
from market_master.registry.champion import load_champion
from market_master.registry.journal import journal_of
from market_master.registry.versions import Versions
from tests.support.nightly import nightly_after
from tests.support.quick_training import QUICK, train_quickly, warm_up
from tests.support.servers import own_copy
from tests.support.trained_home import rejected_settings, settings_of


def test_a_planted_edge_is_found_and_served(trained_home: Path) -> None:
    """On the simulated market with an edge the run ends with a version behind `production` and an index signal."""
    outcome = json.loads((trained_home / "outcome.json").read_text())
    assert outcome["outcome"] in ("promoted", "provisional")
    assert Versions(trained_home, "market-master").production() == outcome["version"] == "1"
    assert outcome["signal"]["signal"] in ("BUY", "HOLD", "SELL")
    winner = next(card for card in outcome["leaderboard"] if card["candidate"] == outcome["winner"])
    assert winner["dir"] > 0
    for part in ("summary.json", "settings.json", "decision.json", "leaderboard.json", "charts"):
        assert (trained_home / "data" / "runs" / outcome["run_id"] / part).exists(), part


@pytest.mark.long
def test_evidentlys_page_is_written_and_kept_with_the_run(warm_home: Path) -> None:
    """One run with Evidently: a whole page in data/reports/, and the same page as the run's artefact."""
    outcome = train(settings_of("test", **QUICK), warm_home, now=clock.now())
    page = Path(outcome.reports["drift"])
    assert "</html>" in page.read_text(encoding="utf-8")[-200:]
    kept = mlflow.artifacts.download_artifacts(run_id=outcome.run_id, artifact_path=f"reports/{page.name}")
    assert Path(kept).read_bytes() == page.read_bytes()


def test_the_journal_tells_the_promotion(trained_home: Path) -> None:
    """Registered, looked, intended, then done: each with a reason, in one chain."""
    entries = journal_of(trained_home).entries()
    outcome = json.loads((trained_home / "outcome.json").read_text())["outcome"]
    assert [entry.event for entry in entries] == ["registered", "looked", "intended", outcome]
    assert all(entry.reason for entry in entries)
    assert entries[-1].verdicts


def test_few_sessions_are_provisional_at_most(trained_home: Path) -> None:
    """100 sessions are fewer than 4 x 60: whatever the numbers, nothing is called skilled, and everywhere it says paper."""
    outcome = json.loads((trained_home / "outcome.json").read_text())
    assert outcome["outcome"] == "provisional"
    assert outcome["signal"]["paper"] is True
    assert outcome["signal"]["model"]["provisional"] is True


def test_the_version_carries_all_that_serving_needs(trained_home: Path) -> None:
    """Graph and card lie in the version; the graph's hash, the feature code and the classes are the card's."""
    champion = load_champion(trained_home, "market-master")
    card = champion.card
    assert card.graph_sha256 == champion.artifact.graph.sha256
    assert set(card.fingerprints) == set(card.features)
    assert card.warmup < 60
    assert card.parity <= 1e-5
    assert ModelCard.from_json(card.to_json()) == card
    assert card.label["k1"] < card.label["k2"]


def test_a_changed_feature_is_refused_by_name(trained_home: Path) -> None:
    """A card whose feature code is not the running one can't be served; the error names the feature."""
    model = load_champion(trained_home, "market-master").artifact
    name = model.card.features[3]
    running = {**model.card.fingerprints, name: "0" * 16}
    with pytest.raises(FingerprintMismatch, match=name):
        model.card.verify_features(running)
    with pytest.raises(ModelError, match="altered"):
        replace(model.card, bars_graph_sha256="0" * 64).verify_graphs(model.graph, model.bars_graph)
    with pytest.raises(ModelError, match="needs 60 bars of a symbol, its card says 61"):
        replace(model.card, required_bars=61).verify_graphs(model.graph, model.bars_graph)


@pytest.mark.long
def test_noise_is_rejected_and_the_alias_stays(rejected_home: Path) -> None:
    """The same market without an edge ends rejected with reasons; with no champion before, there is no signal, and why."""
    outcome = json.loads((rejected_home / "outcome.json").read_text())
    assert outcome["outcome"] == "rejected"
    assert outcome["reason"]
    assert outcome["signal"] is None
    assert "production" in (outcome["signal_reason"] or "")
    assert Versions(rejected_home, "market-master").production() is None
    assert journal_of(rejected_home).entries()[-1].event == "rejected"


def _decision(home: Path, outcome: Outcome) -> dict[str, Any]:
    file = home / "data" / "runs" / outcome.run_id / "decision.json"
    decision: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return decision


@pytest.mark.long
def test_the_next_run_meets_the_champion(trained_home: Path, home: Path) -> None:
    """The champion's own recipe again is a refresh: compared on the same bars, counted, and let through when not worse."""
    again = train_quickly(own_copy(trained_home, home), settings_of("test"))
    decision = _decision(home, again)
    verdicts = {verdict["rule"]: verdict for verdict in again.verdicts}
    assert (decision["lane"], decision["champion_version"]) == ("refresh", "1")
    for rule in ("beats_champion", "recipe_beats_champion"):
        assert "champion version 1" in verdicts[rule]["reason"]
        assert verdicts[rule]["passed"]
        assert verdicts[rule]["severity"] == "block"
    assert again.outcome == "provisional"
    looks = [entry.details["lane"] for entry in journal_of(home).entries() if entry.event == "looked"]
    assert looks == ["new_recipe", "refresh"]


@pytest.mark.long
def test_a_new_recipe_is_refused_a_hold_out_that_was_seen(trained_home: Path, home: Path) -> None:
    """On the same bars another recipe gets no look: rejected, with how long to wait; with newer bars it would get one."""
    outcome = train_quickly(own_copy(trained_home, home), settings_of("test", MM_CANDIDATES="[svc]"))
    assert outcome.outcome == "rejected"
    assert [verdict["rule"] for verdict in outcome.verdicts] == ["fresh_holdout"]
    assert "Wait for 10 more sessions" in outcome.reason
    assert _decision(home, outcome)["holdout"] is None
    assert len([entry for entry in journal_of(home).entries() if entry.event == "looked"]) == 1
    assert Versions(home, "market-master").production() == "1"


@pytest.mark.long
def test_the_same_recipe_on_the_same_bars_gets_its_recorded_decision(rejected_home: Path, home: Path) -> None:
    """A rejected recipe that comes again is not looked at again."""
    first = json.loads((rejected_home / "outcome.json").read_text())
    again = train_quickly(own_copy(rejected_home, home), rejected_settings())
    assert (first["outcome"], again.outcome, again.version) == ("rejected", "rejected", "2")
    assert "judged on these very bars" in again.reason
    assert as_json(again)["verdicts"] == first["verdicts"]
    assert len([entry for entry in journal_of(home).entries() if entry.event == "looked"]) == 1


def test_a_decision_can_be_made_again_from_its_record(trained_home: Path) -> None:
    """Every gain from its days, every rule from the evidence: the same verdicts, outcome and reason."""
    outcome = Outcome(**json.loads((trained_home / "outcome.json").read_text()))
    decision = _decision(trained_home, outcome)
    again = rejudge(decision)
    assert (again.outcome, again.reason) == (decision["outcome"], decision["reason"])
    assert [asdict(verdict) for verdict in again.verdicts] == decision["verdicts"]
    forged = json.loads(json.dumps(decision))
    days = forged["record"]["evidence"]["against_prior"]["rps_daily"]
    forged["record"]["evidence"]["against_prior"]["rps_daily"] = [-abs(day) for day in days]
    assert "not_worse_than_prior" in {v.rule for v in rejudge(forged).verdicts if not v.passed}


def test_the_certificate_lies_beside_the_version(trained_home: Path) -> None:
    """All eleven laws were checked and hold; the card names the certificate, and the gate's page is kept too."""
    champion = load_champion(trained_home, "market-master").artifact
    kept = Certificate.from_json(
        (trained_home / "data" / "certificates" / f"{champion.card.certificate}.json").read_text()
    )
    assert kept.key == champion.card.certificate
    assert (set(kept.laws), kept.broken) == (set(LAWS), ())
    folder = Path(mlflow.artifacts.download_artifacts("models:/market-master/1"))
    assert Certificate.from_json((folder / "certificate.json").read_text()).key == kept.key
    outcome = json.loads((trained_home / "outcome.json").read_text())
    page = (folder / Path(outcome["reports"]["gate"]).name).read_text(encoding="utf-8")
    for told in (
        "Verdicts",
        "Leaderboard",
        "Calibration",
        "Segments",
        "Leak suite",
        "Limits",
    ):
        assert told in page, told
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org/", "").replace("https://matplotlib.org/", "").replace(
        "http://purl.org", ""
    ).replace("http://creativecommons.org", "")


@pytest.mark.nightly
def test_results_do_not_depend_on_the_number_of_workers(home: Path) -> None:
    """One worker or two, each in a home of its own: the same leaderboard, bit for bit."""
    boards = []
    for workers in ("1", "2"):
        outcome = train_quickly(home / workers, settings_of("test", MM_RUNNER__WORKERS=workers), dev=True)
        boards.append([{k: v for k, v in card.items() if k != "fit_seconds"} for card in outcome.leaderboard])
    assert boards[0] == boards[1]


def test_a_dev_run_does_not_look_at_the_hold_out(warm_home: Path) -> None:
    """`--dev` compares and stops: nothing registered, nothing in the journal, no alias."""
    outcome = train_quickly(warm_home, settings_of("test", **QUICK), dev=True)
    assert outcome.outcome == "compared"
    assert outcome.version is None
    assert journal_of(warm_home).entries() == []
    assert Versions(warm_home, "market-master").all() == []


@pytest.mark.long
@pytest.mark.parametrize("broken", [name for name in STEPS if name != "predict_index"])
def test_a_failed_step_is_named_and_leaves_the_alias(warm_home: Path, broken: str) -> None:
    """Whatever step fails, the error names it, the alias stays where it was, and no half-written file is left."""

    def fail(*_: Any, **__: Any) -> None:
        raise MarketMasterError("the disk is on fire")

    with pytest.raises(MarketMasterError, match="on fire") as caught:
        train_quickly(warm_home, settings_of("test", **QUICK), steps=replace(Steps(), **{broken: fail}))
    assert caught.value.__notes__ == [f"The step '{broken}' failed."]
    assert Versions(warm_home, "market-master").production() is None
    assert not list(warm_home.rglob("*.part"))


@pytest.mark.long
def test_the_outcome_is_announced_before_the_reports_are_made(warm_home: Path) -> None:
    """Outcome and signal are told once, the gate's page alone beside them; a report that then fails is named."""
    heard: list[Outcome] = []

    def fail(judged: JudgedRun) -> Path:
        assert [outcome.version for outcome in heard] == [judged.version]
        raise MarketMasterError("the disk is full")

    steps = Steps(closing=(ClosingStep("report", "drift", "a page", fail),))
    with pytest.raises(MarketMasterError, match="full") as caught:
        train_quickly(warm_home, settings_of("test", **QUICK), steps=steps, announce=heard.append)
    assert caught.value.__notes__ == ["The step 'report' failed."]
    (outcome,) = heard
    assert outcome.signal is not None
    assert set(outcome.reports) == {"gate"}
    assert list(outcome.timings) == list(STEPS)
    assert Versions(warm_home, "market-master").production() == outcome.version


@pytest.mark.long
def test_a_rejected_version_can_not_be_promoted_by_hand(rejected_home: Path) -> None:
    """There is no force: only a version that passed the gate can stand behind `production`."""
    with pytest.raises(NotPromotable, match="rejected"):
        promote.promote_by_hand("1", "anna", "because", "market-master", rejected_home)
    assert Versions(rejected_home, "market-master").production() is None


def test_nothing_fetched_fails_and_leaves_the_alias(home: Path) -> None:
    """With the source away the run fails; it never goes on with nothing, or with invented bars (rivals.md 1.2, 1.17)."""
    settings = settings_of("us_1h", MM_PROVIDER__PATH=str(home / "nowhere.parquet"))
    with pytest.raises(MarketMasterError, match=r"nowhere\.parquet"):
        train_quickly(home, settings)
    assert Versions(home, "market-master").production() is None


def test_too_little_of_the_index_fails(home: Path) -> None:
    """A fetch that leaves under 80 % of the universe's weight fails with the numbers, and stores nothing."""
    frame = pd.DataFrame({"symbol": ["A", "B", "C"], "weight": [0.5, 0.3, 0.2]})
    frame.to_csv(home / "weights.csv", index=False)
    bars = pd.DataFrame({"timestamp": pd.date_range("2025-03-03 14:30", periods=6, freq="h", tz="UTC")})
    bars = bars.assign(symbol="A", open=10.0, high=11.0, low=9.0, close=10.0, volume=5.0)
    bars.to_parquet(home / "bars.parquet")
    settings = settings_of(
        "us_1h",
        MM_PROVIDER__PATH=str(home / "bars.parquet"),
        MM_UNIVERSE__SYMBOLS="[A, B, C]",
        MM_UNIVERSE__WEIGHTS=str(home / "weights.csv"),
        MM_UNIVERSE__BENCHMARK="null",
    )
    with pytest.raises(FetchCoverage, match=r"50\.0%.*80%.*B, C"):
        train_quickly(home, settings)
    assert not (home / "data" / "bars").exists()


def test_too_few_sessions_are_refused(home: Path) -> None:
    """Below 15 sessions there is nothing to train on; the two numbers are told."""
    with pytest.raises(TooFewBars, match=r"15 sessions, 10"):
        train_quickly(home, settings_of("test", MM_PROVIDER__SESSIONS="10"))


@pytest.mark.nightly
def test_fetching_again_changes_nothing(home: Path) -> None:
    """The store is append-only: a second run of the same source adds no bar."""
    outcomes = [train_quickly(home, settings_of("test", **QUICK), dev=True) for _ in range(2)]
    assert outcomes[0].data["written"]["added"] == outcomes[0].data["rows"]
    assert outcomes[1].data["written"] == {"added": 0, "known": outcomes[0].data["rows"], "conflicts": 0}
    assert outcomes[0].data["data_hash"] == outcomes[1].data["data_hash"]


@pytest.mark.nightly
def test_two_homes_in_one_process_are_two_registries(trained_home: Path, home: Path) -> None:
    """A home's versions stay its own, though MLflow remembers the last store it was told."""
    for name in ("one", "other"):
        warm_up(home / name, trained_home)
        assert train_quickly(home / name, settings_of("test", **QUICK)).version == "1"
    assert Versions(home / "one", "market-master").production() == "1"


@pytest.mark.long
def test_noise_and_demo_never_share_a_series(warm_home: Path) -> None:
    """Two simulated markets are two sources; the bars of one never mix with the other's."""
    one = train_quickly(warm_home, settings_of("test", **QUICK), dev=True)
    other = train_quickly(warm_home, settings_of("test", MM_PROVIDER__EDGE="0.0", **QUICK), dev=True)
    assert one.data["source"] != other.data["source"]
    assert other.data["written"]["conflicts"] == 0


def test_the_hold_out_lies_after_all_that_was_learned(trained_home: Path) -> None:
    """The gate's bars begin after the last label any model saw (rivals.md 1.1)."""
    outcome = json.loads((trained_home / "outcome.json").read_text())
    verdict = next(v for v in outcome["verdicts"] if v["rule"] == "untouched_holdout")
    assert verdict["passed"]
    assert verdict["value"] > verdict["limit"]


@pytest.mark.long
@pytest.mark.parametrize("candidates", nightly_after(1, ["[logistic]", "[logistic, mlp]"]))
def test_real_hourly_bars_end_with_a_reasoned_outcome(home: Path, shared_data: Path, candidates: str) -> None:
    """A slice of real bars (8 symbols, with market features and real weights) runs to an outcome with its reasons."""
    frame = pd.read_parquet(shared_data / "us-1h-aligned" / "bars.parquet")
    kept = ["AAPL", "AMZN", "MSFT", "NVDA", "COST", "PEP", "QQQ", "KO"]
    frame[frame["symbol"].isin(kept) & (frame["timestamp"] >= "2024-09-01")].to_parquet(home / "bars.parquet")
    settings = settings_of(
        "us_1h",
        MM_PROVIDER__PATH=str(home / "bars.parquet"),
        MM_UNIVERSE__WEIGHTS=str(shared_data / "weights" / "weights.csv"),
        MM_CANDIDATES=candidates,
        MM_FOLDS__SPLITS="3",
    )
    outcome = train_quickly(home, settings)
    assert outcome.outcome in ("promoted", "provisional", "rejected")
    assert outcome.reason
    assert outcome.data["constituents"] == 6
    assert outcome.data["index_share"] < 0.8
    assert np.isfinite([card["rps"] for card in outcome.leaderboard]).all()


def test_every_step_is_told(warm_home: Path) -> None:
    """Whoever watches hears each step begin and end."""
    from market_master.progress import progress_listener

    heard: list[tuple[str, int, int]] = []
    with progress_listener(lambda *said: heard.append(said)):
        train_quickly(warm_home, settings_of("test", **QUICK), dev=True)
    assert [said[0] for said in heard if said[1:] == (0, 1)] == ["fetch", "features", "label", "train_compare"]
