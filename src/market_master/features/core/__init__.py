"""Feature set `core`: of a symbol's own bars."""
