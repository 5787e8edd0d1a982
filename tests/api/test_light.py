"""The server needs no training library: it starts and answers where none can be imported."""

from __future__ import annotations

import re
from importlib.metadata import packages_distributions

import httpx
import pytest
from packaging.utils import canonicalize_name

from tests.support import ROOT
from tests.support.servers import newest_bars, on_a_port, registry_was_asked, wait_for


def _absent_packages() -> set[str]:
    """What is installed here and not in the lean server's environment; and MLflow, which only the registry's process imports."""
    lock = (ROOT / "requirements-serve.lock").read_text(encoding="utf-8")
    lean = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    return {"mlflow"} | {
        package
        for package, names in packages_distributions().items()
        if not lean & {canonicalize_name(name) for name in names}
    }


WITHOUT = f"""
import runpy, sys

class Missing:
    def find_spec(self, name, *_):
        top = name.split(".")[0]
        if top in {_absent_packages()!r}:
            raise ModuleNotFoundError(f"No module named '{{top}}'", name=top)

sys.meta_path.insert(0, Missing())
runpy.run_module("api", run_name="__main__")
"""


@pytest.mark.long
def test_requests_are_answered_without_the_training_libraries(trained_home) -> None:
    """Posted and stored bars, features and the index: NumPy and onnxruntime suffice; the registry has its own process."""
    with on_a_port(trained_home, ("-c", WITHOUT)) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        wait_for(lambda: registry_was_asked(client.get("/ready")))
        assert client.get("/ready").json()["note"] == ""
        by_post, by_store = (
            client.post("/predict", json=newest_bars(trained_home)).json(),
            client.get("/predict/S001").json(),
        )
        for name, value in by_post["probabilities"].items():
            assert abs(value - by_store["probabilities"][name]) <= 1e-9
        for path in ("/signal/index", "/features/S001?lookback=3", "/models", "/models/1", "/signal/history", "/drift"):
            assert client.get(path).status_code == 200, path
