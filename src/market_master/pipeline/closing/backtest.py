"""Tear sheet of the judged version: what its out-of-sample predictions would have earned."""

from __future__ import annotations

from pathlib import Path

from market_master.backtest.evaluate import report_backtest
from market_master.pipeline.closing import JudgedRun, closing_step


@closing_step(
    name="backtest",
    order=2,
    report="backtest",
    title="The tear sheet: what the answers out of sample would have earned",
)
def write_tear_sheet(judged: JudgedRun) -> Path:
    """The tear sheet of a version that was just judged: data/reports/<run>-backtest.html, and kept with the run."""
    bars, model = judged.experiment.market.bars, judged.experiment.settings.registry.model
    return report_backtest(judged.run, bars, judged.version, model, judged.home)
