"""Predict: the newest closed bar of each symbol, through the same features as in training, to an action. No label is in sight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from market_master import features, policy
from market_master.calibration import Calibration
from market_master.config import Settings, build
from market_master.domain.actions import CLASSES, Action, expected_score
from market_master.domain.bars import Array, Bars
from market_master.domain.errors import ContextMissing, IntervalMismatch, ModelError, NoBars, StaleData, TooFewBars
from market_master.domain.inputs import UNSEEN, model_inputs
from market_master.domain.records import ActedPolicy, ModelRef, Prediction, Provenance, Span
from market_master.domain.sessions import hand_over, iso
from market_master.registry.bundle import PRODUCTION, ModelVersion
from market_master.registry.card import Card
from market_master.store import Store

Series = Mapping[str, Mapping[str, np.ndarray]]
Witness = Callable[[list[Prediction], np.ndarray], None]


@dataclass(frozen=True, eq=False)
class Champion:
    """The served version, verified, with the settings it is served under."""

    model: ModelVersion
    settings: Settings
    calibration: Calibration

    @property
    def card(self) -> Card:
        """Its model card."""
        return self.model.card

    @cached_property
    def needs_market(self) -> bool:
        """Some of its features look at all symbols at the same bar."""
        return features.needs_market(self.card.features)

    @property
    def needed(self) -> int:
        """Bars it needs of a symbol in order to answer about the newest."""
        return self.card.warmup + 1

    @cached_property
    def sure(self) -> policy.Filter:
        """Which of its answers are acted upon. Raises ModelError for a rank where its card knows none."""
        rule, sizes = self.settings.policy, self.card.score_sizes
        if rule.confidence_rank is None:
            return policy.Filter(rule.min_confidence)
        if not sizes:
            raise ModelError(
                f"policy.confidence_rank is {rule.confidence_rank}, and the card of version {self.model.version} holds no "
                "percentiles of its out-of-sample answers; leave it empty, or train and promote a new version."
            )
        return policy.Filter(rule.min_confidence, policy.size_of_rank(rule.confidence_rank, sizes))

    def probabilities(self, inputs: NDArray[np.float32]) -> Array:
        """Calibrated class probabilities [n, 5] of model inputs."""
        return self.calibration.apply(self.model.graph.probabilities(inputs))

    def answer(self, inputs: NDArray[np.float32]) -> tuple[Array, policy.Decided]:
        """Calibrated probabilities of model inputs, and the actions that the policy makes of them."""
        probabilities = self.probabilities(inputs)
        return probabilities, policy.decide(probabilities, self.settings.policy.rule, self.calibration.cuts, self.sure)

    @cached_property
    def ref(self) -> ModelRef:
        """How answers name it."""
        return ModelRef(
            self.model.name, self.model.version, PRODUCTION, self.model.run_id, self.model.outcome == "provisional"
        )

    def store(self, home: Path) -> Store:
        """The bars it was trained on, and goes on with."""
        return Store(home / "data", self.card.source, self.card.timetable["interval"])


class BarSource(Protocol):
    """Stored bars: a Store, or the newest of them in memory."""

    @property
    def source(self) -> str:
        """Whose bars they are."""
        ...

    def symbols(self) -> tuple[str, ...]:
        """The symbols there are bars of."""
        ...

    def bars(self, symbols: tuple[str, ...] = (), *, last: int | None = None, until: int | None = None) -> Bars:
        """Bars of some symbols (all, if none is named), optionally each one's last bars up to an instant."""
        ...


def load_champion(home: Path, model: str, settings: Settings | None = None) -> Champion:
    """The version behind `production`, verified. Raises NoChampion and what `champion_of` raises."""
    from market_master.registry.versions import Versions

    return champion_of(Versions(home, model).champion(), settings)


def champion_of(version: ModelVersion, settings: Settings | None = None) -> Champion:
    """A version ready to answer: its feature code, graph and stored example verified, its calendar at hand.

    It is served under the settings it was trained and judged with, unless others are given. Raises FingerprintMismatch,
    ModelError, or IntervalMismatch when given settings speak of other bars.
    """
    verify(version)
    hand_over(version.calendar)
    trained = version.card.settings
    chosen = settings or build(trained, "model card", {})
    if (chosen.interval, chosen.calendar) != (trained["interval"], trained["calendar"]):
        raise IntervalMismatch(
            f"The champion answers {trained['interval']} bars of {trained['calendar']}, the config '{chosen.name}' speaks of "
            f"{chosen.interval} bars of {chosen.calendar}; use the config it was trained with, '{trained['name']}'."
        )
    champion = Champion(version, chosen, Calibration.from_state(version.card.calibration))
    _ = champion.sure
    return champion


def verify(version: ModelVersion) -> None:
    """Raise FingerprintMismatch or ModelError unless feature code, graph and answers are those of the card."""
    running = features.fingerprint(version.card.features)
    version.card.verify(running, version.graph.sha256)
    version.check_answers()


def predict_stored(
    champion: Champion,
    store: BarSource,
    symbols: Sequence[str],
    *,
    now: int,
    asof: int | None = None,
    seen: Witness | None = None,
) -> list[Prediction]:
    """One prediction for each symbol from its newest stored bar (closed by `asof`, if given).

    Raises UnknownSymbol, TooFewBars, or StaleData when a live provider's bar is older than the policy allows.
    """
    window = read_window(champion, store, symbols, asof)
    answered = predict_bars(champion, window, symbols, now=now, seen=seen)
    for prediction, symbol in zip(answered, symbols, strict=True):
        require_fresh(champion, int(window.bar_end[window.rows(symbol)][-1]), now, prediction.symbol)
    return answered


def predict_posted(
    champion: Champion,
    posted: Bars,
    symbol: str,
    store: BarSource | None,
    *,
    context: Series,
    now: int,
    seen: Witness | None = None,
) -> Prediction:
    """A prediction from bars a client sent; market features take the other symbols from `context`, else from the store.

    Raises TooFewBars, or ContextMissing when the market at the same bar_end is in neither.
    """
    require_warmup(champion, len(posted))
    bars = posted.last(champion.card.warmup + 1)
    if champion.needs_market:
        bars = _with_market(champion, bars, symbol, store, context)
    return predict_bars(champion, bars, [symbol], now=now, provider="posted", seen=seen)[0]


def predict_bars(
    champion: Champion,
    bars: Bars,
    symbols: Sequence[str],
    *,
    now: int,
    provider: str | None = None,
    seen: Witness | None = None,
) -> list[Prediction]:
    """Predictions for the newest bar of some symbols, from bars that hold their warm-up (and the market, if needed).

    `seen` is told of the predictions and of the model inputs behind them.
    """
    card = champion.card
    for symbol in symbols:
        require_warmup(champion, len(bars.bar_end[bars.rows(symbol)]), symbol)
    newest = np.array([bars.rows(symbol).stop - 1 for symbol in symbols])
    order = newest.argsort()
    values = features.compute(bars, card.features, members=card.members, only=newest[order])[order.argsort()]
    incomplete = ~np.isfinite(values).all(axis=1)
    if incomplete.any():
        at = int(np.flatnonzero(incomplete)[0])
        lacking = [name for name, value in zip(card.features, values[at], strict=True) if not np.isfinite(value)]
        raise TooFewBars(
            f"{symbols[at]} has no value for {len(lacking)} features, the first '{lacking[0]}'; send more bars."
        )
    inputs = model_inputs(values, bars.symbols, bars.code[newest], card.symbols)
    probabilities, decided = champion.answer(inputs)
    scores = expected_score(probabilities)
    answered = [
        Prediction(
            symbol=symbol,
            action=Action(int(decided.acted[n])).name,
            expected_score=float(scores[n]),
            confidence=float(probabilities[n].max()),
            probabilities=dict(zip(CLASSES, probabilities[n].tolist(), strict=True)),
            as_of=iso(bars.bar_end[row]),
            predicts_for=Span(iso(bars.next_start[row]), iso(bars.next_end[row])),
            model=champion.ref,
            policy=ActedPolicy(champion.settings.policy.rule, bool(decided.acted[n] == decided.wanted[n])),
            provenance=Provenance(provider or card.settings["provider"]["kind"], int(now - bars.bar_end[row])),
            warnings=_warnings(champion, inputs[n, -1] == UNSEEN),
        )
        for n, (symbol, row) in enumerate(zip(symbols, newest, strict=True))
    ]
    if seen:
        seen(answered, inputs)
    return answered


def read_window(
    champion: Champion, store: BarSource, symbols: Sequence[str], asof: int | None, *, back: int = 0
) -> Bars:
    """The stored bars that answers about some symbols need: their own warm-up, and the market's if it is looked at.

    Answers about the newest bars, and `back` before them.
    """
    known = set(store.symbols())
    wanted = set(symbols) | (set(champion.card.members) & known if champion.needs_market else set())
    return store.bars(tuple(sorted(wanted)), last=champion.needed + back, until=asof)


def require_warmup(champion: Champion, given: int, symbol: str | None = None) -> None:
    """Refuse too few bars, with both numbers."""
    needed = champion.needed
    if given < needed:
        raise TooFewBars(
            f"{symbol + ': ' if symbol else ''}{given} bars were given, {needed} are needed for the features' warm-up.",
            given=given,
            needed=needed,
        )


def bars_behind(champion: Champion, bar_end: int, now: int) -> int:
    """How many bars of the calendar have closed since; 0 for a provider that is not live."""
    return champion.card.times.between(bar_end, now).closed_between(bar_end, now) if champion.card.live else 0


def require_fresh(champion: Champion, bar_end: int, now: int, what: str) -> None:
    """Refuse to answer from a bar that is older than the policy allows."""
    behind, limit = bars_behind(champion, bar_end, now), champion.settings.policy.max_staleness_bars
    if behind > limit:
        raise StaleData(
            f"The newest bar of {what} ended {iso(bar_end)}, {behind} bars ago; at most {limit} are allowed. Fetch first.",
            bars_behind=behind,
            allowed=limit,
        )


def _warnings(champion: Champion, unseen: bool) -> tuple[str, ...]:
    said = {"unseen_symbol": unseen, "no_directional_edge": champion.calibration.shrinkage == 0}
    return tuple(word for word, holds in said.items() if holds)


def _with_market(champion: Champion, bars: Bars, symbol: str, store: BarSource | None, context: Series) -> Bars:
    """The posted bars among the other members' at the same times."""
    newest, others = bars.newest, [member for member in champion.card.members if member != symbol]
    try:
        stored = store.bars(last=champion.card.warmup + 1, until=newest) if store else None
    except NoBars:
        stored = None
    series: dict[str, Mapping[str, np.ndarray]] = {}
    if stored:
        series |= {s: stored.series(s) for s in others if s in stored.symbols}
    series |= {s: columns for s, columns in context.items() if s != symbol}
    missing = [s for s in others if s not in series or newest not in series[s]["bar_end"]]
    floor = champion.settings.policy.min_coverage
    if others and 1 - len(missing) / len(others) < floor:
        raise ContextMissing(
            f"The champion looks at the whole market, and {len(missing)} of {len(others)} other symbols have no bar that "
            f"ends {iso(newest)}, neither stored nor in `context`: {', '.join(missing[:10])}.",
            missing=missing,
            bar_end=iso(newest),
        )
    return bars.replaced(series)
