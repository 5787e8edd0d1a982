"""The server needs no training library: it starts and answers where none can be imported."""

from __future__ import annotations

import httpx
import pytest

from tests.support.servers import newest_bars, on_a_port

HEAVY = (
    "pandas",
    "sklearn",
    "scipy",
    "xgboost",
    "lightgbm",
    "mlflow",
    "pyarrow",
    "exchange_calendars",
    "prefect",
    "polars",
    "jinja2",
)
WITHOUT = f"""
import runpy, sys

class Missing:
    def find_spec(self, name, *_):
        top = name.split(".")[0]
        if top in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named '{{top}}'", name=top)

sys.meta_path.insert(0, Missing())
runpy.run_module("api", run_name="__main__")
"""


@pytest.mark.long
def test_requests_are_answered_without_the_training_libraries(trained_home) -> None:
    """Posted and stored bars, features and the index: NumPy, TA-Lib and onnxruntime suffice; the registry has its own process."""
    with on_a_port(trained_home, ("-c", WITHOUT)) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/ready").json()["note"] == ""
        by_post, by_store = (
            client.post("/predict", json=newest_bars(trained_home)).json(),
            client.get("/predict/S001").json(),
        )
        for name, value in by_post["probabilities"].items():
            assert abs(value - by_store["probabilities"][name]) <= 1e-9
        for path in ("/signal/index", "/features/S001?lookback=3", "/models", "/models/1", "/signal/history", "/drift"):
            assert client.get(path).status_code == 200, path
