"""What may be added by one file alone: a copy of the package gets the file, and a new process uses it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("one file each")]


@dataclass(frozen=True)
class Addition:
    """New files by their path in `src/market_master/`, and a check that another process runs with them in place."""

    files: dict[str, str]
    check: str


THEME = '''
"""Acceleration of the price."""

from market_master.domain.arrays import Array
from market_master.features import feature
from market_master.features.engine import windows


@feature(warmup=2, unit="sd")
def acceleration(move: Array) -> Array:
    """Change of the newest move since the one before."""
    return move - windows.lag(move, 1)
'''
THEME_CHECK = """
from market_master import features
from market_master.export.version_graph import feature_graph
from tests.support.random_bars import random_bars

bars = random_bars(1, symbols=2, sessions=20)
assert np.isfinite(features.compute(bars, ["acceleration"])[bars.age >= 2]).all()
assert "acceleration" in features.select(("core",), "1h")
assert features.describe(["acceleration"])[0]["group"] == "acceleration"
assert feature_graph(["acceleration"], 3600)
assert features.fingerprint(["acceleration"])["acceleration"]
"""

SET = '''
"""Tails: small bodies at the top of their range."""

from market_master.domain.arrays import Array
from market_master.features import feature

GROUP = "returns"


@feature(warmup=0, unit="share")
def tail_length(lower_shadow: Array, candle_body: Array) -> Array:
    """Range below the body, less the body's size."""
    return lower_shadow - abs(candle_body)
'''
SET_CHECK = """
from market_master import features
from market_master.export.version_graph import feature_graph
from tests.support.random_bars import random_bars

assert features.select(("tails",), "1h") == ("tail_length",)
assert np.isfinite(features.compute(random_bars(1, symbols=2, sessions=20), ["tail_length"])).all()
assert features.describe(["tail_length"])[0]["set"] == "tails"
assert features.describe(["tail_length"])[0]["group"] == "returns"
assert feature_graph(["tail_length"], 3600)
"""

LABEL = '''
"""Sign of the return, never strong."""

from dataclasses import asdict, dataclass

import numpy as np

from market_master.labels import LabelWindow, assign_labels
from market_master.plugins import register


@register("labels", "sign")
@dataclass(frozen=True)
class Sign:
    """Buy when the next bar rises, sell when it falls."""

    hold: float = 0.0
    strong: float = 1.0
    cost: float = 0.0
    target: str = "open_to_close"
    horizon: int = 1

    @property
    def window(self):
        return LabelWindow(self.target, self.horizon)

    def fit(self, bars, train):
        return self

    def transform(self, bars):
        ahead = self.window.returns(bars)
        return assign_labels(bars, ahead, ahead, np.zeros(len(bars)), np.ones(len(bars)), self.window.end(bars))

    def state(self):
        return {"kind": "sign", **asdict(self)}
'''
LABEL_CHECK = """
from market_master.labels import labeler_from_state
from market_master.plugins import load_family
from tests.support.random_bars import random_bars

bars = random_bars(1, symbols=2, sessions=20)
fitted = load_family("labels")["sign"].factory().fit(bars, np.ones(len(bars), dtype=bool))
labels = labeler_from_state(fitted.state()).transform(bars)
assert set(labels.action[labels.known].tolist()) <= {1, 2, 3}
assert np.array_equal(labels.action == 3, labels.forward_return > 0)
"""

MODEL = '''
"""Gaussian naive Bayes."""

from sklearn.naive_bayes import GaussianNB

from market_master.models import model
from market_master.models.pipeline import candidate


@model(label="Naive Bayes", complexity=2)
def naive_bayes(*, symbols, seed):
    """Features as if they were independent within each class."""
    return candidate(GaussianNB(), symbols=symbols, standardised=True)
'''
MODEL_CHECK = """
from market_master.plugins import load_family

draws = np.random.default_rng(1)
inputs = np.column_stack([draws.normal(size=(200, 3)), draws.integers(0, 2, 200)]).astype(np.float32)
fitted = load_family("models")["naive_bayes"].factory(symbols=2, seed=1).fit(inputs, np.arange(200) % 5)
assert fitted.predict_proba(inputs).shape == (200, 5)
"""

PROVIDER = '''
"""Bars that never move."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from market_master.config.settings import ProviderSettings
from market_master.market_data.providers import Query
from market_master.market_data.providers.normalise import normalise
from market_master.plugins import register


class FlatProvider(ProviderSettings, extra="forbid"):
    """Section `provider` of kind `flat`."""

    kind: Literal["flat"]
    price: float = 100.0


@register("market_data.providers", "flat", settings=FlatProvider)
@dataclass(frozen=True)
class Flat:
    """One session of each symbol at one price."""

    price: float

    live = False
    source = "flat"

    def fetch(self, query: Query):
        stamp = pd.date_range("2024-01-02 14:30", periods=7, freq="h", tz="UTC")
        prices = {name: self.price for name in ("open", "high", "low", "close")}
        rows = [pd.DataFrame({"symbol": symbol, "stamp": stamp, **prices, "volume": 1.0}) for symbol in query.symbols]
        return normalise(pd.concat(rows, ignore_index=True), query, grid="session", stamp="start")
'''
PROVIDER_CHECK = """
from pathlib import Path
from tempfile import TemporaryDirectory

from market_master import config
from market_master.domain.errors import ConfigError
from market_master.market_data.ingest import fetch

with TemporaryDirectory() as folder:
    file = Path(folder, "flat.yaml")
    file.write_text("name: t\\nuniverse: {symbols: [A, B]}\\nprovider: {kind: flat, price: 7}\\n")
    settings = config.load(file, {})
    assert settings.model_dump(mode="json")["provider"] == {"kind": "flat", "price": 7.0}
    market = fetch(settings, Path(folder), 2**31)
    assert (market.source, len(market.bars), set(market.bars.close.tolist())) == ("flat", 14, {7.0})
    file.write_text("name: t\\nprovider: {kind: flat, prize: 7}\\n")
    try:
        config.load(file, {})
    except ConfigError as error:
        assert "prize" in str(error) and "'price'" in str(error)
    else:
        raise AssertionError("a key that is none was taken")
"""

RULE = '''
"""A rule that is never content."""

from market_master.domain.records import Verdict
from market_master.gate.rules import gate


@gate()
def cautious(evidence):
    """No challenger passes."""
    return Verdict("cautious", False, "block", None, None, "Never.")
'''
RULE_CHECK = """
from market_master.gate.rules import judge
from tests.support.gate_evidence import evidence

assert "cautious" in [verdict.rule for verdict in judge(evidence(), (), provisional=True).verdicts]
assert judge(evidence(), ("cautious",), provisional=True).outcome == "rejected"
"""

CLOSING_STEP = '''
"""How much was traded."""

from market_master.pipeline.closing import closing_step


@closing_step(name="turnover", order=1.5, report="turnover", title="How much was traded")
def write_turnover(judged):
    """Write a page that nobody reads."""
    return judged.home / "turnover.html"
'''
CLOSING_STEP_CHECK = """
from flows.tasks import as_tasks
from market_master.pipeline import Steps

for steps in (Steps(), as_tasks()):
    assert [step.name for step in steps.closing] == ["report", "turnover", "backtest"]
assert [step.write.name for step in as_tasks().closing] == ["report", "turnover", "backtest"]
"""

COMMAND = '''
"""Greetings."""

from market_master.cli.common import Config, command, render_document


@command("greetings send", table=render_document)
def send(name: str, config_file: Config = None) -> dict[str, str]:
    """Greet somebody."""
    return {"hello": name}
'''
COMMAND_CHECK = """
import json
from typer.testing import CliRunner
from market_master.cli.app import app


def mm(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


assert json.loads(mm("greetings", "send", "anna", "--json")) == {"hello": "anna"}
assert mm("--help").rindex("greetings") > mm("--help").rindex("Keys that open the server.")
page = mm("greetings", "send", "--help")
assert all(option in page for option in ("--config", "--json", "--debug"))
"""

ADDITIONS = {
    "feature": Addition({"features/core/acceleration.py": THEME}, THEME_CHECK),
    "feature set": Addition({"features/tails/__init__.py": "", "features/tails/tails.py": SET}, SET_CHECK),
    "label": Addition({"labels/sign.py": LABEL}, LABEL_CHECK),
    "model": Addition({"models/naive_bayes.py": MODEL}, MODEL_CHECK),
    "provider": Addition({"market_data/providers/flat.py": PROVIDER}, PROVIDER_CHECK),
    "gate rule": Addition({"gate/rules/cautious.py": RULE}, RULE_CHECK),
    "closing step": Addition({"pipeline/closing/turnover.py": CLOSING_STEP}, CLOSING_STEP_CHECK),
    "command": Addition({"cli/greetings.py": COMMAND}, COMMAND_CHECK),
}

EACH = """
import sys, traceback
import numpy as np
import market_master

assert market_master.__path__[0].startswith({copy!r}), market_master.__path__
for name, check in {checks!r}.items():
    try:
        exec(check, {{"np": np}})
        print("works:", name)
    except BaseException:
        print(f"--- {{name}}", traceback.format_exc(), sep="\\n", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """All additions at once in a copy of the package, and their checks in one process, for its start is what costs."""
    copy = tmp_path_factory.mktemp("copy") / "src"
    shutil.copytree(
        ROOT / "src" / "market_master", copy / "market_master", ignore=shutil.ignore_patterns("__pycache__")
    )
    for addition in ADDITIONS.values():
        for path, text in addition.files.items():
            file = copy / "market_master" / path
            assert not file.exists()
            file.parent.mkdir(exist_ok=True)
            file.write_text(text.lstrip("\n"), encoding="utf-8")
    script = EACH.format(copy=str(copy), checks={name: addition.check for name, addition in ADDITIONS.items()})
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(copy), str(ROOT)]), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ADDITIONS)
def test_one_file_is_enough(process: subprocess.CompletedProcess[str], name: str) -> None:
    """The new file is found and does its work; nothing else is edited."""
    assert f"works: {name}" in process.stdout.splitlines(), process.stderr


def test_the_files_are_needed() -> None:
    """None of the additions is in the package already."""
    package = Path(ROOT / "src" / "market_master")
    assert [path for addition in ADDITIONS.values() for path in addition.files if (package / path).exists()] == []
