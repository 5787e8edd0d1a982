"""Evidence: what a challenger's answers on the hold-out, and its recipe on the development folds, say for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from market_master import config, features
from market_master.artifact.model_card import ModelCard
from market_master.config import Settings
from market_master.domain.actions import without_direction
from market_master.domain.arrays import Array, Ints
from market_master.domain.bars import Bars
from market_master.domain.clock import iso
from market_master.domain.errors import MarketMasterError
from market_master.domain.records import Scorecard, Trades
from market_master.gate import trade_simulation
from market_master.gate.contender import Contender, ScoredPredictions, score_model
from market_master.gate.rules import Evidence, PairedComparison, Segment, Speed
from market_master.leakage.certificate import Certificate
from market_master.market_data.ingest import Market
from market_master.plugins import load_family
from market_master.stats import metrics, overfitting
from market_master.stats.daily import by_day, newey_west_se
from market_master.stats.domain_classifier import domain_auc
from market_master.stats.regimes import regimes
from market_master.training.compare import Comparison
from market_master.training.dataset import label_bars
from market_master.training.experiment import Experiment
from market_master.training.feature_table import FeatureTable
from market_master.training.importance import SCREENER, select_features
from market_master.training.walk_forward import (
    OutOfFold,
    Recipe,
    calibrate_out_of_fold,
    fit_predict_folds,
    prepare_folds,
)

SEGMENT_ROWS = 300
SPEED_ASKS = 40
PARITY_INSTANTS = 5


@dataclass(frozen=True)
class HoldoutTerms:
    """On what terms the hold-out is looked at."""

    lane: str
    alpha: float
    unseen: float


def collect_evidence(
    experiment: Experiment,
    comparison: Comparison,
    look: HoldoutTerms,
    challenger: Contender,
    champion: Contender | None,
    *,
    champion_version: str | None = None,
    champion_card: ModelCard | None = None,
    champion_reason: str = "there is none.",
    parity: float | None = None,
    deterministic: bool | None = None,
    certificate: Certificate | None = None,
) -> Evidence:
    """All that the rules may look at. A champion that can't be met is told by its version and the reason."""
    market, dataset = experiment.market, experiment.dataset
    bars, rows = market.bars, experiment.holdout_rows
    values = challenger.values(experiment)
    mine = score_model(challenger, values, rows, bars, dataset.labels, dataset.overlap)
    meeting = _meet(experiment, challenger, values, champion, rows) if champion else None
    theirs = meeting.theirs if meeting else None
    recipes, recipes_reason, benchmark = _recipes(experiment, comparison, champion_card)
    losses = comparison.daily
    return Evidence(
        lane=look.lane,
        alpha=look.alpha,
        max_ic=_max_ic(market, experiment.settings, [mine.card, *comparison.leaderboard]),
        overlap=dataset.overlap,
        challenger=mine.card,
        against_prior=_duel(mine.prior - mine.rps, mine.direction, mine.prior, bars.session[rows], dataset.overlap),
        champion_version=champion_version,
        champion=theirs.card if theirs else None,
        against_champion=meeting.duel if meeting else None,
        against_champion_relabelled=meeting.relabelled if meeting else None,
        rows_lost=meeting.lost if meeting else None,
        champion_reason=champion_reason if champion is None else "",
        recipes=recipes,
        recipes_reason=recipes_reason,
        dev=comparison.leaderboard,
        winner=comparison.winner,
        excess=comparison.excess,
        tried=comparison.trials,
        luck=overfitting.best_of_many(benchmark, losses) if len(benchmark) == len(losses) else None,
        pbo=overfitting.pbo(np.column_stack([losses, *_baselines(comparison, bars)])) if losses.shape[1] > 1 else None,
        segments=_segments(experiment, mine, meeting, rows),
        trades=_trades(experiment, mine, rows),
        champion_trades=_trades(experiment, theirs, meeting.rows) if meeting and theirs else None,
        drift=_drift(experiment, rows),
        speed=Speed(_seconds(challenger, market), _seconds(champion, market) if meeting and champion else None),
        holdout_first=iso(bars.bar_end[dataset.zones.holdout].min()),
        labels_known=challenger.labels_known,
        champion_labels_known=champion.labels_known if champion else None,
        holdout_sessions=dataset.zones.holdout_sessions,
        short_history=dataset.zones.short,
        unseen=look.unseen,
        kept_share=market.kept_share,
        parity=parity,
        feature_parity=_feature_parity(experiment, rows),
        deterministic=deterministic,
        shrinkage=challenger.calibration.shrinkage,
        certificate=certificate.key if certificate else None,
        laws=certificate.laws if certificate else (),
        broken_laws=certificate.broken if certificate else None,
    )


@dataclass(frozen=True, eq=False)
class _HeadToHead:
    """Challenger and champion on the rows that both can answer."""

    rows: Ints
    mine: ScoredPredictions
    theirs: ScoredPredictions
    duel: PairedComparison
    relabelled: PairedComparison
    """by the champion's labels"""
    lost: float


def _meet(experiment: Experiment, challenger: Contender, values: Array, champion: Contender, rows: Ints) -> _HeadToHead:
    market, overlap = experiment.market, experiment.dataset.overlap
    others = champion.values(experiment)
    answerable = np.isfinite(others[rows]).all(axis=1)
    met = rows[answerable]
    pairs = []
    for labels in (experiment.dataset.labels, champion.labeler.transform(market.bars)):
        both = met[labels.known[met]]
        mine = score_model(challenger, values, both, market.bars, labels, overlap)
        theirs = score_model(champion, others, both, market.bars, labels, overlap)
        gained = _duel(
            theirs.rps - mine.rps, mine.direction - theirs.direction, mine.prior, market.bars.session[both], overlap
        )
        pairs.append((both, mine, theirs, gained))
    (both, mine, theirs, duel), relabelled = pairs[0], pairs[1][3]
    return _HeadToHead(both, mine, theirs, duel, relabelled, 1 - float(answerable.mean()))


def _duel(rps_gain: Array, direction_gain: Array, prior: Array, session: Ints, overlap: int) -> PairedComparison:
    reference = float(prior.mean())
    return PairedComparison.of(
        by_day(rps_gain, session) / reference, by_day(direction_gain, session) / reference, overlap
    )


def _recipes(
    experiment: Experiment, comparison: Comparison, champion: ModelCard | None
) -> tuple[PairedComparison | None, str, Array]:
    """Recipe evidence, why there is none, and the daily losses that a search had to beat: the champion's, or the prior's."""
    bars = experiment.market.bars
    mine, prior = comparison.out_of_fold[comparison.winner], comparison.out_of_fold["prior"]
    if champion is None:
        return None, "there is no champion.", by_day(prior.rps, bars.session[prior.rows])
    try:
        theirs = champion_out_of_fold(experiment, comparison, champion)
    except (MarketMasterError, KeyError, TypeError) as error:
        return None, f"its recipe can't be fitted anew here: {error}", np.zeros(0)
    shared, here, there = np.intersect1d(mine.rows, theirs.rows, return_indices=True)
    action, session = mine.action[here], bars.session[shared]
    lost = 1 - len(shared) / len(mine.rows)
    if lost > 0.01:
        return None, f"its recipe can't answer {lost:.1%} of the development rows.", np.zeros(0)
    scores, directions = [], []
    for oof, at in ((mine, here), (theirs, there)):
        scores.append(metrics.rps(oof.probabilities[at], action))
        directions.append(metrics.rps(without_direction(oof.probabilities[at], oof.prior[at]), action) - scores[-1])
    reference = metrics.rps(mine.prior[here], action)
    duel = _duel(scores[1] - scores[0], directions[0] - directions[1], reference, session, experiment.dataset.overlap)
    return duel, "", by_day(scores[1], session)


def champion_out_of_fold(experiment: Experiment, comparison: Comparison, card: ModelCard) -> OutOfFold:
    """The champion's recipe fitted anew over this run's folds: its features, label, candidate and parameters."""
    settings, market = experiment.settings, experiment.market
    theirs = config.build(card.settings, "the champion's card", {})
    parts: dict[str, Any] = {name: getattr(theirs, name) for name in ("features", "label", "training", "costs")}
    recipe = Recipe(load_family("models")[card.candidate], card.tuned, theirs.training.seeds)
    alike = (
        all(getattr(settings, name) == part for name, part in parts.items())
        and card.features == experiment.features.names
    )
    search = comparison.searches.get(card.candidate)
    if alike and search and search.recipe.parameters == card.tuned:
        return comparison.out_of_fold[card.candidate]
    settings = settings.model_copy(update=parts)
    values = features.compute(market.bars, card.features, members=market.members)
    table = FeatureTable(card.features, values, {})
    refitted = Experiment(market, table, label_bars(market.bars, settings), settings)
    ground = prepare_folds(refitted, comparison.course.kept)
    if settings.features.keep is not None:
        ground = select_features(ground, Recipe(load_family("models")[SCREENER]), table.names, settings.features.keep)
    raw = [probabilities for *_, probabilities, _ in fit_predict_folds([recipe], ground, range(len(ground.folds)))]
    return calibrate_out_of_fold(recipe, raw, ground)


def _baselines(comparison: Comparison, bars: Bars) -> list[Array]:
    return [
        by_day(oof.rps, bars.session[oof.rows])
        for name, oof in comparison.out_of_fold.items()
        if name not in comparison.searches
    ]


def _segments(
    experiment: Experiment, mine: ScoredPredictions, meeting: _HeadToHead | None, rows: Ints
) -> tuple[Segment, ...]:
    """Each symbol, slot, regime, and rows whose label lies in another session, with enough rows to be judged."""
    bars = experiment.market.bars
    if meeting:
        rows, worse, reference = meeting.rows, meeting.mine.rps - meeting.theirs.rps, meeting.theirs.rps
    else:
        worse, reference = mine.rps - mine.prior, mine.prior
    crosses = experiment.dataset.labels.crosses_session[rows]
    parts = {
        "symbol": np.asarray(bars.symbols, dtype=str)[bars.code[rows]],
        "slot": bars.next_slot[rows].astype(str),
        "regime": regimes(bars, experiment.market.members)[rows],
        "session": np.where(crosses, "next", "same"),
    }
    found = []
    for kind, part in parts.items():
        for name in np.unique(part).tolist():
            inside = part == name
            days = bars.session[rows][inside]
            if inside.sum() < SEGMENT_ROWS or len(np.unique(days)) < 5:
                continue
            daily = by_day(worse[inside], days)
            error = newey_west_se(daily, experiment.dataset.overlap)
            share = float(worse[inside].mean() / reference[inside].mean())
            found.append(
                Segment(kind, str(name), int(inside.sum()), share, float(daily.mean() / error) if error > 0 else 0.0)
            )
    return tuple(found)


def _trades(experiment: Experiment, one: ScoredPredictions, rows: Ints) -> Trades:
    bars = experiment.market.bars
    return trade_simulation.trade(
        one.decided,
        experiment.dataset.labels.forward_return[rows],
        bars.code[rows],
        bars.bar_end[rows],
        bars.session[rows],
        bars.slot[rows],
        cost=experiment.settings.costs.bps / 1e4,
        horizon=experiment.settings.label.horizon,
    )


def _drift(experiment: Experiment, rows: Ints) -> float:
    values, session = experiment.features.values, experiment.market.bars.session
    learned = experiment.dev_rows
    return domain_auc(values[learned], session[learned], values[rows], session[rows])


def _feature_parity(experiment: Experiment, rows: Ints) -> float:
    """Largest difference between the table and features computed from just the bars serving would have."""
    bars, table = experiment.market.bars, experiment.features
    needed, worst = features.warmup(table.names) + 1, 0.0
    instants = np.unique(bars.bar_end[rows])
    for instant in instants[np.linspace(0, len(instants) - 1, PARITY_INSTANTS).astype(int)].tolist():
        short = bars.until(instant).tail(needed)
        served = features.compute(short, table.names, members=experiment.market.members)[short.bar_end == instant]
        offline = table.values[bars.bar_end == instant]
        whole = np.isfinite(served).all(axis=1) & np.isfinite(offline).all(axis=1)
        worst = max(worst, float(np.abs(served - offline)[whole].max(initial=0.0)))
    return worst


def _seconds(contender: Contender, market: Market) -> float:
    """Of one prediction from bars, 95 in 100 take less."""
    needed = features.warmup(contender.features) + 1
    bars = market.bars.take(market.bars.bar_end > market.bars.newest - 40 * 86400).tail(needed)
    if not features.needs_market(contender.features):
        bars = bars.select([bars.symbols[0]])
    row = np.array([int(bars.offsets[1]) - 1])
    spent = []
    for _ in range(SPEED_ASKS):
        begun = time.perf_counter()
        values = features.compute(bars, contender.features, members=market.members)
        contender.probabilities(np.nan_to_num(values), row, bars)
        spent.append(time.perf_counter() - begun)
    return float(np.quantile(spent, 0.95))


def _max_ic(market: Market, settings: Settings, cards: list[Scorecard]) -> float:
    """The leak alarm's limit: configured, or for a simulated market its exact IC and three standard errors."""
    if "ic" not in market.manifest:
        return settings.gate.max_ic
    errors = [abs(card.ic / card.ic_t) for card in cards if card.kind == "model" and card.ic_t]
    return float(market.manifest["ic"]) + 3 * max(errors, default=0.0)
