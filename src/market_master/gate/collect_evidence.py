"""Evidence collection: on the hold-out, on the development folds, on the artefact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from market_master.domain import Array, Bars, iso
from market_master.gate.contender import Contender, score_model
from market_master.gate.evidence import Evidence, Speed
from market_master.gate.head_to_head import Champion, compare_on_holdout, paired_comparison
from market_master.gate.measurements import (
    feature_parity,
    holdout_drift,
    max_ic,
    prediction_seconds,
    score_segments,
    simulate_trades,
)
from market_master.gate.recipe_evidence import compare_recipes
from market_master.leakage.certificate import Certificate
from market_master.stats import overfitting
from market_master.stats.daily import by_day
from market_master.training import Comparison, Experiment


@dataclass(frozen=True)
class HoldoutTerms:
    """On what terms the hold-out is looked at."""

    lane: str
    alpha: float
    unseen: float


@dataclass(frozen=True)
class ArtifactChecks:
    """What was found out about the registered artefact itself."""

    parity: float | None = None
    deterministic: bool | None = None
    certificate: Certificate | None = None


def collect_evidence(
    experiment: Experiment,
    comparison: Comparison,
    terms: HoldoutTerms,
    challenger: Contender,
    champion: Champion,
    checks: ArtifactChecks,
) -> Evidence:
    """All that the rules may look at."""
    market, dataset, rows = experiment.market, experiment.dataset, experiment.holdout_rows
    bars, opponent, certificate = market.bars, champion.contender, checks.certificate
    values = challenger.values(experiment)
    new = score_model(challenger, values, rows, bars, dataset.labels, dataset.overlap)
    met = compare_on_holdout(experiment, challenger, values, opponent) if opponent else None
    recipes, recipes_reason, benchmark = compare_recipes(experiment, comparison, champion.card)
    losses = comparison.daily
    return Evidence(
        lane=terms.lane,
        alpha=terms.alpha,
        max_ic=max_ic(market, experiment.settings, [new.card, *comparison.leaderboard]),
        overlap=dataset.overlap,
        challenger=new.card,
        against_prior=paired_comparison(
            new.prior - new.rps, new.direction, new.prior, bars.session[rows], dataset.overlap
        ),
        champion_version=champion.version,
        champion=met.champion.card if met else None,
        against_champion=met.by_challenger_labels if met else None,
        against_champion_relabelled=met.by_champion_labels if met else None,
        rows_lost=met.rows_lost if met else None,
        champion_reason="" if met else champion.reason,
        recipes=recipes,
        recipes_reason=recipes_reason,
        dev=comparison.leaderboard,
        winner=comparison.winner,
        excess=comparison.excess,
        tried=comparison.trials,
        luck=overfitting.best_of_many(benchmark, losses) if len(benchmark) == len(losses) else None,
        pbo=overfitting.pbo(np.column_stack([losses, *_baselines(comparison, bars)])) if losses.shape[1] > 1 else None,
        segments=score_segments(experiment, new, met, rows),
        trades=simulate_trades(experiment, new, rows),
        champion_trades=simulate_trades(experiment, met.champion, met.rows) if met else None,
        drift=holdout_drift(experiment, rows),
        speed=Speed(prediction_seconds(challenger, market), prediction_seconds(opponent, market) if opponent else None),
        holdout_first=iso(bars.bar_end[dataset.zones.holdout].min()),
        labels_known=challenger.labels_known,
        champion_labels_known=opponent.labels_known if opponent else None,
        holdout_sessions=dataset.zones.holdout_sessions,
        short_history=dataset.zones.short,
        unseen=terms.unseen,
        kept_share=market.kept_share,
        parity=checks.parity,
        feature_parity=feature_parity(experiment, challenger.bars_graph, rows),
        deterministic=checks.deterministic,
        shrinkage=challenger.calibration.shrinkage,
        certificate=certificate.key if certificate else None,
        laws=certificate.laws if certificate else (),
        broken_laws=certificate.broken if certificate else None,
    )


def _baselines(comparison: Comparison, bars: Bars) -> list[Array]:
    return [
        by_day(oof.rps, bars.session[oof.rows])
        for name, oof in comparison.out_of_fold.items()
        if name not in comparison.searches
    ]
