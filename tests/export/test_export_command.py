"""`mm models export`: a version's graph and card as files, verified, and nothing written over."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from market_master.artifact.bars_graph import BarsGraph
from market_master.registry.champion import load_champion
from tests.support.command_line import mm
from tests.support.servers import MODEL, another_version, own_copy


@pytest.fixture
def home(trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The commands look at the trained home."""
    monkeypatch.setenv("MM_HOME", str(trained_home))
    return trained_home


def test_it_writes_the_served_graph_and_its_card(home: Path, tmp_path: Path) -> None:
    """The very bytes that the server runs; the card, and the bars of the sessions to come."""
    code, out, _ = mm("models", "export", "1", "--out", str(tmp_path / "new" / "model.onnx"), "--json")
    assert code == 0
    document, champion = json.loads(out), load_champion(home, MODEL)
    graph = BarsGraph(Path(document["graph"]).read_bytes())
    assert graph.sha256 == document["sha256"] == champion.card.bars_graph_sha256
    exported = json.loads(Path(document["card"]).read_text(encoding="utf-8"))
    assert exported["card"] == json.loads(champion.card.to_json())
    assert document["required_bars"] == exported["card"]["required_bars"] == 60
    bars = champion.store(home).bars((champion.card.symbols[0],), last=30)
    starts = {start: (day, slot) for day, of_day in exported["schedule"] for slot, start in enumerate(of_day)}
    known = [starts[start] for start in bars.bar_start.tolist()]
    assert known == list(zip(bars.session.tolist(), bars.slot.tolist(), strict=True))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("there", ["model.onnx", "model.json"])
def test_it_writes_over_nothing(tmp_path: Path, there: str) -> None:
    """Exit 2 with the file's name, and no second file beside it."""
    (tmp_path / there).write_text("mine")
    code, _, err = mm("models", "export", "1", "--out", str(tmp_path / "model.onnx"))
    assert code == 2
    assert f"{there} is there already" in err
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(there, "mine")]


@pytest.mark.usefixtures("home")
def test_it_asks_for_a_name_that_tells_what_it_is(tmp_path: Path) -> None:
    """The card goes beside it under the same name, so the ending is given."""
    code, _, err = mm("models", "export", "1", "--out", str(tmp_path / "model"))
    assert (code, "does not end in .onnx" in err) == (2, True)


@pytest.mark.usefixtures("home")
def test_an_unknown_version_is_exit_4(tmp_path: Path) -> None:
    """As for every command about a version."""
    assert mm("models", "export", "99", "--out", str(tmp_path / "model.onnx"))[0] == 4
    assert list(tmp_path.iterdir()) == []


def test_an_altered_version_is_not_exported(
    trained_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that says another reach than its graph: exit 4 with both numbers."""
    home, folder = own_copy(trained_home, tmp_path / "home"), tmp_path / "files"
    monkeypatch.setenv("MM_HOME", str(home))
    version = another_version(home, folder)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.json").write_text(json.dumps({**card, "required_bars": 500}))
    code, _, err = mm("models", "export", version, "--out", str(tmp_path / "model.onnx"))
    assert code == 4
    assert "needs 60 bars of a symbol, its card says 500" in err
    shutil.rmtree(folder)
