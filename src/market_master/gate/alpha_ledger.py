"""Alpha ledger: looks at each hold-out, their days, and what the next look may spend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.artifact.bundle import ModelVersion
from market_master.artifact.model_card import ModelCard
from market_master.domain import NEW_RECIPE, REFRESH, JournalEntry, session_date
from market_master.gate.rules.search import MIN_UNSEEN
from market_master.market_data.ingest import Market
from market_master.registry.journal import DECISIONS, Journal, new_looks
from market_master.training import Experiment


@dataclass(frozen=True)
class HoldoutBudget:
    """On what terms the gate may look at a hold-out."""

    lane: str
    year: int
    """of the hold-out's last bar"""
    look: int
    """the year's j-th of the new-recipe lane, this one counted"""
    alpha: float
    """gate.alpha / (j (j + 1)), which sums to gate.alpha over a year"""
    first: str
    last: str
    """sessions of the hold-out"""
    unseen: float
    """share of them that no earlier look of a new recipe has seen"""
    allowed: bool
    remedy: str


def holdout_budget(journal: Journal, experiment: Experiment, lane: str) -> HoldoutBudget:
    """What the journal allows. Only looks of new recipes at the same source spend its days; refreshes are counted."""
    market, alpha = experiment.market, experiment.settings.gate.alpha
    days = np.unique(market.bars.session[experiment.dataset.zones.holdout])
    dates = [session_date(int(day)).isoformat() for day in days]
    year = session_date(int(days[-1])).year
    looks = [entry.details for entry in new_looks(journal)]
    spans = [(look["first"], look["last"]) for look in looks if look["source"] == market.source]
    seen_days = sum(any(first <= date <= last for first, last in spans) for date in dates)
    unseen = 1 - seen_days / len(dates)
    look = 1 + sum(entry["year"] == year for entry in looks) if lane == NEW_RECIPE else 1
    wait = max(0, int(np.ceil(MIN_UNSEEN * len(dates))) - (len(dates) - seen_days))
    return HoldoutBudget(
        lane=lane,
        year=year,
        look=look,
        alpha=alpha / (look * (look + 1)),
        first=dates[0],
        last=dates[-1],
        unseen=unseen,
        allowed=lane == REFRESH or unseen >= MIN_UNSEEN,
        remedy=f"Wait for {wait} more sessions, refresh the champion's own recipe, or compare without the gate (`mm run --dev`).",
    )


def pending_look(journal: Journal, challenger: ModelCard, lane: str) -> HoldoutBudget | None:
    """The look that a killed run had spent on this recipe and these bars, and whose outcome was never told: it is gone on with."""
    for entry in reversed(journal.entries()):
        details = entry.details
        if (
            entry.event == "looked"
            and (entry.data_hash, details.get("recipe_hash"), details["lane"])
            == (challenger.data_hash, challenger.recipe_hash, lane)
            and journal.last_decision(str(entry.to_version)) is None
        ):
            budget = {name: details[name] for name in ("year", "look", "alpha", "first", "last", "unseen")}
            return HoldoutBudget(lane=lane, **budget, allowed=True, remedy="")
    return None


def record_look(journal: Journal, terms: HoldoutBudget, challenger: ModelVersion, market: Market) -> None:
    """Write the look into the journal, before it is taken."""
    journal.write(
        "looked",
        by="gate",
        reason=f"Look {terms.look} of {terms.year} at a hold-out, lane {terms.lane}.",
        to_version=challenger.version,
        data_hash=market.data_hash,
        details={
            "year": terms.year, "lane": terms.lane, "look": terms.look, "alpha": terms.alpha, "source": market.source,
            "first": terms.first, "last": terms.last, "unseen": terms.unseen, "recipe_hash": challenger.card.recipe_hash,
        },
    )  # fmt: skip


def prior_decision(journal: Journal, challenger: ModelCard, production: str | None) -> JournalEntry | None:
    """The decision there already is about this recipe on these bars, unless it made the standing champion."""
    decisions = [
        entry
        for entry in journal.entries()
        if entry.event in DECISIONS
        and entry.by == "gate"
        and entry.data_hash == challenger.data_hash
        and entry.details.get("recipe_hash") == challenger.recipe_hash
        and not entry.details.get("refused")
    ]
    return None if not decisions or any(entry.to_version == production for entry in decisions) else decisions[-1]
