"""Attribution of the change of WSS since the bar before, by symbol and by group of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import comb

import numpy as np
from numpy.typing import NDArray

from market_master.domain import Array, Constituent, Explanation, IndexSignal, MarketMasterError, Move, expected_score
from market_master.index.inputs import IndexInputs, ModelInputs, read_previous_inputs
from market_master.index.signal import index_signal
from market_master.prediction.loaded_model import LoadedModel
from market_master.prediction.window import BarSource


def explained_signal(model: LoadedModel, store: BarSource, inputs: IndexInputs) -> IndexSignal:
    """The signal of some inputs, with what moved it since the bar before, of the same stored bars.

    Where that bar had no signal (no earlier bars, too little coverage), the explanation says so and holds nothing else.
    Raises what `index_signal` raises.
    """
    signal = index_signal(model, inputs)
    try:
        explanation = explain(model, inputs, read_previous_inputs(model, store, inputs))
    except MarketMasterError as error:
        explanation = Explanation(reason=f"{error.title}: {error}")
    return replace(signal, explanation=explanation)


def explain(model: LoadedModel, inputs: IndexInputs, previous: IndexInputs) -> Explanation:
    """What moved the signal of some inputs since that of the bar before. Raises LowCoverage where one of them has none."""
    before, now = index_signal(model, previous), index_signal(model, inputs)
    by_group = _by_group(model, before, now, previous.model_inputs, inputs.model_inputs)
    rows_before, rows = _constituents(before), _constituents(now)
    moved = tuple(
        Move(
            symbol=symbol,
            score_before=rows_before[symbol].score if symbol in rows_before else None,
            score=rows[symbol].score if symbol in rows else None,
            move=part.move,
            by_score=part.by_score,
            by_weight=part.by_weight,
            expected_move=rows[symbol].expected_score - rows_before[symbol].expected_score
            if symbol in by_group
            else None,
            by_group=by_group.get(symbol, {}),
        )
        for symbol, part in moves(before, now).items()
    )
    return Explanation(
        since=before.as_of,
        signal_before=before.signal,
        wss_before=before.wss,
        wss_move=now.wss - before.wss,
        wss_expected_before=before.wss_expected,
        moves=moved,
    )


def group_values(
    model: LoadedModel, before: np.ndarray, now: np.ndarray, expected_scores: tuple[Array, Array]
) -> Array:
    """Shapley values [n, groups] of the feature groups for the change of n expected scores, from model inputs at two bars.

    A coalition is worth the expected score of the bar before with the coalition's features as they are now; the symbol's
    code column stays. None and all of them are worth the `expected_scores` that were served at the two bars, so that the
    values sum to the change of what was served: a graph of float32 rounds by the number of rows it is asked about.
    """
    columns = coalitions(model.bars_graph.groups, before.shape[1])
    mixed = np.where(columns, now[:, None], before[:, None])
    worth = expected_score(model.probabilities(mixed.reshape(-1, before.shape[1]))).reshape(len(before), -1)
    worth[:, 0], worth[:, -1] = expected_scores
    return shapley(worth)


def _by_group(
    model: LoadedModel, before: IndexSignal, now: IndexSignal, inputs_before: ModelInputs, inputs: ModelInputs
) -> dict[str, dict[str, float]]:
    """The values by symbol and group, of the symbols with a prediction at both bars."""
    symbols = sorted(inputs_before.keys() & inputs.keys())
    if not symbols:
        return {}
    old, new = (np.stack([rows[symbol] for symbol in symbols]) for rows in (inputs_before, inputs))
    values = group_values(model, old, new, (_expected(before, symbols), _expected(now, symbols)))
    groups = model.bars_graph.groups
    return {symbol: dict(zip(groups, row, strict=True)) for symbol, row in zip(symbols, values.tolist(), strict=True)}


def _constituents(signal: IndexSignal) -> dict[str, Constituent]:
    return {row.symbol: row for row in signal.constituents}


def _expected(signal: IndexSignal, symbols: list[str]) -> Array:
    rows = _constituents(signal)
    return np.array([rows[symbol].expected_score for symbol in symbols])


@dataclass(frozen=True)
class Part:
    """One symbol's part in the change of WSS: `move` is what its score did and what its weight did, exactly."""

    move: float
    by_score: float
    by_weight: float


def moves(before: IndexSignal, now: IndexSignal) -> dict[str, Part]:
    """What each symbol did to WSS between two signals, the largest first; the moves sum to the change of WSS.

    A contribution is weight over covered weight, u, times score, s. Its change u's' - us is split symmetrically into
    (s' - s) (u + u') / 2 and (u' - u) (s + s') / 2 (the mean of both orders). A symbol that enters or
    leaves moves WSS by its weight alone.
    """
    rows_before, rows = _constituents(before), _constituents(now)
    parts = {}
    for symbol in rows_before.keys() | rows.keys():
        old, new = rows_before.get(symbol), rows.get(symbol)
        move = (new.contribution if new else 0.0) - (old.contribution if old else 0.0)
        by_score = 0.0
        if old and new:
            shares = old.weight / before.coverage + new.weight / now.coverage
            by_score = (new.score - old.score) * shares / 2
        parts[symbol] = Part(move, by_score, move - by_score)
    return dict(sorted(parts.items(), key=lambda item: (-abs(item[1].move), item[0])))


def coalitions(groups: Mapping[str, NDArray[np.intp]], width: int) -> NDArray[np.bool_]:
    """Every set of groups as a row of the columns it holds: [2^groups, width]; bit g of the row's number is group g."""
    holds = np.zeros((2 ** len(groups), width), dtype=bool)
    for bit, columns in enumerate(groups.values()):
        holds[np.ix_(np.flatnonzero(np.arange(len(holds)) >> bit & 1), columns)] = True
    return holds


def shapley(worth: Array) -> Array:
    """Each player's Shapley value [n, players], from what every coalition is worth [n, 2^players].

    The mean of what a player adds over all orders in which the players may come, by enumeration: no sampling, no
    background data (Shapley 1953; Lundberg and Lee 2017). Bit p of a coalition's number says that player p is in it; the
    values sum to the worth of all less that of none.
    """
    players = worth.shape[1].bit_length() - 1
    numbers = np.arange(2**players)
    chance = np.array([1 / (players * comb(players - 1, size)) for size in range(players)])
    values = np.empty((len(worth), players))
    for player in range(players):
        without = numbers[numbers >> player & 1 == 0]
        added = worth[:, without | 1 << player] - worth[:, without]
        values[:, player] = added @ chance[np.bitwise_count(without)]
    return values
