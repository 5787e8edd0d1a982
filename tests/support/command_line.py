"""`mm` in this process."""

from __future__ import annotations

from typer.testing import CliRunner

from market_master.cli.app import app


def mm(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.stdout, result.stderr
