"""Prediction log: predictions, signals and outcomes, each written once.

SQLite by default, PostgreSQL by URL.
"""

from market_master.prediction_log.log import BACKFILLED, PredictionLog
from market_master.prediction_log.tables import Row
from market_master.prediction_log.writer import Writer

__all__ = ["BACKFILLED", "PredictionLog", "Row", "Writer"]
