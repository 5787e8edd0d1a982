"""Pages of a folder and their index: kinds by name, escaped text, and no way out of the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_master.domain.errors import UnknownReport
from market_master.reports import kind_of, write_index
from market_master.reports.archive import drift_verdicts, latest_monitoring, list_reports, report_file


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("2026-01-30-monitoring.html", "monitoring"),
        ("2026-01-30-evidently-20.html", "evidently-20"),
        ("0f3a-gate.html", "gate"),
    ],
)
def test_a_page_is_of_the_kind_its_name_says(name: str, kind: str) -> None:
    """A day or a run's id stands before it."""
    assert kind_of(name) == kind


def test_the_index_names_every_page_of_the_folder(home: Path) -> None:
    """By kind, with its size; a name is escaped like any text."""
    folder = home / "data" / "reports"
    folder.mkdir(parents=True)
    for name in ("2026-01-30-monitoring.html", "0f3a-<b>.html"):
        (folder / name).write_text("x" * 2048, encoding="utf-8")
    text = write_index(folder).read_text(encoding="utf-8")
    assert "2026-01-30-monitoring.html" in text
    assert "0f3a-&lt;b&gt;.html" in text
    assert "<b>" not in text
    assert {row["name"] for row in list_reports(home)} == {file.name for file in folder.iterdir()}


def test_a_report_is_one_of_those_listed(home: Path) -> None:
    """No other file of the machine; and an empty home has none, nor verdicts, nor monitoring."""
    (home / "secret.html").write_text("secret", encoding="utf-8")
    assert (list_reports(home), drift_verdicts(home), latest_monitoring(home, "m")) == ([], [], None)
    for name in ("secret.html", "../../secret.html", "/etc/passwd"):
        with pytest.raises(UnknownReport):
            report_file(home, name)
