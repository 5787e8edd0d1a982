"""Market data: providers, the bar store, quality and weights."""
