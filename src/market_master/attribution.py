"""Attribution: what each symbol did to WSS since the bar before, and each group of features to a symbol's score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from market_master.domain.bars import Array
from market_master.domain.records import IndexSignal


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
    was, came = ({row.symbol: row for row in signal.constituents} for signal in (before, now))
    parts = {}
    for symbol in was.keys() | came.keys():
        old, new = was.get(symbol), came.get(symbol)
        move = (new.contribution if new else 0.0) - (old.contribution if old else 0.0)
        by_score = 0.0
        if old and new:
            shares = old.weight / before.coverage + new.weight / now.coverage
            by_score = (new.score - old.score) * shares / 2
        parts[symbol] = Part(move, by_score, move - by_score)
    return dict(sorted(parts.items(), key=lambda item: (-abs(item[1].move), item[0])))


def coalitions(groups: Mapping[str, NDArray[np.intp]], width: int) -> NDArray[np.bool_]:
    """Every set of groups as a row of the columns it holds: [2^groups, width]; bit g of the row's number is group g."""
    held = np.zeros((2 ** len(groups), width), dtype=bool)
    for bit, columns in enumerate(groups.values()):
        held[np.ix_(np.flatnonzero(np.arange(len(held)) >> bit & 1), columns)] = True
    return held


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
