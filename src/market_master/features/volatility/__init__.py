"""Feature set `volatility`: estimators from whole bars, and what volatility is made of."""
