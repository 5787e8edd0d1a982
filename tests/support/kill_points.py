"""The kill matrix: chains of points, killed one after the other in one home before a run goes to its end.

What each leaves and what the next run does is told in docs/operations.md, by the same names.
"""

from __future__ import annotations

from tests.support.kill_points_runner import Point

APPEND = "market_master.registry.journal:append_atomic"
SET_ALIAS = "market_master.registry.versions:Versions.set_alias"
SET_OUTCOME = "market_master.registry.versions:Versions.set_outcome"
BARS = "market_master.market_data.store.bars:write_atomic"
REPLACE = "pathlib:Path.replace"
RECENT = "market_master.market_data.store.recent:write"
WRITE = "market_master.prediction_log.log:PredictionLog.write"
SIGNALS = "market_master.prediction_log.log:PredictionLog.write_signals"
EXECUTE = "sqlalchemy.engine:Connection.execute"
SPILL = "market_master.prediction_log.writer:append_atomic"
CREATE_RUN = "mlflow:MlflowClient.create_run"
KEEP = "market_master.training.fit_cache:write_atomic"
CERTIFICATE = "market_master.leakage.certificate:write_atomic"
LOG_MODEL = "mlflow.onnx:log_model"
CREATE_VERSION = "mlflow:MlflowClient.create_model_version"
DECISION = "market_master.gate.decide:write_atomic"
GATE_PAGE = "market_master.gate.page:write_page"
DRIFT_PAGE = "market_master.pipeline.closing.drift:write_page"
SUMMARY = "market_master.pipeline.story:write_atomic"
FINISH = "market_master.registry.tracking:Run.finish"
SETTLE_STEP = "market_master.signals.scheduled:settle_outcomes"
SETTLE = "market_master.prediction_log.log:PredictionLog.settle"
UNLINK = "pathlib:Path.unlink"


def _entry(event: str) -> str:
    return f'"event": "{event}"'


CHAINS: tuple[tuple[Point, ...], ...] = (
    (
        Point("training", "between two symbols' bars", BARS, "before", "S005.parquet"),
        Point("training", "a symbol's bars written, not yet in place", REPLACE, "before", ".S007.parquet"),
        Point("training", "all bars in place", RECENT, "before"),
        Point("training", "MLflow's run made", CREATE_RUN, "after"),
        Point("training", "three fits done", KEEP, "after", nth=3),
        Point("training", "laws proved, certificate not written", CERTIFICATE, "before"),
        Point("training", "model logged, no version of it", LOG_MODEL, "after"),
        Point("training", "version made, no alias", CREATE_VERSION, "after"),
        Point("training", "alias `challenger` moved", SET_ALIAS, "after", "challenger"),
        Point("training", "half a line `registered`", APPEND, "half-way", _entry("registered")),
    ),
    (Point("training", "look written, not taken", APPEND, "after", _entry("looked")),),
    (
        Point("training", "judged, decision not written", DECISION, "before", "decision.json"),
        Point("training", "the gate's page written", GATE_PAGE, "after"),
    ),
    (Point("training", "`intended` written", APPEND, "after", _entry("intended")),),
    (Point("training", "outcome noted on the version", SET_OUTCOME, "after"),),
    (Point("training", "`production` moved", SET_ALIAS, "after", "production"),),
    (Point("training", "half the entry of the promotion", APPEND, "half-way", _entry("provisional")),),
    (
        Point("training", "promotion written", APPEND, "after", _entry("provisional")),
        Point("training", "before the drift page", DRIFT_PAGE, "before"),
        Point("training", "before the summary", SUMMARY, "before", "summary.json"),
        Point("training", "before the run is closed", FINISH, "before"),
    ),
    (
        Point("signal", "between two symbols' bars", BARS, "before", "S005.parquet"),
        Point("signal", "a symbol's bars written, not yet in place", REPLACE, "before", ".S007.parquet"),
        Point("signal", "all bars in place", RECENT, "before"),
    ),
    (
        Point("signal", "before earlier predictions are settled", SETTLE_STEP, "before"),
        Point("signal", "three outcomes in an open transaction", EXECUTE, "after", "UPDATE predictions", nth=3),
    ),
    (Point("signal", "before the predictions are logged", WRITE, "before", "S005"),),
    (
        Point("signal", "predictions logged", WRITE, "after", "S005"),
        Point("signal", "signal in an open transaction", EXECUTE, "after", "INSERT INTO signals"),
    ),
    (Point("signal", "signal logged", SIGNALS, "after", "SIM30"),),
    (
        Point("promote", "half a line `intended`", APPEND, "half-way", _entry("intended")),
        Point("promote", "`intended` written", APPEND, "after", _entry("intended")),
        Point("promote", "outcome noted on the version", SET_OUTCOME, "after"),
    ),
    (Point("promote", "`production` moved", SET_ALIAS, "after", "production"),),
    (Point("promote", "`previous` moved", SET_ALIAS, "after", "previous"),),
    (
        Point("promote", "half the entry of the promotion", APPEND, "half-way", _entry("promoted")),
        Point("mend", "before `previous` follows", SET_ALIAS, "before", "previous"),
        Point("mend", "`recovered` written", APPEND, "after", _entry("recovered")),
    ),
    (Point("promote", "promotion written", APPEND, "after", _entry("promoted")),),
    (
        Point("rollback", "`intended` written", APPEND, "after", _entry("intended")),
        Point("rollback", "before `production` moves", SET_ALIAS, "before", "production"),
    ),
    (Point("rollback", "`production` moved", SET_ALIAS, "after", "production"),),
    (Point("rollback", "`previous` moved", SET_ALIAS, "after", "previous"),),
    (Point("rollback", "half the entry of the rollback", APPEND, "half-way", _entry("rolled_back")),),
    (
        Point("settle", "three outcomes in an open transaction", EXECUTE, "after", "UPDATE predictions", nth=3),
        Point("settle", "outcomes logged", SETTLE, "after"),
    ),
    (Point("spill", "half-way through the rows", SPILL, "half-way"),),
    (Point("spill", "rows on disk", SPILL, "after"),),
    (
        Point("drain", "before the rows are logged", WRITE, "before", "S001"),
        Point("drain", "rows logged, file still there", UNLINK, "before", ".jsonl"),
    ),
)
POINTS = tuple(point for chain in CHAINS for point in chain)
