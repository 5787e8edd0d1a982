"""Insights: what bars say beside the prediction, one file each.

An insight is a function marked with `@insight`, of the bars of a market and a symbol of it. It is causal: what it says of a
bar does not change with later ones. It has a record of its own and needs no model.
"""

from market_master.insights.declare import insight, insights_of

__all__ = ["insight", "insights_of"]
