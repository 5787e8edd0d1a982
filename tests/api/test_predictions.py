"""What is served is logged: once by key, without delaying or failing an answer."""

from __future__ import annotations

from pathlib import Path

from market_master.domain import clock
from market_master.prediction_log import PredictionLog
from market_master.signals.settlement import settle_outcomes
from tests.support.servers import MODEL, in_process, newest_bars, wait_for


def test_what_is_served_is_logged_once(altered: Path) -> None:
    """Every constituent at the newest stored bar, the index signal, and bars that were posted; a repeat adds nothing."""
    early = newest_bars(altered, count=64)
    early["bars"] = early["bars"][:-3]
    with in_process(altered) as running:
        for _ in range(2):
            response = running.post("/predict", json=early).json()
            running.get("/predict/S001")
            running.get("/signal/index")
        log = running.app.state.model_server.prediction_log
        symbols = len(running.get("/signal/index").json()["constituents"])
        wait_for(lambda: log.count() == symbols + 1)
        rows = running.get("/predictions/recent").json()
        (posted,) = [row for row in rows if row["source"] == "posted"]
        assert posted["probabilities"] == response["probabilities"]
        assert (posted["as_of"], posted["action"], posted["version"]) == (response["as_of"], response["action"], "1")
        assert posted["outcome"] is None
        assert len(running.get("/predictions/recent", params={"symbol": "S002"}).json()) == 1
        assert running.get("/predictions/recent", params={"limit": 0}).status_code == 422
        (signal,) = log.signals(10)
        assert signal["signal"] == running.get("/signal/index").json()["signal"]
    later = PredictionLog(f"sqlite:///{altered / 'data' / 'predictions.db'}")
    assert settle_outcomes(later, MODEL, altered, now=clock.now())["settled"] == 1
    later.close()
    with in_process(altered) as running:
        (posted,) = [row for row in running.get("/predictions/recent").json() if row["source"] == "posted"]
        assert posted["outcome"] in response["probabilities"]
        assert posted["settled_at"] is not None


def test_a_log_that_is_away_changes_no_answer(altered: Path) -> None:
    """The route that reads it says so; predicting goes on, and what was predicted waits on disk."""
    with in_process(altered, MM_PREDICTIONS_URL="postgresql+psycopg://mm:hidden@127.0.0.1:9/mm") as running:
        assert running.post("/predict", json=newest_bars(altered)).status_code == 200
        assert running.get("/signal/index").status_code == 200
        away = running.get("/predictions/recent")
        assert (away.status_code, away.json()["title"]) == (503, "LogAway")
        assert "hidden" not in away.text
        wait_for(lambda: any((altered / "data" / "spill").glob("*.jsonl")))
    with in_process(altered) as running:
        wait_for(lambda: not any((altered / "data" / "spill").glob("*.jsonl")))
        assert running.app.state.model_server.prediction_log.count() > 0
