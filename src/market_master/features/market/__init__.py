"""Feature set `market`: of all members at the same bar."""
