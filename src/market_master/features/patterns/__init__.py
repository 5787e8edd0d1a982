"""Feature set `patterns`: the fifteen classic candlesticks, each as a flag and a strength.

The rules are those of TA-Lib's CDL functions on log prices; two lengths are told apart when they differ by more than
`windows.STILL`. Gaps hardly ever open inside a session, so the five patterns that need one have a variant `..._intraday`,
in which the candle need only be beyond the close before.
"""
