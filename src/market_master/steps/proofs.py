"""Proofs: each law of the leak suite, put to the objects of one configured pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market_master import audit, calibration, features, policy
from market_master.audit import Finding, Probe
from market_master.calibration import Calibration
from market_master.config import Settings
from market_master.domain.actions import SCORES, expected_score, symmetric
from market_master.domain.bars import Array, Bars
from market_master.domain.days import day_t, days_permuted
from market_master.domain.inputs import model_inputs
from market_master.domain.sessions import Ints
from market_master.folds import CombinatorialPurged, sample_timestamps
from market_master.metrics import ic, ic_terms, rps
from market_master.regime import REGIMES, regimes
from market_master.steps.features import FeatureTable
from market_master.steps.features import compute as compute_table
from market_master.steps.fetch import Market
from market_master.steps.fetch import fetch as fetch_market
from market_master.steps.label import Labelled, new_labeler
from market_master.steps.label import label as cut_labels
from market_master.steps.progress import tell
from market_master.steps.train_compare import Comparison
from market_master.steps.walk_forward import Course, OutOfFold, Recipe, answers, calibrated, course

ROWS = 15_000
"""of the newest bars that the laws of time look at"""
INSTANTS = 9
TRAINED_ON = 4000
"""rows of each fit inside the audit"""
PLANTED = {"kind": "simulated", "seed": 11, "symbols": 30, "sessions": 240, "edge": 0.15}
MAX_SIGN = 0.55
MAX_T = 3.0
SEED = 7


@dataclass(frozen=True, eq=False)
class Subject:
    """The configured pipeline and a stretch of its bars."""

    market: Market
    table: FeatureTable
    labelled: Labelled
    comparison: Comparison
    settings: Settings
    bars: Bars
    """the newest, as many as the laws of time look at"""

    @classmethod
    def of(
        cls, market: Market, table: FeatureTable, labelled: Labelled, comparison: Comparison, settings: Settings
    ) -> Subject:
        """The pipeline of a run."""
        return cls(market, table, labelled, comparison, settings, _newest(market.bars, ROWS))

    @property
    def instants(self) -> list[int]:
        """Where time is cut: spread over the later half, among them a session's first, middle and last bar."""
        times = np.unique(self.bars.bar_end)
        random = np.random.default_rng(SEED)
        late = np.arange(len(times) // 2, len(times) - 1)
        ends = np.flatnonzero(np.diff(self.bars.session[np.unique(self.bars.bar_end, return_index=True)[1]]) != 0)
        edges = [int(ends[-2]), int(ends[-2]) + 1, int(ends[-2]) - 1] if len(ends) > 1 else []
        picked = random.permutation(late)[: INSTANTS - len(edges)].tolist()
        return [int(times[place]) for place in sorted({*picked, *edges})]


def findings(subject: Subject, laws: Sequence[str]) -> Iterator[Finding]:
    """What some laws say about every object of the pipeline."""
    parts: list[tuple[set[str], Callable[[Subject], list[Finding]]]] = [
        ({"L1", "L2"}, _time),
        ({"L3"}, _live),
        ({"L4"}, _isolation),
        ({"L9"}, _splits),
        ({"L10"}, _sensitivity),
        ({"L11"}, _units),
        ({"L5"}, _too_good),
        ({"L6"}, _shuffled),
        ({"L7"}, _planted_edge),
        ({"L8"}, _planted_leaks),
    ]
    todo = [check for of, check in parts if of & set(laws)]
    for done, check in enumerate(todo):
        yield from check(subject)
        tell("audit", done + 1, len(todo))


def paths(subject: Subject) -> list[float]:
    """RPSS of the winner's recipe on each whole path of combinatorial purged cross-validation: an audit, never a score."""
    bars, labels, table = subject.market.bars, subject.labelled.labels, subject.table
    dev = np.flatnonzero(subject.labelled.zones.dev & labels.known & table.complete)
    splitter = CombinatorialPurged(embargo=subject.settings.folds.embargo_sessions)
    scores: list[list[Array]] = [[] for _ in range(splitter.groups)]
    inputs = model_inputs(table.values, bars.symbols, bars.code, bars.symbols)
    for chosen, fold in splitter.split(bars.session[dev], bars.bar_end[dev], labels.label_end[dev]):
        train, test = _thin(bars, dev[fold.train], TRAINED_ON), dev[fold.test]
        prior = np.bincount(labels.action[train], minlength=5) / len(train)
        fitted = subject.comparison.recipe.new(len(bars.symbols)).fit(inputs[train], labels.action[train])
        raw = np.asarray(fitted.predict_proba(inputs[test]), dtype=float)
        said = replace(subject.comparison.calibration, prior=tuple(prior.tolist()), cuts=None).apply(raw)
        gained = np.column_stack(
            [rps(said, labels.action[test]), rps(np.tile(prior, (len(test), 1)), labels.action[test])]
        )
        blocks = np.array_split(np.unique(bars.session[dev]), splitter.groups)
        for number in chosen:
            inside = np.isin(bars.session[test], blocks[number])
            scores[number].append(gained[inside].sum(axis=0))
        tell("audit", len(scores[-1]), splitter.paths)
    totals = np.array(scores).sum(axis=0)
    return [float(1 - own / base) for own, base in totals]


def _time(subject: Subject) -> list[Finding]:
    found = []
    for probe in (_features(subject), _label(subject), _regime(subject)):
        found += audit.never_ahead(probe, subject.bars, subject.instants)
    trained, instants = _pipeline(subject)
    return found + audit.never_ahead(trained, subject.bars, instants)


def _live(subject: Subject) -> list[Finding]:
    needed = features.warmup(subject.table.names) + 1
    probes = (_features(subject), _predictions(subject))
    return [f for probe in probes for f in audit.live(probe, subject.bars, needed, subject.instants[-4:])]


def _isolation(subject: Subject) -> list[Finding]:
    own = tuple(name for name in subject.table.names if not features.needs_market((name,)))
    probe = _features(subject, own)
    return audit.isolated(probe, subject.bars, own, subject.bars.symbols[:3])


def _splits(subject: Subject) -> list[Finding]:
    """The very folds and zones of the run."""
    bars, zones, labels = subject.market.bars, subject.labelled.zones, subject.labelled.labels
    found = [audit.split_in_time("development and hold-out", bars, zones.dev, zones.holdout, labels.label_end)]
    for number, fold in enumerate(subject.comparison.course.folds):
        train, test = np.zeros(len(bars), dtype=bool), np.zeros(len(bars), dtype=bool)
        train[fold.train], test[fold.test] = True, True
        found.append(audit.split_in_time(f"fold {number + 1}", bars, train, test, fold.label_end))
    return found


def _sensitivity(subject: Subject) -> list[Finding]:
    clock = [name for name in subject.table.names if features.of_clock_only(name)]
    return audit.sensitive(_features(subject), subject.bars, subject.instants[:2], clock)


def _units(subject: Subject) -> list[Finding]:
    probes = (_features(subject), _label(subject), _predictions(subject))
    return [finding for probe in probes for finding in audit.unit_free(probe, subject.bars)]


def _too_good(subject: Subject, table: FeatureTable | None = None) -> list[Finding]:
    """L5: no feature's IC with the next z, on development rows, beyond what the market can hold."""
    table, labelled, manifest = table or subject.table, subject.labelled, subject.market.manifest
    rows = np.flatnonzero(labelled.zones.dev & labelled.labels.known & table.complete)
    z, session = labelled.labels.z[rows], subject.market.bars.session[rows]
    found = []
    for column, name in enumerate(table.names):
        value = table.values[rows, column]
        said, limit = ic(value, z), subject.settings.gate.max_ic
        if "ic" in manifest:
            t = day_t(ic_terms(value, z), session)
            limit = float(manifest["ic"]) + MAX_T * (abs(said / t) if t else 0.0)
        centred = value - np.median(value)
        sides = (centred != 0) & (z != 0)
        hit = float((np.sign(centred) == np.sign(z))[sides].mean()) if sides.any() else 0.5
        told = f"IC {said:+.4f}, limit {limit:.4f}; sign accuracy {max(hit, 1 - hit):.1%}"
        told += ": look into it" if max(hit, 1 - hit) > MAX_SIGN else ""
        found.append(Finding("L5", "feature", name, abs(said) <= limit, None, told))
    return found


def _shuffled(subject: Subject) -> list[Finding]:
    """L6: with the labels of whole days dealt to other days, the recipe learns nothing."""
    ground = _small(subject)
    random = np.random.default_rng(SEED)
    dealt = []
    for fold in ground.folds:
        action, z = fold.action.copy(), fold.z.copy()
        for rows in (fold.train, fold.test):
            other = rows[
                days_permuted(ground.bars.code[rows], ground.bars.slot[rows], ground.bars.session[rows], random)
            ]
            action[rows], z[rows] = fold.action[other], fold.z[other]
        dealt.append(replace(fold, action=action, z=z))
    recipe = subject.comparison.recipe
    oof, learned = _walk(recipe, replace(ground, folds=tuple(dealt)))
    direction, information = _skill_t(oof, ground.bars)
    passed = abs(direction) < MAX_T and abs(information) < MAX_T
    told = f"DIR t {direction:+.2f}, IC t {information:+.2f} (limits {MAX_T:.0f}), lambda {learned.shrinkage:.2f}"
    return [Finding("L6", "recipe", recipe.name, passed, None, told)]


def _planted_edge(subject: Subject) -> list[Finding]:
    """L7: on a market whose edge is known, features, label, folds and calibration find it, and no more."""
    planted = subject.settings.model_copy(
        update={
            "provider": type(subject.settings)(name="planted", provider=PLANTED).provider,
            "interval": "1h",
            "calendar": "XNYS",
            "universe": type(subject.settings.universe)(),
            "label": type(subject.settings.label)(),
        }
    )
    with TemporaryDirectory() as folder:
        market = fetch_market(planted, Path(folder), 2**33)
    table = compute_table(market.bars, planted, market.members)
    ground = replace(course(market.bars, table, cut_labels(market.bars, planted), planted), max_train_rows=20_000)
    oof, _ = _walk(subject.comparison.recipe, ground)
    found, edge = ic(expected_score(oof.probabilities), oof.z), float(market.manifest["ic"])
    direction, information = _skill_t(oof, market.bars)
    error = abs(found / information) if information else 0.0
    low, high = 0.6 * edge - MAX_T * error, edge + MAX_T * error
    told = (
        f"IC {found:.4f} of a planted {edge:.4f} ({low:.4f} to {high:.4f}), DIR t {direction:+.2f} (above {MAX_T:.0f})"
    )
    name = subject.comparison.recipe.name
    return [Finding("L7", "recipe", name, low <= found <= high and direction > MAX_T, None, told)]


def _planted_leaks(subject: Subject) -> list[Finding]:
    """L8: the next z with noise, and a z-score over the whole sample, must be caught by the other laws."""
    bars, labeler = subject.bars, subject.labelled.labeler

    def next_z(given: Bars) -> Array:
        noise = np.random.default_rng(SEED).standard_normal(len(bars))
        return (np.nan_to_num(labeler.transform(given).z) + 3 * noise[: len(given)])[:, None]

    def whole_sample(given: Bars) -> Array:
        return ((given.close - given.close.mean()) / given.close.std())[:, None]

    found = []
    for name, leak in (("next z and noise", next_z), ("z-score of the whole sample", whole_sample)):
        caught = audit.never_ahead(Probe("planted leak", (name,), leak), bars, subject.instants[:3])
        proof = next((finding.proof for finding in caught if not finding.passed), None)
        told = f"caught by {', '.join(finding.law for finding in caught if not finding.passed) or 'no law'}"
        found.append(Finding("L8", "planted leak", name, proof is not None, proof, told))
    return found


def _features(subject: Subject, names: tuple[str, ...] | None = None) -> Probe:
    names, members = names or subject.table.names, subject.market.members
    return Probe("feature", names, lambda bars: features.compute(bars, names, members=_present(members, bars)))


def _label(subject: Subject) -> Probe:
    labeler = subject.labelled.labeler
    window = new_labeler(subject.settings)

    def columns(bars: Bars) -> Array:
        labels = labeler.transform(bars)
        return np.column_stack([labels.action, labels.z])

    return Probe("label", ("action", "z"), columns, window.window.end)


def _regime(subject: Subject) -> Probe:
    members = subject.market.members

    def columns(bars: Bars) -> Array:
        return np.searchsorted(np.sort(REGIMES), regimes(bars, members)).astype(float)[:, None]

    return Probe("regime", ("regime",), columns)


def _predictions(subject: Subject) -> Probe:
    """The fitted winner's calibrated answers."""
    names, known, comparison = subject.table.names, subject.market.bars.symbols, subject.comparison
    members = subject.market.members

    def columns(bars: Bars) -> Array:
        values = features.compute(bars, names, members=_present(members, bars))
        ready = np.isfinite(values).all(axis=1)
        out = np.full((len(bars), 5), np.nan)
        if ready.any():
            inputs = model_inputs(np.round(values[ready], 7), bars.symbols, bars.code[ready], known)
            raw = _exactly(comparison.estimator, inputs)
            out[ready] = np.round(comparison.calibration.apply(raw), 6)
        return out

    return Probe("prediction", ("strong_sell", "sell", "hold", "buy", "strong_buy"), columns)


def _pipeline(subject: Subject) -> tuple[Probe, list[int]]:
    """Everything that is fitted, fitted anew on the bars up to a cut, and what it answers before and after."""
    settings, market = subject.settings, subject.market
    times = np.unique(subject.bars.bar_end)
    cut = int(times[int(0.7 * len(times))])
    recipe, members = subject.comparison.recipe, subject.market.members
    state = ("temperature", "shrinkage", "cut 1", "cut 2", "cut 3", "cut 4", "weak", "strong")
    names = ("scale", *state, "strong_sell", "sell", "hold", "buy", "strong_buy", "action", "wss", "equity")

    def columns(bars: Bars) -> Array:
        values = features.compute(bars, subject.table.names, members=_present(members, bars))
        labeler = new_labeler(settings)
        closed = labeler.window.end(bars) <= cut
        labeler = labeler.fit(bars, closed)
        labels = labeler.transform(bars)
        usable = np.asarray(np.isfinite(values).all(axis=1))
        train = np.flatnonzero(closed & usable & labels.known)
        inputs = model_inputs(np.nan_to_num(values), bars.symbols, bars.code, bars.symbols)
        later = bars.session[train] >= np.quantile(bars.session[train], 0.6)
        ended = labels.label_end[train] < bars.bar_end[train][later].min()
        early, late = train[~later & ended], train[later]
        prior = np.bincount(labels.action[train], minlength=5) / len(train)
        learned = calibration.fit(
            _fit(recipe, inputs, early, labels.action, bars)(inputs[late]), labels.action[late], prior
        )
        said = learned.apply(_fit(recipe, inputs, train, labels.action, bars)(inputs))
        decided = policy.act(said, settings.policy.rule, learned.cuts)
        measure: Any = getattr(labeler, "scale", None)
        scale = measure(bars) if callable(measure) else np.full(len(bars), np.nan)
        facts = [learned.temperature, learned.shrinkage, *(learned.cuts or (0.0,) * 4)]
        facts += [float(labeler.state().get(name, 0.0)) for name in ("k1", "k2")]
        wss, equity = _index(bars, np.where(usable, SCORES[decided], 0.0), usable, market, settings.costs.bps / 1e4)
        said[~usable] = np.nan
        return np.column_stack([scale, np.tile(facts, (len(bars), 1)), said, decided, wss, equity])

    return Probe("pipeline", names, columns), [
        cut,
        *(int(t) for t in times[[int(0.8 * len(times)), int(0.93 * len(times))]]),
    ]


def _index(bars: Bars, score: Array, usable: NDArray[np.bool_], market: Market, cost: float) -> tuple[Array, Array]:
    """WSS at each row's instant, and the compounded equity of positions held over the bar that ends there."""
    weight = np.array([market.weights.by_symbol.get(symbol, 0.0) for symbol in bars.symbols])[bars.code] * usable
    _, at = np.unique(bars.bar_end, return_inverse=True)
    covered = np.maximum(np.bincount(at, weights=weight), 1e-12)
    wss = np.bincount(at, weights=weight * score) / covered
    held = np.concatenate([[0.0], np.where(bars.code[1:] == bars.code[:-1], score[:-1] / 2, 0.0)])
    before = np.concatenate([[0.0], np.where(bars.code[1:] == bars.code[:-1], held[:-1], 0.0)])
    earned = held * (bars.close / bars.open - 1) - cost * np.abs(held - before)
    share = 1 / np.bincount(at)
    equity = np.cumsum(np.log1p(np.bincount(at, weights=earned) * share))
    return wss[at], equity[at]


def _fit(recipe: Recipe, inputs: NDArray[np.float32], rows: Ints, action: Any, bars: Bars) -> Callable[[Any], Array]:
    rows = _thin(bars, rows, TRAINED_ON)
    fitted = recipe.new(len(bars.symbols)).fit(inputs[rows], action[rows])
    return lambda asked: _exactly(fitted, asked)


def _exactly(fitted: Any, inputs: NDArray[np.float32]) -> Array:
    """Answers in float64: in float32 a product of matrices rounds by the number of rows, and no law is about that."""
    return np.asarray(fitted.predict_proba(inputs.astype(float)), dtype=float)


def _thin(bars: Bars, rows: Ints, limit: int) -> Ints:
    mask = np.zeros(len(bars), dtype=bool)
    mask[rows] = True
    return np.flatnonzero(sample_timestamps(mask, bars.bar_end, limit))


def _small(subject: Subject) -> Course:
    """The run's own folds, trained on fewer rows."""
    return replace(subject.comparison.course, max_train_rows=3 * TRAINED_ON, kept=None)


def _walk(recipe: Recipe, ground: Course) -> tuple[OutOfFold, Calibration]:
    raw = [said for *_, said, _ in answers([recipe], ground, range(len(ground.folds)))]
    came = np.concatenate([fold.action[fold.test] for fold in ground.folds])
    return calibrated(recipe, raw, ground), calibration.fit(np.concatenate(raw), came, ground.folds[-1].prior)


def _skill_t(oof: OutOfFold, bars: Bars) -> tuple[float, float]:
    """Day-level t of the directional part and of the IC."""
    session = bars.session[oof.rows]
    gained = rps(symmetric(oof.probabilities, oof.prior), oof.action) - rps(oof.probabilities, oof.action)
    gained = np.where(np.abs(gained) < 1e-12, 0.0, gained)
    return day_t(gained, session), day_t(ic_terms(expected_score(oof.probabilities), oof.z), session)


def _newest(bars: Bars, rows: int) -> Bars:
    """Whole sessions at the end, about so many rows, thirty sessions at least."""
    days, counts = np.unique(bars.session, return_counts=True)
    kept = int(np.searchsorted(np.cumsum(counts[::-1]), rows)) + 1
    first = days[-min(len(days), max(kept, 30))]
    part = bars.take(bars.session >= first)
    return part.only([symbol for symbol in part.symbols if symbol in np.asarray(part.symbols)[np.unique(part.code)]])


def _present(members: Sequence[str], bars: Bars) -> tuple[str, ...]:
    """The market's members among the symbols at hand."""
    return tuple(symbol for symbol in members if symbol in bars.symbols)
