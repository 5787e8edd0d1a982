"""The input matrix of every model: the features, then one column for the symbol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

UNSEEN = -1


def model_inputs(
    features: NDArray[np.floating], symbols: Sequence[str], code: NDArray[np.integer], known: Sequence[str]
) -> NDArray[np.float32]:
    """float32 [n, features + 1]; the last column is each row's place in `known`, -1 for a symbol not trained on.

    `symbols` are the names behind `code`; `known` the model card's symbols in their order.
    """
    number_of = {symbol: position for position, symbol in enumerate(known)}
    codes = np.array([number_of.get(symbol, UNSEEN) for symbol in symbols], dtype=np.float32)[code]
    return np.column_stack([features.astype(np.float32), codes])
