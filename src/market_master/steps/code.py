"""The code that runs: what certificates and kept results hold for."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("numpy", "scipy", "scikit-learn", "xgboost", "lightgbm", "onnxruntime", "skl2onnx", "TA-Lib")


@cache
def code_hash() -> str:
    """Hash of every source file of the package."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for file in sorted(package.rglob("*.py")):
        digest.update(str(file.relative_to(package)).encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def libraries() -> dict[str, str]:
    """The versions of those that numbers come from."""
    return {name: version(name) for name in LIBRARIES}


def everything() -> str:
    """Source, libraries and Python in one word."""
    return repr((code_hash(), libraries(), platform.python_version(), platform.machine()))
