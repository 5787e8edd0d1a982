"""A gate says no without evidence, gives its number, its limit and its reason, and adds verdicts up to one outcome."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from market_master.domain.errors import ConfigError
from market_master.domain.records import Verdict
from market_master.gate import rules
from market_master.gate.rules import PairedComparison, Segment, Speed, judge
from market_master.plugins import load_family
from market_master.stats.daily import Gain
from tests.support.gate_evidence import EARNS, FINE, LIKED, card, evidence

RULES = load_family("gate.rules")
SKILL = sorted(name for name, plugin in RULES.items() if plugin.metadata["proves"] == rules.SKILL_RULES)
SOUND = sorted(set(RULES) - set(SKILL))
EQUAL = Gain(mean=0.0, low=0.0, high=0.0, p_value=1.0, days=60, p_bootstrap=1.0, p_diebold_mariano=1.0)
WORSE = Gain(mean=-0.006, low=-0.009, high=-0.003, p_value=0.97, days=60, p_bootstrap=0.97, p_diebold_mariano=0.96)
WARNS = {"fast_enough", "familiar_bars", "beats_random_trades"}
NEEDS = {
    "beats_prior": ["against_prior"],
    "knows_direction": ["against_prior"],
    "not_worse_than_prior": ["against_prior"],
    "beats_champion": ["against_champion", "against_champion_relabelled", "rows_lost"],
    "recipe_beats_champion": ["recipes"],
    "no_broken_segment": ["segments"],
    "survives_search": ["luck"],
    "not_overfitted": ["pbo"],
    "fresh_holdout": ["unseen"],
    "certified": ["certificate", "broken_laws"],
    "feature_parity": ["feature_parity"],
    "fast_enough": ["speed"],
    "familiar_bars": ["drift"],
    "trades_like_champion": ["trades", "champion_trades"],
    "beats_random_trades": ["trades"],
    "beats_baselines": ["excess", "dev"],
    "leak_alarm": ["challenger", "dev"],
    "calibrated": ["challenger"],
    "data_quality": ["kept_share"],
    "untouched_holdout": ["labels_known", "holdout_first", "champion_labels_known"],
    "export_parity": ["parity"],
    "deterministic": ["deterministic"],
    "enough_history": [],
}


BREAKS: dict[str, dict[str, Any]] = {
    "beats_prior": {"against_prior": PairedComparison(EQUAL, LIKED)},
    "knows_direction": {"against_prior": PairedComparison(LIKED, EQUAL)},
    "not_worse_than_prior": {"against_prior": PairedComparison(WORSE, WORSE)},
    "beats_champion": {"against_champion": PairedComparison(EQUAL, EQUAL)},
    "recipe_beats_champion": {"recipes": PairedComparison(EQUAL, EQUAL)},
    "no_broken_segment": {"segments": (FINE, Segment("symbol", "S1", 400, 0.004, 3.21))},
    "survives_search": {"luck": 0.0712},
    "not_overfitted": {"pbo": 0.57},
    "fresh_holdout": {"unseen": 0.35},
    "certified": {"broken_laws": ("L2",)},
    "feature_parity": {"feature_parity": 2.3e-8},
    "fast_enough": {"speed": Speed(0.0712, None)},
    "familiar_bars": {"drift": 0.813},
    "trades_like_champion": {"trades": replace(EARNS, net=0.00012)},
    "beats_random_trades": {"trades": replace(EARNS, net=0.00045)},
    "beats_baselines": {"excess": {"vol_only": 1.37, "prior": -3.0}},
    "leak_alarm": {"max_ic": 0.0391},
    "calibrated": {"challenger": card("logistic", ece=0.0731)},
    "data_quality": {"kept_share": 0.9712},
    "untouched_holdout": {"holdout_first": "2024-09-01T15:30:00Z"},
    "export_parity": {"parity": 0.00032},
    "deterministic": {"deterministic": False},
    "enough_history": {"short_history": True},
}


def ask(rule: str, **changes: Any) -> Verdict:
    """What a rule says."""
    verdict: Verdict = RULES[rule].factory(evidence(**changes))
    return verdict


def outcome(provisional: bool = True, **changes: Any) -> str:
    """What all rules come to."""
    return judge(evidence(**changes), (), provisional=provisional).outcome


def says(reason: str, number: float) -> bool:
    """Is a number in the sentence, as exactly as it is written there?"""
    for text, percent in re.findall(r"([-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?)(\s?%)?", reason):
        mantissa, _, power = text.partition("e")
        unit = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2])) * (0.01 if percent else 1)
        if abs(float(text) * (0.01 if percent else 1) - number) <= 0.5001 * unit:
            return True
    return False


def test_every_rule_is_tested_here() -> None:
    """A new rule names, in NEEDS and BREAKS, what it needs and what it does not let pass."""
    assert set(NEEDS) == set(BREAKS) == set(RULES)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_lets_good_evidence_pass_and_bad_not(rule) -> None:
    """It passes the good challenger and blocks the one that breaks it, under its own name."""
    assert ask(rule).passed
    verdict = ask(rule, **BREAKS[rule])
    assert (verdict.rule, verdict.passed, verdict.severity) == (rule, False, "warn" if rule in WARNS else "block")


@pytest.mark.parametrize(("rule", "lacking"), [(rule, name) for rule, names in NEEDS.items() for name in names])
def test_no_evidence_is_a_no(rule, lacking) -> None:
    """What could not be measured blocks; it never counts as 0 or as fine."""
    nothing = {"dev": (), "holdout_first": "", "labels_known": "", "excess": {}}.get(lacking)
    verdict = ask(
        rule, **{lacking: nothing}, champion_reason="it can't be loaded.", recipes_reason="it can't be loaded."
    )
    assert (verdict.passed, verdict.severity, verdict.value) == (False, "block", None)
    assert re.search(r"no evidence is a no|it can't be loaded", verdict.reason)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_numbers_that_are_none_do_not_pass(rule) -> None:
    """NaN is below no limit and above none: each rule that looks at a number refuses it."""
    nan, gain = math.nan, Gain(math.nan, math.nan, math.nan, math.nan, 60, math.nan, math.nan)
    poisoned = {
        "against_prior": PairedComparison(gain, gain),
        "against_champion": PairedComparison(gain, gain),
        "excess": {"vol_only": nan},
        "against_champion_relabelled": PairedComparison(gain, gain),
        "rows_lost": nan,
        "recipes": PairedComparison(gain, gain),
        "luck": nan,
        "pbo": nan,
        "segments": (replace(FINE, worse=nan, t=nan),),
        "trades": replace(EARNS, net=nan, turnover=nan, drawdown=nan),
        "drift": nan,
        "speed": Speed(nan, nan),
        "feature_parity": nan,
        "unseen": nan,
        "kept_share": nan,
        "parity": nan,
        "challenger": card("logistic", ic=nan, ece=nan),
        "dev": (card("logistic"), card("prior", "baseline")),
    }
    if rule not in ("untouched_holdout", "deterministic", "enough_history", "certified"):
        assert not ask(rule, **poisoned).passed
    assert not ask("leak_alarm", dev=(card("logistic", ic=nan), card("prior", "baseline"))).passed


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("good", [True, False])
def test_the_reason_holds_the_number_and_the_limit(rule, good) -> None:
    """A reader of the journal sees what was measured and what was asked, whichever way it went."""
    verdict = ask(rule, **({} if good else BREAKS[rule]))
    for number in (verdict.value, verdict.limit):
        if isinstance(number, str):
            assert number in verdict.reason
        elif number is not None:
            assert says(verdict.reason, number), (number, verdict.reason)
    assert verdict.reason.endswith(".")
    assert verdict.passed is good


@pytest.mark.parametrize("rule", SKILL)
def test_a_failed_proof_of_skill_is_provisional_at_most(rule) -> None:
    """Sound but not shown to be skilled: provisional where it is allowed, else rejected, with the rule's reason."""
    changes = BREAKS[rule]
    judgement = judge(evidence(**changes), (), provisional=True)
    assert judgement.outcome == "provisional"
    assert judgement.reason == " ".join(v.reason for v in judgement.verdicts if not v.passed)
    assert outcome(provisional=False, **changes) == "rejected"


@pytest.mark.parametrize("rule", [rule for rule in SOUND if rule not in WARNS])
def test_a_failed_rule_of_soundness_rejects(rule) -> None:
    """Whatever skill was shown, and whatever the config allows."""
    assert outcome(**BREAKS[rule]) == "rejected"


def test_without_a_failed_rule_it_is_promoted() -> None:
    """Every rule speaks, all pass, and that is the reason."""
    judgement = judge(evidence(), (), provisional=False)
    assert judgement.outcome == "promoted"
    assert {verdict.rule for verdict in judgement.verdicts} == set(RULES)
    assert all(verdict.passed for verdict in judgement.verdicts)
    assert judgement.reason == "Every rule passed."


def test_a_warning_stops_nothing(monkeypatch) -> None:
    """A verdict of severity warn is told and does not block."""
    warned = replace(ask("calibrated", **BREAKS["calibrated"]), severity="warn")
    monkeypatch.setitem(RULES, "calibrated", replace(RULES["calibrated"], factory=lambda _: warned))
    judgement = judge(evidence(), (), provisional=False)
    assert judgement.outcome == "promoted"
    assert warned in judgement.verdicts


def test_skill_is_proved_by_exactly_these_rules() -> None:
    """All other rules are about soundness: what they refuse is never provisional."""
    assert SKILL == ["beats_prior", "enough_history", "knows_direction", "not_overfitted", "survives_search"]


def test_noise_is_never_promoted_as_skilled() -> None:
    """No gain over the prior: provisional where allowed, else rejected; worse than the prior: always rejected."""
    nothing = {"against_prior": PairedComparison(EQUAL, EQUAL), "champion_version": None, "shrinkage": 0.0}
    assert outcome(provisional=True, **nothing) == "provisional"
    assert outcome(provisional=False, **nothing) == "rejected"
    assert outcome(provisional=True, **nothing | {"against_prior": PairedComparison(WORSE, EQUAL)}) == "rejected"


def test_an_equal_recipe_fails_as_new_and_passes_as_refresh() -> None:
    """The champion against itself: novelty must prove itself, newer data of the same recipe must only not harm."""
    equal = {
        name: PairedComparison(EQUAL, EQUAL) for name in ("against_champion", "against_champion_relabelled", "recipes")
    }
    assert not ask("beats_champion", lane="new_recipe", **equal).passed
    assert ask("beats_champion", lane="refresh", **equal).passed
    assert outcome(lane="refresh", **equal) == "promoted"
    assert outcome(lane="new_recipe", **equal) == "rejected"


@pytest.mark.parametrize(
    ("lane", "rps", "direction", "passes"),
    [
        ("new_recipe", LIKED, EQUAL, True),
        ("new_recipe", LIKED, replace(EQUAL, mean=-1e-6), False),
        ("new_recipe", replace(LIKED, p_value=0.0501), LIKED, False),
        ("new_recipe", replace(LIKED, p_value=0.05), LIKED, True),
        ("new_recipe", replace(LIKED, mean=0.00049), LIKED, False),
        ("refresh", replace(EQUAL, low=-0.0025), EQUAL, True),
        ("refresh", replace(EQUAL, low=-0.0026), EQUAL, False),
        ("refresh", EQUAL, replace(EQUAL, mean=-0.0026), False),
    ],
)
def test_the_limits_of_the_duel(lane, rps, direction, passes) -> None:
    """New: p at most alpha, at least 0.05 % better, direction no worse. Refresh: at worst 0.25 % worse in both."""
    assert ask("beats_champion", lane=lane, against_champion=PairedComparison(rps, direction)).passed is passes


def test_without_a_champion_the_prior_stands_in() -> None:
    """The duel is a note and no obstacle; with one that can't be met it blocks and says why."""
    alone: dict[str, Any] = {
        "champion_version": None,
        "champion": None,
        "against_champion": None,
        "champion_labels_known": None,
        "against_champion_relabelled": None,
        "rows_lost": None,
        "recipes": None,
        "champion_trades": None,
        "speed": Speed(0.002, None),
    }
    verdict = ask("beats_champion", **alone)
    assert (verdict.passed, verdict.severity) == (True, "warn")
    assert outcome(**alone) == "promoted"
    verdict = ask("beats_champion", against_champion=None, champion_reason="it can't answer 3.0% of the rows.")
    assert not verdict.passed
    assert "version 3" in verdict.reason
    assert "it can't answer 3.0% of the rows." in verdict.reason


@pytest.mark.parametrize("learner", ["labels_known", "champion_labels_known"])
@pytest.mark.parametrize(
    ("known", "passes"),
    [("2024-09-03T15:29:59Z", True), ("2024-09-03T15:30:00Z", False), ("2024-12-01T20:00:00Z", False)],
)
def test_a_hold_out_that_overlaps_training_is_refused(learner, known, passes) -> None:
    """Neither challenger nor champion may have learned a label that closed with the hold-out's first bar, or later."""
    assert ask("untouched_holdout", **{learner: known}).passed is passes


def test_a_short_history_never_proves_skill() -> None:
    """However good the numbers."""
    sure = PairedComparison(replace(LIKED, p_value=0.0), replace(LIKED, p_value=0.0))
    assert outcome(short_history=True, holdout_sessions=20, against_prior=sure, against_champion=sure) == "provisional"
    assert "20 sessions" in ask("enough_history", short_history=True, holdout_sessions=20).reason


def test_direction_needs_a_shrinkage_above_0() -> None:
    """A model whose direction was taken out knows none, whatever the day-level test says."""
    verdict = ask("knows_direction", shrinkage=0.0)
    assert not verdict.passed
    assert "no directional edge" in verdict.reason


def test_the_leak_alarm_hears_the_winner_everywhere_and_losers_nowhere() -> None:
    """Too good in walk-forward or on the hold-out, up or down, is a leak; another candidate's leak is not ours."""
    assert ask("leak_alarm").passed
    for ic in (0.151, -0.151):
        assert not ask("leak_alarm", challenger=card("logistic", ic=ic)).passed
        assert not ask("leak_alarm", dev=(card("logistic", ic=ic), card("prior", "baseline"))).passed


def test_calibration_may_not_get_worse_by_more_than_a_hundredth() -> None:
    """At most 0.05, and at most the champion's plus 0.01; without a champion 0.05 alone."""
    good = {"champion": card("mlp", ece=0.010)}
    assert not ask("calibrated", **good).passed
    assert ask("calibrated", challenger=card("logistic", ece=0.0199), **good).passed
    assert ask("calibrated", challenger=card("logistic", ece=0.05), champion=None).passed
    assert not ask("calibrated", challenger=card("logistic", ece=0.0501), champion=card("mlp", ece=0.2)).passed


def test_baselines_have_to_be_beaten_in_walk_forward() -> None:
    """Better than the prior, and at most one standard error above volatility alone."""
    level = (card("logistic", rps=0.8), card("prior", "baseline", rps=0.8))
    assert not ask("beats_baselines", dev=level).passed
    assert ask("beats_baselines", excess={"vol_only": 1.0, "reversal": 0.9}).passed
    assert not ask("beats_baselines", excess={"vol_only": 0.0, "reversal": 1.1}).passed
    assert not ask("beats_baselines", winner="gone").passed


@pytest.mark.parametrize(
    ("worse", "t", "passes"), [(0.019, 2.99, True), (0.021, 0.5, False), (0.001, 3.0, False), (-0.05, -9.0, True)]
)
def test_one_broken_part_blocks_however_good_the_average(worse, t, passes) -> None:
    """A symbol, hour or regime that is 2 % worse, or worse by three standard errors; before a champion it is a note."""
    parts = (FINE, Segment("symbol", "S7", 400, worse, t))
    verdict = ask("no_broken_segment", segments=parts)
    assert (verdict.passed, verdict.severity) == (passes, "block")
    assert passes or "symbol S7" in verdict.reason
    assert outcome(segments=parts) == ("promoted" if passes else "rejected")
    assert ask("no_broken_segment", segments=parts, champion_version=None).severity == "warn"


def test_both_labels_have_to_agree() -> None:
    """A gain that the champion's own labels turn into a loss is none; lost rows beyond 1 % end the comparison."""
    assert not ask("beats_champion", against_champion_relabelled=PairedComparison(WORSE, WORSE)).passed
    assert ask("beats_champion", rows_lost=0.01).passed
    assert not ask("beats_champion", rows_lost=0.0101).passed


def test_a_refresh_needs_the_fast_laws_and_a_new_recipe_all() -> None:
    """What a certificate has to hold depends on the lane; a broken law blocks both."""
    fast = ("L1", "L2", "L3", "L4", "L9", "L10", "L11")
    assert ask("certified", lane="refresh", laws=fast).passed
    verdict = ask("certified", lane="new_recipe", laws=fast)
    assert not verdict.passed
    assert "L5, L6, L7, L8 were not checked" in verdict.reason


def test_multiplicity_is_a_matter_of_new_recipes() -> None:
    """A refresh chooses nothing: luck, overfitting and a hold-out seen before are told and do not stop it."""
    lucky = {"luck": 0.6, "pbo": 0.7, "unseen": 0.0}
    assert outcome(lane="refresh", **lucky) == "promoted"
    assert outcome(lane="new_recipe", **lucky) == "rejected"
    assert outcome(lane="new_recipe", **lucky | {"unseen": 0.5}) == "provisional"
    assert ask("not_overfitted", pbo=None, tried=1).passed
    assert not ask("not_overfitted", pbo=None, tried=2).passed
    assert ask("survives_search", luck=0.6, tried=1).passed
    assert not ask("survives_search", luck=0.6, tried=2).passed


@pytest.mark.parametrize(
    ("change", "passes"),
    [({"drawdown": 0.0587}, True), ({"drawdown": 0.0588}, False), ({"turnover": 1.79}, True), ({"turnover": 1.81}, False),
     ({"net": 0.00091}, True), ({"net": 0.00089}, False)],
)  # fmt: skip
def test_trading_stays_near_the_champions(change, passes) -> None:
    """Drawdown at most 1.25 x and 2 points more, turnover 1.5 x, net return one standard error less."""
    assert ask("trades_like_champion", trades=replace(EARNS, **change)).passed is passes


def test_only_the_rules_that_are_named_speak_in_their_order() -> None:
    """gate.rules chooses; an unknown one is refused before any speaks, and the known ones are named."""
    judgement = judge(evidence(**BREAKS["calibrated"]), ("export_parity", "beats_prior"), provisional=False)
    assert [verdict.rule for verdict in judgement.verdicts] == ["export_parity", "beats_prior"]
    assert judgement.outcome == "promoted"
    with pytest.raises(ConfigError, match=r"'beats_priors'.*beats_prior"):
        judge(evidence(), ("beats_priors",), provisional=False)
