"""Prefect flows. Prefect's own database lies with the home's data; nothing is sent anywhere."""

from pathlib import Path

from market_master.config.environment import home, set_defaults, variables

set_defaults({
    "PREFECT_HOME": str(home() / "data" / "prefect"),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "true",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
})  # fmt: skip
Path(variables()["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
