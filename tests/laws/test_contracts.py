"""The contracts between rooms in pyproject.toml: each is red when an import that breaks it is planted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support import ROOT

PLANTED = {
    "src/market_master/files.py": (
        "import evidently, exchange_calendars, fastapi, mlflow, prefect, skl2onnx, typer, yfinance",
    ),
    "src/market_master/domain/clock.py": (
        "from market_master import files",
        "from market_master.domain import calendar",
    ),
    "src/market_master/prediction/window.py": ("from market_master import labels",),
    "src/market_master/stats/metrics.py": ("import yaml",),
    "api/keys.py": ("from market_master import features",),
}
"""imports that no room may have, at least one for each contract"""


def test_a_broken_contract_is_red(tmp_path: Path) -> None:
    """`make check` fails with the name of every contract that an import breaks."""
    for folder in ("src", "api", "flows"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, lines in PLANTED.items():
        with (tmp_path / file).open("a", encoding="utf-8") as module:
            module.write("\n" + "\n".join(lines) + "\n")
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'src'}:{tmp_path}", "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    names = [contract["name"] for contract in configured["contracts"]]
    assert checked.returncode == 1
    assert [name for name in names if f"{name} BROKEN" not in checked.stdout] == []
