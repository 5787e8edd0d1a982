"""What was predicted, by whom, and what came of it: written once, never rewritten; SQLite by default, PostgreSQL by URL."""

from market_master.prediction_log.log import PredictionLog
from market_master.prediction_log.writer import Writer

__all__ = ["PredictionLog", "Writer"]
