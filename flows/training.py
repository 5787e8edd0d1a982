"""The training flow: fetch -> features -> label -> train_compare -> register -> gate -> promote -> predict_index -> report."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows.tasks import as_tasks
from market_master import config, store
from market_master.config import Settings
from market_master.steps.training import Outcome, train


@flow(name="training", flow_run_name="training-{settings.name}", validate_parameters=True)
def training(settings: Settings, dev: bool = False) -> Outcome:
    """Train on the configured bars, judge the winner, promote it if the gate passes, and make one index signal."""
    return train(settings, config.home(), now=store.now(), dev=dev, steps=as_tasks())


def run_training(settings: Settings, home: Path, *, dev: bool = False) -> Outcome:
    """Run the flow in this process, on a Prefect server of its own if none is configured."""
    assert home == config.home(), "the flow reads its home from MM_HOME"
    return training(settings, dev)
