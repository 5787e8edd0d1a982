"""`mm` from outside: exit codes, one sentence for an error, one JSON document for a program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.command_line import mm

TEST = str(ROOT / "configs" / "test.yaml")


@pytest.fixture
def served(trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The commands look at the trained home."""
    monkeypatch.setenv("MM_HOME", str(trained_home))
    return trained_home


@pytest.mark.usefixtures("served")
def test_json_is_one_document_on_stdout() -> None:
    """Every reading command prints one JSON document and nothing else on stdout."""
    for arguments in (
        ["signal"],
        ["signal", "--explain"],
        ["predict", "S001", "S002"],
        ["models", "list"],
        ["models", "show", "1"],
        ["models", "journal"],
        ["data", "list"],
        ["retention"],
    ):
        code, out, _ = mm(*arguments, "--json")
        assert code == 0, arguments
        assert json.loads(out), arguments


@pytest.mark.usefixtures("served")
def test_a_person_gets_tables() -> None:
    """Without --json the same commands print something to look at."""
    for arguments in (
        ["signal"],
        ["signal", "--explain"],
        ["predict", "S001"],
        ["models", "list"],
        ["models", "show", "1"],
        ["models", "journal"],
        ["data", "list"],
        ["retention"],
    ):
        code, out, _ = mm(*arguments)
        assert code == 0, arguments
        assert out.strip(), arguments


@pytest.mark.usefixtures("served")
def test_the_past_can_be_asked() -> None:
    """`--asof` answers with the bars that had closed then."""
    _, newest, _ = mm("predict", "S001", "--json")
    code, earlier, _ = mm("predict", "S001", "--asof", "2025-06-20T17:30:00Z", "--json")
    assert code == 0
    assert json.loads(earlier)[0]["as_of"] == "2025-06-20T17:30:00Z" < json.loads(newest)[0]["as_of"]


@pytest.mark.usefixtures("served")
def test_a_file_of_bars_is_answered_as_the_store_is(served: Path, tmp_path: Path) -> None:
    """`--bars FILE --symbol S` gives the stored bars' answer for the same bars."""
    import pandas as pd

    from market_master.registry.champion import load_champion

    bars = load_champion(served, "market-master").store(served).bars(("S003",), last=200)
    frame = pd.DataFrame({name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")})
    frame.insert(0, "timestamp", pd.to_datetime(bars.bar_start, unit="s", utc=True))
    frame.to_csv(tmp_path / "S003_1h.csv", index=False)
    code, out, err = mm("predict", "--bars", str(tmp_path / "S003_1h.csv"), "--symbol", "S003", "--json")
    assert code == 0, err
    _, stored, _ = mm("predict", "S003", "--json")
    posted, stored_probabilities = json.loads(out)[0]["probabilities"], json.loads(stored)[0]["probabilities"]
    assert posted == pytest.approx(stored_probabilities, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["run", "--config", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["signal"], 4, "production"),
        (["predict", "S001"], 4, "production"),
        (["models", "show", "7"], 4, "7"),
        (["promote", "7", "--by", "a", "--reason", "b"], 4, "7"),
        (["data", "check", "nowhere.csv"], 3, "nowhere.csv"),
        (["signal", "--asof", "yesterday"], 4, "production"),
        (["backfill", "--from", "yesterday", "--to", "today"], 2, "yesterday"),
        (["retention", "--keep", "0"], 2, "keep"),
        (["nonsense"], 2, "nonsense"),
        (["signal", "--nonsense"], 2, "nonsense"),
    ],
)
def test_errors_are_one_sentence_and_a_code(arguments: list[str], code: int, part: str) -> None:
    """2 usage or config, 3 data, 4 registry or model; stderr has the sentence and no traceback."""
    exit_code, out, err = mm(*arguments)
    assert exit_code == code, err
    assert part in err
    assert "Traceback" not in err
    assert out == ""


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt setting is an error that helps."""
    (tmp_path / "c.yaml").write_text((ROOT / "configs" / "test.yaml").read_text().replace("splits:", "split:"))
    code, _, err = mm("run", "--config", str(tmp_path / "c.yaml"))
    assert code == 2
    assert "folds.split" in err
    assert "'splits'" in err


@pytest.mark.usefixtures("served")
def test_an_unknown_symbol_is_missing_data() -> None:
    """The store does not have it: exit 3, with the number of symbols it has."""
    code, _, err = mm("predict", "NOPE")
    assert code == 3
    assert "10 symbols" in err


@pytest.mark.usefixtures("served")
def test_a_config_of_other_bars_is_refused() -> None:
    """The champion answers hourly bars; a daily config is exit 3."""
    code, _, err = mm("signal", "--config", str(ROOT / "configs" / "br_daily.yaml"))
    assert code == 3
    assert "1h" in err
    assert "1d" in err


def test_every_command_has_an_example() -> None:
    """Help texts show how to call a command."""
    for arguments in (
        ["run"],
        ["signal"],
        ["predict"],
        ["promote"],
        ["rollback"],
        ["backfill"],
        ["retention"],
        ["models", "list"],
        ["models", "show"],
        ["models", "journal"],
        ["data", "check"],
        ["data", "list"],
    ):
        code, out, _ = mm(*arguments, "--help")
        assert code == 0
        assert "Example: mm" in out, arguments
        assert all(option in out for option in ("--config", "--json", "--debug")), arguments
