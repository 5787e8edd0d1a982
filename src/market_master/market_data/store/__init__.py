"""The append-only bar store.

All of it in Parquet files, its newest bars in one file that a server keeps in memory.
"""

from market_master.market_data.store.bars import AppendResult, Store, stores
from market_master.market_data.store.recent import Recent

__all__ = ["AppendResult", "Recent", "Store", "stores"]
