"""Alerts: one open at a time for each model and cause, delivered until somebody has it."""

from market_master.monitoring.alerts.book import Alert, Book
from market_master.monitoring.alerts.delivery import Addresses, deliver

__all__ = ["Addresses", "Alert", "Book", "deliver"]
