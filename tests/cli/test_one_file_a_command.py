"""A command is one file: put beside the others it is in the help, has the shared options, and answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

GREETING = '''"""Greetings."""

from __future__ import annotations

from typing import Any

from market_master.cli.common import Config, command, render_document


@command("greetings send", table=render_document)
def send(name: str, config_file: Config = None) -> dict[str, Any]:
    """Greet somebody.

    Example: mm greetings send anna
    """
    return {"hello": name}
'''


def test_a_command_is_one_file(tmp_path: Path) -> None:
    """A file in a copy of the tree adds a group and its command, after all that were there; nothing else is edited."""
    shutil.copytree(ROOT / "src" / "market_master", tmp_path / "market_master")
    (tmp_path / "market_master" / "cli" / "greetings.py").write_text(GREETING, encoding="utf-8")

    def mm(*arguments: str) -> str:
        start = "from market_master.cli.app import main; main()"
        environ = {**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "120"}
        done = subprocess.run(
            [sys.executable, "-c", start, *arguments], env=environ, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert json.loads(mm("greetings", "send", "anna", "--json")) == {"hello": "anna"}
    assert mm("--help").rindex("greetings") > mm("--help").rindex("Keys that open the server.")
    page = mm("greetings", "send", "--help")
    assert all(option in page for option in ("--config", "--json", "--debug"))
