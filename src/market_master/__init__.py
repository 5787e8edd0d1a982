"""Market Master: next-bar actions of an index's constituents, and the index's signal."""
