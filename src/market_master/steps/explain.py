"""Explain: why the index's WSS is not what it was at the bar before, by symbol, and by the features behind each score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from market_master import attribution, features
from market_master.domain.actions import expected_score
from market_master.domain.bars import Array
from market_master.domain.errors import MarketMasterError
from market_master.domain.records import Constituent, Explanation, IndexSignal, Move, Prediction
from market_master.domain.sessions import instant
from market_master.steps.aggregate import index_signal
from market_master.steps.predict import BarSource, Champion

Inputs = Mapping[str, np.ndarray]
"""the row of model inputs behind each symbol's answer"""


def explain(champion: Champion, store: BarSource, *, now: int, asof: int | None = None) -> IndexSignal:
    """The signal that `index_signal` makes, with what moved it since the bar before, of the same stored bars.

    Where that bar had no signal (no earlier bars, too little coverage), the explanation says so and holds nothing else.
    Raises what `index_signal` raises.
    """
    signal, inputs = _asked(champion, store, now, asof)
    symbols = (*(row.symbol for row in signal.constituents), *(row.symbol for row in signal.missing))
    try:
        last = store.bars(symbols, last=1, until=instant(signal.as_of) - 1).newest
        before, inputs_before = _asked(champion, store, last, last)
    except MarketMasterError as error:
        return replace(signal, explanation=Explanation(reason=f"{error.title}: {error}"))
    by_group = _by_group(champion, before, signal, inputs_before, inputs)
    was, is_now = _constituents(before), _constituents(signal)
    moves = tuple(
        Move(
            symbol=symbol,
            score_before=was[symbol].score if symbol in was else None,
            score=is_now[symbol].score if symbol in is_now else None,
            move=part.move,
            by_score=part.by_score,
            by_weight=part.by_weight,
            expected_move=is_now[symbol].expected_score - was[symbol].expected_score if symbol in by_group else None,
            by_group=by_group.get(symbol, {}),
        )
        for symbol, part in attribution.moves(before, signal).items()
    )
    return replace(
        signal,
        explanation=Explanation(
            since=before.as_of,
            signal_before=before.signal,
            wss_before=before.wss,
            wss_move=signal.wss - before.wss,
            wss_expected_before=before.wss_expected,
            moves=moves,
        ),
    )


def group_values(champion: Champion, before: np.ndarray, now: np.ndarray, said: tuple[Array, Array]) -> Array:
    """Shapley values [n, groups] of the feature groups for the change of n expected scores, from model inputs at two bars.

    A coalition is worth the expected score of the bar before with the coalition's features as they are now; the symbol's
    code column stays. None and all of them are worth what was `said` at the two bars, so that the values sum to the change
    of what was served: a graph of float32 rounds by the number of rows it is asked about.
    """
    held = attribution.coalitions(features.groups(champion.card.features), before.shape[1])
    mixed = np.where(held, now[:, None], before[:, None])
    worth = expected_score(champion.probabilities(mixed.reshape(-1, before.shape[1]))).reshape(len(before), -1)
    worth[:, 0], worth[:, -1] = said
    return attribution.shapley(worth)


def _by_group(
    champion: Champion, before: IndexSignal, now: IndexSignal, inputs_before: Inputs, inputs: Inputs
) -> dict[str, dict[str, float]]:
    """The values by symbol and group, of the symbols with an answer at both bars."""
    both = sorted(inputs_before.keys() & inputs.keys())
    if not both:
        return {}
    old, new = (np.stack([rows[symbol] for symbol in both]) for rows in (inputs_before, inputs))
    values = group_values(champion, old, new, (_expected(before, both), _expected(now, both)))
    groups = features.groups(champion.card.features)
    return {symbol: dict(zip(groups, row, strict=True)) for symbol, row in zip(both, values.tolist(), strict=True)}


def _asked(
    champion: Champion, store: BarSource, now: int, asof: int | None
) -> tuple[IndexSignal, dict[str, np.ndarray]]:
    """A signal, and the model inputs behind its constituents' answers."""
    inputs: dict[str, np.ndarray] = {}

    def seen(answered: list[Prediction], rows: np.ndarray) -> None:
        inputs.update({answer.symbol: row for answer, row in zip(answered, rows, strict=True)})

    return index_signal(champion, store, now=now, asof=asof, seen=seen), inputs


def _constituents(signal: IndexSignal) -> dict[str, Constituent]:
    return {row.symbol: row for row in signal.constituents}


def _expected(signal: IndexSignal, symbols: list[str]) -> Array:
    rows = _constituents(signal)
    return np.array([rows[symbol].expected_score for symbol in symbols])
