"""Backtests: what decisions would have earned, and how far that may be luck."""
