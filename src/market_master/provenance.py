"""Provenance of results: the hash of the code, libraries and the commit."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("numpy", "scipy", "scikit-learn", "xgboost", "lightgbm", "onnxruntime", "skl2onnx", "TA-Lib")


@cache
def code_hash() -> str:
    """Hash of every source file of the package."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parent
    for file in sorted(package.rglob("*.py")):
        digest.update(str(file.relative_to(package)).encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def libraries() -> dict[str, str]:
    """The versions of those that numbers come from."""
    return {name: version(name) for name in LIBRARIES}


def environment_fingerprint() -> str:
    """Source, libraries and Python in one word."""
    return repr((code_hash(), libraries(), platform.python_version(), platform.machine()))


def commit() -> str | None:
    """The commit of the running code, None outside a checkout."""
    here = Path(__file__).parent
    try:
        process = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip()
