"""HTML pages for reviewers: self-contained files from templates, nothing fetched."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from market_master.files import write_atomic


def write_page(template: str, file: Path, **content: Any) -> Path:
    """Fill a template of this package (text is escaped, charts are marked safe in it), put in place whole. Raises NotWritten."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # the lean server, which lists pages, has none

    environment = Environment(
        loader=PackageLoader("market_master.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"percent": _percent, "signed": _signed}
    write_atomic(file, environment.get_template(template).render(**content).encode())
    return file


def write_index(folder: Path) -> Path:
    """List the pages of a folder on one of its own, by the day they were written and their kind."""
    days: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob("*-*.html"), key=lambda file: (kind_of(file.name), file.name)):
        status = file.stat()
        day = datetime.fromtimestamp(status.st_mtime, UTC).date().isoformat()
        days.setdefault(day, []).append({"kind": kind_of(file.name), "name": file.name, "size": status.st_size // 1024})
    return write_page("index.html", folder / "index.html", days=days)


def kind_of(name: str) -> str:
    """What a page is about, from its name: `2026-01-30-monitoring.html`, `<run id>-gate.html`."""
    return re.sub(r"^(\d{4}-\d\d-\d\d|[^-]*)-|\.html$", "", name)


def _percent(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{100 * value:+.{digits}f} %"


def _signed(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:+.{digits}f}"
