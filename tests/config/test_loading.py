"""Settings are what the file and the environment say, or one sentence that says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from market_master import config, features
from market_master.cli.common import exit_code
from market_master.config import Settings
from market_master.domain.errors import ConfigError
from market_master.plugins import load_family
from tests.support import ROOT

SHIPPED = sorted((ROOT / "configs").glob("*.yaml"))
PLAIN = "name: t\nprovider: {kind: simulated}\n"


def loaded(folder: Path, text: str, **environ: str) -> Settings:
    """The settings of a file with this text, under these variables."""
    file = folder / "t.yaml"
    file.write_text(text, encoding="utf-8")
    return config.load(file, environ)


def refusal(folder: Path, text: str, **environ: str) -> str:
    """The sentence with which such settings are refused."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, **environ)
    assert exit_code(caught.value) == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_config_loads_and_names_what_exists(file) -> None:
    """A shipped config is called as its file is, and its candidates, feature sets, label and rules all exist."""
    settings = config.load(file, {})
    models, labels, gates = load_family("models"), load_family("labels"), load_family("gate.rules")
    assert settings.name == file.stem
    assert {models[name].metadata["kind"] for name in settings.candidates} == {"model"}
    assert features.select(settings.features.sets, settings.interval)
    assert settings.label.kind in labels
    assert set(settings.gate.rules) <= set(gates)
    assert settings.universe.weights is None or settings.universe.weights.is_file()


def test_noise_is_demo_without_an_edge() -> None:
    """The negative control differs from the demo in its name, the edge, and that nothing provisional is let through."""
    demo, noise = (config.load(ROOT / "configs" / f"{name}.yaml", {}).model_dump() for name in ("demo", "noise"))
    assert (noise["provider"]["edge"], noise["gate"]["provisional"]) == (0.0, False)
    assert demo["provider"]["edge"] > 0
    noise["name"], noise["provider"]["edge"], noise["gate"]["provisional"] = "demo", demo["provider"]["edge"], True
    assert noise == demo


def test_defaults_are_those_of_the_contract(tmp_path) -> None:
    """A file with a name and a provider is enough; the rest is the contract's."""
    settings = loaded(tmp_path, PLAIN)
    assert (settings.interval, settings.calendar, settings.features.sets) == ("1h", "XNYS", ("core",))
    assert (settings.label.hold, settings.label.strong, settings.gate.alpha) == (0.40, 0.80, 0.10)
    assert (settings.policy.buy, settings.policy.sell, settings.policy.min_coverage) == (0.5, -0.5, 0.80)
    assert settings.policy.min_confidence is None


@pytest.mark.parametrize(
    ("variable", "text", "section", "key", "value"),
    [
        ("MM_INTERVAL", "1d", None, "interval", "1d"),
        ("MM_CANDIDATES", "[mlp, svc]", None, "candidates", ("mlp", "svc")),
        ("MM_PROVIDER__SEED", "11", "provider", "seed", 11),
        ("MM_GATE__PROVISIONAL", "false", "gate", "provisional", False),
        ("MM_GATE__ALPHA", "0.05", "gate", "alpha", 0.05),
        ("MM_POLICY__MIN_CONFIDENCE", "0.6", "policy", "min_confidence", 0.6),
        ("MM_POLICY__MIN_CONFIDENCE", "null", "policy", "min_confidence", None),
        ("MM_UNIVERSE__SYMBOLS", "[BRK.B, NQ=F, BTC/USDT]", "universe", "symbols", ("BRK.B", "NQ=F", "BTC/USDT")),
        ("MM_UNIVERSE__SIGNAL_FOR", "/ES", "universe", "signal_for", "/ES"),
        ("MM_UNIVERSE__BENCHMARK", "^NDX", "universe", "benchmark", "^NDX"),
        ("MM_UNIVERSE__BENCHMARK", "@NQ", "universe", "benchmark", "@NQ"),
        ("MM_UNIVERSE__INDEX", "100", "universe", "index", "100"),
        ("MM_UNIVERSE__INDEX", "", "universe", "index", "NDX"),
    ],
)
def test_the_environment_wins(tmp_path, variable, text, section, key, value) -> None:
    """Each key is overridden by MM_<SECTION>__<KEY>, lists and null as in YAML, else as it stands; empty is unset."""
    settings = loaded(tmp_path, PLAIN, **{variable: text})
    assert getattr(getattr(settings, section) if section else settings, key) == value


def test_a_section_the_file_does_not_have_is_made_by_the_environment(tmp_path) -> None:
    """Two variables of one section add up, and leave the rest of the section alone."""
    settings = loaded(tmp_path, PLAIN + "folds: {splits: 3}\n", MM_FOLDS__EMBARGO_SESSIONS="2", MM_COSTS__BPS="7")
    assert (settings.folds.splits, settings.folds.embargo_sessions, settings.costs.bps) == (3, 2, 7.0)


def test_variables_that_are_no_settings_are_left_alone(tmp_path) -> None:
    """MM_HOME and MM_CONFIG are not settings, nor is anything without MM_."""
    assert loaded(tmp_path, PLAIN, MM_HOME="x", MM_CONFIG="y", INTERVAL="1d", GATE__ALPHA="2") == loaded(
        tmp_path, PLAIN
    )


@pytest.mark.parametrize(
    ("text", "environ", "unknown", "nearest"),
    [
        (PLAIN + "gates: {alpha: 0.1}\n", {}, "gates", "gate"),
        (PLAIN + "candidate: [mlp]\n", {}, "candidate", "candidates"),
        (PLAIN + "gate: {alhpa: 0.1}\n", {}, "gate.alhpa", "alpha"),
        (PLAIN + "policy: {min_confidance: 0.1}\n", {}, "policy.min_confidance", "min_confidence"),
        ("name: t\nprovider: {kind: simulated, seeds: 1}\n", {}, "seeds", "seed"),
        ("name: t\nprovider: {kind: yahoo, look_back: 5d}\n", {}, "look_back", "lookback"),
        ("name: t\nprovider: {kind: files, path: x, stamps: end}\n", {}, "stamps", "stamp"),
        (PLAIN, {"MM_GATE__ALHPA": "0.1"}, "gate.alhpa", "alpha"),
        (PLAIN, {"MM_GAET__ALPHA": "0.1"}, "MM_GAET__ALPHA", "gate"),
        (PLAIN, {"MM_GATE__ALPHA__X": "0.1"}, "MM_GATE__ALPHA__X", "gate"),
        (PLAIN, {"MM_INTERVALL": "1d"}, "MM_INTERVALL", "interval"),
    ],
)
def test_an_unknown_key_is_refused_and_the_nearest_named(tmp_path, text, environ, unknown, nearest) -> None:
    """At the top, in a section, in a provider or in the environment: a slip of the pen is never ignored."""
    sentence = refusal(tmp_path, text, **environ)
    assert unknown in sentence
    assert f"'{nearest}'" in sentence


@pytest.mark.parametrize(
    ("text", "environ", "words"),
    [
        ("", {}, ["no settings"]),
        ("- 1\n- 2\n", {}, ["no settings"]),
        ("a: [1\n", {}, ["not YAML"]),
        ("\tname: t\n", {}, ["not YAML"]),
        ("name: t\n", {}, ["provider", "required"]),
        ("name: t\nprovider: {}\n", {}, ["provider", "kind"]),
        ("name: t\nprovider: {kind: bloomberg}\n", {}, ["bloomberg", "simulated", "files", "yahoo"]),
        ("name: t\nprovider: {kind: files}\n", {}, ["path", "required"]),
        ("name: t\nprovider: {kind: yahoo, lookback: two years}\n", {}, ["lookback", "two years"]),
        ("name: t\nprovider: {kind: simulated, edge: 1.5}\n", {}, ["edge", "1.5"]),
        ("1: 2\n" + PLAIN, {}, ["1"]),
        (PLAIN + "interval: 2h\n", {}, ["interval", "2h"]),
        (PLAIN + "universe:\n", {}, ["universe", "None"]),
        (PLAIN + "universe: {weights: 5}\n", {}, ["universe.weights", "5"]),
        (PLAIN + "universe: {symbols: AAPL}\n", {}, ["universe.symbols", "AAPL"]),
        (PLAIN + "candidates: []\n", {}, ["at least one model"]),
        (PLAIN + "candidates: [mlp, mlp]\n", {}, ["each once"]),
        (PLAIN + "label: {hold: 0.8, strong: 0.4}\n", {}, ["0.8", "0.4"]),
        (PLAIN + "label: {horizon: 0}\n", {}, ["label.horizon", "0"]),
        (PLAIN + "label: {kind: triple_barrier, horizon: 4}\n", {}, ["label.horizon is 4", "at least 5"]),
        (PLAIN + "gate: {alpha: .nan}\n", {}, ["gate.alpha", "nan"]),
        (PLAIN + "costs: {bps: .inf}\n", {}, ["costs.bps", "inf"]),
        (PLAIN + "policy: {buy: -0.5}\n", {}, ["policy.buy", "-0.5"]),
        (PLAIN + "policy: {min_coverage: 80}\n", {}, ["policy.min_coverage", "80"]),
        (PLAIN + "folds: {splits: 1}\n", {}, ["folds.splits", "1"]),
        (PLAIN, {"MM_UNIVERSE__SYMBOLS": "[AAPL"}, ["universe.symbols", "[AAPL"]),
        (PLAIN, {"MM_NAME__FIRST": "x"}, ["MM_NAME__FIRST", "'name'"]),
        (PLAIN, {"MM_GATE": "strict", "MM_GATE__ALPHA": "0.1"}, ["MM_GATE__ALPHA", "'gate'"]),
        (PLAIN, {"MM_GATE": "strict"}, ["gate", "strict"]),
        (PLAIN, {"MM_RUNNER__WORKERS": "many"}, ["runner.workers", "many"]),
    ],
)
def test_a_bad_value_is_one_sentence_with_the_value_in_it(tmp_path, text, environ, words) -> None:
    """No traceback of a library reaches a user: whatever is wrong is a ConfigError that names key and value."""
    sentence = refusal(tmp_path, text, **environ)
    assert [word for word in words if word not in sentence] == []


def test_a_file_that_can_not_be_read_is_refused(tmp_path) -> None:
    """A missing file, a folder and a binary file are each refused by name."""
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("gone.yaml", ".", "binary.yaml"):
        with pytest.raises(ConfigError, match=r"can't be read"):
            config.load(tmp_path / name, {})


def test_symbols_are_words_whatever_yaml_thinks_of_them(tmp_path) -> None:
    """ON and Y are companies and 000660 is one too: none is a truth value or a number."""
    text = PLAIN + "universe: {symbols: [ON, Y, NO, 'TRUE', 000660, 005930]}\n"
    wanted = ("ON", "Y", "NO", "TRUE", "000660", "005930")
    assert loaded(tmp_path, text).universe.symbols == wanted
    assert (
        loaded(tmp_path, PLAIN, MM_UNIVERSE__SYMBOLS="[ON, Y, NO, 'TRUE', 000660, 005930]").universe.symbols == wanted
    )
    assert loaded(tmp_path, PLAIN, MM_UNIVERSE__BENCHMARK="ON").universe.benchmark == "ON"


def test_settings_can_not_be_changed(tmp_path) -> None:
    """What was read once is what every step sees."""
    settings = loaded(tmp_path, PLAIN)
    for section, key, value in ((settings, "name", "x"), (settings.gate, "alpha", 0.5), (settings.provider, "seed", 1)):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, key, value)
    assert all(not isinstance(value, list) for _, part in settings for value in getattr(part, "__dict__", {}).values())


def test_paths_in_a_file_are_the_projects_and_in_the_environment_the_users(tmp_path, monkeypatch) -> None:
    """A relative path begins at the project root in YAML, at the current folder in a variable; else it is itself."""
    monkeypatch.chdir(tmp_path)
    text = "name: t\nprovider: {kind: files, path: data/bars}\nuniverse: {weights: data/w.csv}\n"
    inside = loaded(tmp_path, text)
    assert inside.provider.path == ROOT / "data" / "bars"
    assert inside.universe.weights == ROOT / "data" / "w.csv"
    outside = loaded(tmp_path, text, MM_PROVIDER__PATH="bars", MM_UNIVERSE__WEIGHTS="../w.csv")
    assert outside.provider.path == tmp_path / "bars"
    assert outside.universe.weights == tmp_path.parent / "w.csv"
    rooted = loaded(tmp_path, f"name: t\nprovider: {{kind: files, path: {tmp_path}/x}}\n")
    assert rooted.provider.path == tmp_path / "x"


def test_settings_survive_the_model_card(tmp_path) -> None:
    """Written as JSON values and built again, under an environment that is silent, they are the same settings."""
    settings = loaded(tmp_path, PLAIN + "universe: {symbols: [A, B], weights: data/w.csv}\n")
    assert config.build(settings.model_dump(mode="json"), "the model card", {}) == settings


def test_home_is_where_mm_home_says(tmp_path, monkeypatch) -> None:
    """MM_HOME, or the current folder."""
    monkeypatch.chdir(tmp_path)
    assert config.home({"MM_HOME": "there"}) == tmp_path / "there"
    assert config.home({}) == config.home({"MM_HOME": ""}) == tmp_path
