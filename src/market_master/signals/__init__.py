"""Signals in time: scheduled, settled, replayed, traded on paper."""
