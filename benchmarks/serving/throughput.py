"""Requests a second beside `mlflow models serve`, with a forest of scikit-learn and with the champion's own graph."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.table import Table

from benchmarks.serving.bodies import distinct
from benchmarks.serving.servers import MODEL, console, mlflow_server, rate, server
from market_master import features
from market_master.domain.model_inputs import model_inputs
from market_master.plugins import load_family
from market_master.prediction.loaded_model import LoadedModel
from market_master.training.dataset import label_bars


def throughput(champion: LoadedModel, home: Path, facts: str) -> None:
    """Requests a second over 16 connections: ours from raw bars, MLflow's own server from ready inputs.

    MLflow serves a forest as scikit-learn logs it, and the champion's graph as we do: what the form is worth, and the rest.
    """
    row = json.dumps({"inputs": champion.artifact.example["inputs"][:1]}).encode()
    bodies = distinct(champion, home, 60, 6000)
    with (
        TemporaryDirectory() as folder,
        server("api", home) as api,
        mlflow_server(home, sklearn_forest(home, champion, Path(folder) / "forest")) as forest,
        mlflow_server(home, f"models:/{MODEL}@production") as graph,
    ):
        loads = {
            "Market Master": (api, "/predict", bodies),
            "mlflow models serve, a forest of scikit-learn": (forest, "/invocations", [row] * 900),
            "mlflow models serve, the champion's graph": (graph, "/invocations", [row] * 3600),
        }
        rates: dict[str, list[float]] = {name: [] for name in loads}
        for part in range(4):
            for name, (port, path, requests) in loads.items():
                quarter = len(requests) // 4
                rates[name].append(rate(port, path, requests[part * quarter : (part + 1) * quarter]))
    medians = {name: float(np.median(values[1:])) for name, values in rates.items()}
    table = Table("server", "from", "requests / s", "ours to it", title=f"throughput; {facts}")
    for name, requests_a_second in medians.items():
        ratio = "" if name == "Market Master" else f"{medians['Market Master'] / requests_a_second:.1f}"
        table.add_row(name, "a ready row" if ratio else "60 raw bars", f"{requests_a_second:,.0f}", ratio)
    console.print(table)


def sklearn_forest(home: Path, champion: LoadedModel, folder: Path) -> str:
    """Our random forest fitted on the stored bars, kept as MLflow keeps scikit-learn's; returns its folder."""
    import mlflow

    card, bars = champion.card, champion.store(home).bars()
    action = label_bars(bars, champion.settings).labels
    values = features.compute(bars, card.features, members=card.members)
    rows = np.flatnonzero(action.known & np.isfinite(values).all(axis=1))
    rows = rows[:: len(rows) // 60_000 + 1]
    inputs = model_inputs(values[rows], bars.symbols, bars.code[rows], card.symbols)
    forest = load_family("models")["random_forest"].factory(symbols=len(card.symbols), seed=1)
    forest.fit(inputs, action.action[rows])
    mlflow.sklearn.save_model(
        forest, str(folder), pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )  # fmt: skip
    return str(folder)
