"""Names of the array types."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
"""counts, indices, epoch seconds, or days since 1970-01-01"""
Mask = NDArray[np.bool_]
Actions = NDArray[np.integer]
"""classes 0 to 4 in the order of `Action`; -1 where there is none"""
SymbolSeries = Mapping[str, Mapping[str, NDArray]]
"""each symbol's columns: bar_end and OHLCV"""
