"""How the world looks now against the champion's training: our own alarms, and Evidently's page for the reviewer."""

from market_master.drift.readings import OK, TOO_LITTLE, Reading, compared

__all__ = ["OK", "TOO_LITTLE", "Reading", "compared"]
