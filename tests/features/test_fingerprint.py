"""The fingerprint changes with the code behind a feature, and with nothing else."""

from __future__ import annotations

import re

import pytest

from market_master import features
from market_master.features.engine.declare import node
from market_master.features.engine.fingerprint import fingerprint_of, reached, sources
from market_master.plugins import load_family

ALL = tuple(load_family("features"))
HERE = "market_master.features."
THEMES = sorted({load_family("features")[name].factory.__module__ for name in ALL} | {HERE + "core.shared_series"})


def moved_by(module: str, before: str, after: str) -> set[str]:
    """The features whose fingerprint changes when one text in a module is replaced by another."""
    texts = dict(sources())
    assert before in texts[HERE + module]
    texts[HERE + module] = texts[HERE + module].replace(before, after)
    return {name for name in ALL if fingerprint_of(name, texts) != fingerprint_of(name, sources())}


def test_docstrings_comments_layout_and_annotations_leave_it() -> None:
    """Words about the code are not the code."""
    texts = {}
    for module, text in sources().items():
        text = re.sub(r'"""(.*?)"""', r'"""Said otherwise. \1"""', text, flags=re.S)
        text = text.replace(" -> Array:", ":").replace("move: Array", "move:  object")
        texts[module] = "# a comment\n\n\n" + text.replace("\n@feature", "\n\n# another\n@feature") + "\n# the end\n"
    assert texts != sources()
    assert {name: fingerprint_of(name, texts) for name in ALL} == features.fingerprint(ALL)


def test_a_changed_function_moves_its_feature_and_those_built_on_it() -> None:
    """A window of its own changes a feature, and what takes that feature as its input."""
    assert moved_by("core.oscillators", "_rises(move, 5)", "_rises(move, 6)") == {"rsi_short"}
    assert moved_by("core.oscillators", "STOCHASTIC = 14", "STOCHASTIC = 15") == {"stochastic_k", "stochastic_d"}


def test_a_changed_series_moves_the_features_that_ask_for_it() -> None:
    """`climb` is directional movement's, through the series' name alone."""
    assert moved_by("core.trend", "windows.lag(log_high, 1)", "windows.lag(log_high, 2)") == {
        "di_plus",
        "di_minus",
        "dx",
    }


def test_a_changed_helper_moves_the_features_that_call_it() -> None:
    """A private helper of a module, and a primitive of the package, count for those that use them only."""
    assert moved_by("core.oscillators", "np.maximum(move, 0.0)", "np.maximum(move, 1e-9)") == {"rsi", "rsi_short"}
    ranked = {"rank_return", "rank_momentum", "rank_volume", "rank_volatility"}
    assert moved_by("engine.panel", "TIE = 9", "TIE = 8") == ranked
    assert moved_by("engine.windows", "talib.MIN(values, window)", "talib.MIN(values, window + 1)") == {
        "stochastic_k", "stochastic_d", "channel_position", "rebound",
        "channel_position_week", "channel_position_month", "rebound_week", "rebound_month",
        "williams_r", "donchian_breakout", "donchian_position",
        "ichimoku_conversion", "ichimoku_base", "ichimoku_span_a", "ichimoku_span_b",
    }  # fmt: skip


def test_a_changed_constant_of_another_module_moves_its_users() -> None:
    """What is divided by a size knows the least size; what is not does not. The bound is everybody's."""
    moved = moved_by("engine.windows", "STILL = 1e-6", "STILL = 1e-7")
    assert {"body_return", "rsi", "relative_return"} <= moved
    assert not {"opening", "time_of_session"} & moved
    assert moved_by("engine.windows", "BOUND = 8.0", "BOUND = 6.0") == set(ALL)


def test_the_warmup_counts(monkeypatch) -> None:
    """Blanking more or fewer values makes another feature."""
    before = features.fingerprint(["rsi", "macd"])
    monkeypatch.setitem(load_family("features")["rsi"].metadata, "warmup", 15)
    after = features.fingerprint(["rsi", "macd"])
    assert [before[name] == after[name] for name in ("rsi", "macd")] == [False, True]


@pytest.mark.parametrize("module", THEMES)
def test_a_file_that_moves_takes_its_fingerprints_along(module, monkeypatch) -> None:
    """A theme in another folder, under another name, is the same numbers: no champion has to be trained anew."""
    before = features.fingerprint(ALL)
    elsewhere = HERE + "another.folder.renamed"
    functions = {step.function for name in ALL for step in reached(name)}
    for function in functions:
        if function.__module__ == module:
            monkeypatch.setattr(function, "__module__", elsewhere)
    texts = {
        elsewhere if name == module else name: text.replace(f"from {module} import", f"from {elsewhere} import")
        for name, text in sources().items()
    }
    assert {name: fingerprint_of(name, texts) for name in ALL} == before


def test_two_functions_of_one_name_both_count() -> None:
    """A helper of a theme and one of the same name in another file: a change of either one changes the feature."""
    texts = dict(sources())
    module = node("rsi").function.__module__
    texts[HERE + "core.twin"] = "def _rises(move, window):\n    return move * window\n"
    texts[module] = texts[module].replace("return _rises(move, 14)", "return twin._rises(move, 14) + _rises(move, 14)")
    texts[module] = "from market_master.features.core import twin\n" + texts[module]
    both = fingerprint_of("rsi", texts)
    for changed, before, after in (
        (HERE + "core.twin", "move * window", "move * window * 2"),
        (module, "np.maximum(move, 0.0)", "np.maximum(move, 1e-9)"),
    ):
        assert fingerprint_of("rsi", texts | {changed: texts[changed].replace(before, after)}) != both


def test_talib_counts(monkeypatch) -> None:
    """Another TA-Lib is other numbers, perhaps."""
    before = features.fingerprint(["aroon"])
    monkeypatch.setattr("talib.__version__", "9.9.9")
    assert features.fingerprint(["aroon"]) != before


def test_all_features_differ_and_a_missing_one_is_empty() -> None:
    """No two features share a fingerprint; one that is gone has none."""
    hashes = features.fingerprint(ALL)
    assert len(set(hashes.values())) == len(ALL)
    assert features.fingerprint(["gone_for_good"]) == {"gone_for_good": ""}


def test_combined_is_one_hash_whatever_the_order() -> None:
    """The whole list has one hash; a changed member changes it, another order does not."""
    hashes = features.fingerprint(ALL)
    turned = dict(reversed(hashes.items()))
    assert features.combined(hashes) == features.combined(turned)
    assert features.combined({**hashes, "rsi": "other"}) != features.combined(hashes)


@pytest.mark.parametrize("module", sorted(sources()))
def test_helpers_are_reached_in_ways_the_fingerprint_reads(module) -> None:
    """Feature code imports the package's own parts by `from ... import` only: the fingerprint follows nothing else."""
    assert not re.search(r"^\s*import market_master|^\s*from \.|import \*", sources()[module], flags=re.M)
