"""The append-only bar store: all of it in Parquet files, its newest bars in one file that a server keeps in memory."""

from market_master.store.bars import Store, Written, now, stores
from market_master.store.recent import Recent

__all__ = ["Recent", "Store", "Written", "now", "stores"]
