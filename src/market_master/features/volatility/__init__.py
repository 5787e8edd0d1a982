"""Feature set `volatility`: estimators of volatility from whole bars, and what it is made of."""
