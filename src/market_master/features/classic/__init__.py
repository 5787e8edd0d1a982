"""Feature set `classic`: the textbook's indicators, recursive ones among them.

From close to close, the nights in between, on log prices, so that no unit matters. A recursive mean is cut off where what
is left of it is less than 1e-9 of a feature: from then on it is what the recursion would give, whatever it started from.
"""
