"""Evidence that every rule passes, to be changed in one place."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from market_master.domain.records import Scorecard, Trades
from market_master.gate.rules import Evidence, PairedComparison, Segment, Speed
from market_master.leakage import LAWS
from market_master.stats.daily import Gain

LIKED = Gain(mean=0.004, low=0.001, high=0.007, p_value=0.0123, days=60, p_bootstrap=0.0123, p_diebold_mariano=0.0101)


FINE = Segment("regime", "bull", 2000, -0.002, -1.2)


EARNS = Trades(net=0.0011, net_se=0.0002, gross=0.0015, turnover=1.2, drawdown=0.031, random_95=0.0005)


def card(candidate: str, kind: str = "model", **numbers: float) -> Scorecard:
    """A scorecard of good numbers, some of them others."""
    plain = {field.name: 0.5 for field in fields(Scorecard) if field.name not in ("candidate", "kind", "folds")}
    known = {"rps": 0.795, "ic": 0.04, "ece": 0.0211}
    return Scorecard(candidate=candidate, kind=kind, folds=5, **(plain | known | numbers))


def evidence(**changes: Any) -> Evidence:
    """All a rule may look at, in favour of the challenger; some of it changed."""
    facts: dict[str, Any] = {
        "lane": "new_recipe",
        "alpha": 0.05,
        "max_ic": 0.15,
        "challenger": card("logistic"),
        "against_prior": PairedComparison(LIKED, LIKED),
        "champion_version": "3",
        "champion": card("mlp"),
        "overlap": 0,
        "against_champion": PairedComparison(LIKED, LIKED),
        "against_champion_relabelled": PairedComparison(LIKED, LIKED),
        "rows_lost": 0.0012,
        "champion_reason": "",
        "recipes": PairedComparison(LIKED, LIKED),
        "recipes_reason": "",
        "dev": (card("logistic"), card("svc", ic=0.9), card("prior", "baseline", rps=0.800)),
        "winner": "logistic",
        "excess": {"vol_only": -0.5, "prior": -3.0},
        "tried": 12,
        "luck": 0.0031,
        "pbo": 0.04,
        "segments": (FINE,),
        "trades": EARNS,
        "champion_trades": EARNS,
        "drift": 0.61,
        "speed": Speed(0.0021, 0.0019),
        "holdout_first": "2024-09-03T15:30:00Z",
        "labels_known": "2024-09-01T20:00:00Z",
        "champion_labels_known": "2024-06-01T20:00:00Z",
        "holdout_sessions": 60,
        "short_history": False,
        "kept_share": 0.999,
        "parity": 3e-7,
        "feature_parity": 2e-13,
        "unseen": 0.95,
        "certificate": "2e970676d86cb8e8",
        "broken_laws": (),
        "laws": tuple(LAWS),
        "deterministic": True,
        "shrinkage": 0.4,
    }
    return Evidence(**(facts | changes))
