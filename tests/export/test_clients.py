"""The clients of docs/serving.md, as they stand there, answer as the API does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market_master import features
from market_master.artifact.bars_graph import BarsGraph
from market_master.artifact.raw_columns import newest_rows, raw_columns
from market_master.decision.calibration import Calibration
from market_master.domain import CLASSES, OHLCV, iso
from market_master.domain.model_inputs import model_inputs
from market_master.export.estimator import to_onnx
from market_master.export.version_graph import version_graph
from market_master.plugins import load_family
from tests.support import ROOT
from tests.support.command_line import mm
from tests.support.feature_markets import plain
from tests.support.servers import in_process

NODE_MODULES = ROOT / ".venv" / "node" / "node_modules"
MOST_LINES = 30
LANGUAGES = {"python": "client.py", "javascript": "client.mjs"}


def code(language: str) -> str:
    """The one block of a language on the page."""
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return block


def client_answer(language: str, folder: Path, graph: Path, request: Path) -> dict[str, Any]:
    """What the client prints, run by itself."""
    file = folder / LANGUAGES[language]
    file.write_text(code(language), encoding="utf-8")
    if language == "javascript":
        if not NODE_MODULES.is_dir() or shutil.which("node") is None:
            pytest.skip("no Node.js with onnxruntime-node in .venv/node: the JavaScript client was not tried")
        (folder / "node_modules").symlink_to(NODE_MODULES)
    command = ["node", str(file)] if language == "javascript" else [sys.executable, "-I", str(file)]
    done = subprocess.run([*command, str(graph), str(request)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_is_short(language: str) -> None:
    """Thirty lines at most, and nothing of this project imported."""
    assert len(code(language).splitlines()) <= MOST_LINES
    assert "market_master" not in code(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_answers_as_the_api(
    language: str, trained_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the exported graph and its card, the sample request: to 1e-9."""
    monkeypatch.setenv("MM_HOME", str(trained_home))
    graph, request = tmp_path / "model.onnx", ROOT / "data" / "sample" / "request.json"
    assert mm("models", "export", "1", "--out", str(graph))[0] == 0
    answer = client_answer(language, tmp_path, graph, request)
    with in_process(trained_home) as api:
        served = api.post("/predict", json=json.loads(request.read_text(encoding="utf-8"))).json()
    assert answer["probabilities"] == pytest.approx(served["probabilities"], abs=1e-9)
    assert answer["expected_score"] == pytest.approx(served["expected_score"], abs=1e-9)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_sends_the_whole_market(language: str, tmp_path: Path) -> None:
    """A graph with market features, its other symbols in `context`."""
    bars, names = plain(), features.select(["core", "market"], "1h")
    values = features.compute(bars, names, members=bars.symbols)
    rows = np.flatnonzero(np.isfinite(values).all(axis=1))
    inputs = model_inputs(values[rows], bars.symbols, bars.code[rows], bars.symbols)
    estimator: Any = load_family("models")["logistic"].factory(symbols=len(bars.symbols), seed=1)
    estimator.fit(inputs, np.random.default_rng(2).integers(0, 5, len(rows)))
    calibration = Calibration(1.2, 0.8, (0.1, 0.2, 0.4, 0.2, 0.1), None)
    content = version_graph(names, bars.timetable.seconds, to_onnx(estimator, inputs.shape[1]), calibration)
    graph, served = tmp_path / "model.onnx", BarsGraph(content)
    graph.write_bytes(content)
    schedule = bars.timetable.between(bars.newest, bars.newest)
    sessions = [(int(day), schedule.start[schedule.session == day].tolist()) for day in np.unique(schedule.session)]
    card = {"required_bars": served.required_bars, "symbols": bars.symbols, "members": bars.symbols, "classes": CLASSES}
    graph.with_suffix(".json").write_text(json.dumps({"card": card, "schedule": sessions}))
    posted = {
        symbol: [
            {
                "timestamp": iso(bars.bar_start[row]),
                **{name: float(getattr(bars, name)[row]) for name in OHLCV},
            }
            for row in range(span.stop - served.required_bars, span.stop)
        ]
        for symbol, span in bars
    }
    first, *others = bars.symbols
    request = tmp_path / "request.json"
    request.write_text(
        json.dumps({"symbol": first, "bars": posted[first], "context": {one: posted[one] for one in others}})
    )
    columns = raw_columns(served, bars, newest_rows(bars), known=bars.symbols, members=bars.symbols)
    expected = dict(zip(CLASSES, served.predict(columns)[1][0].tolist(), strict=True))
    assert client_answer(language, tmp_path, graph, request)["probabilities"] == pytest.approx(expected, abs=1e-9)
