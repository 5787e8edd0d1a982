"""Insights: what bars say beside the prediction, one file each.

An insight is a function marked with `@insight`, of a market view and a symbol of it. It is causal: what it says of a bar
does not change with later ones. It has a record of its own; where it needs a model or more bars, it says so.
"""

from market_master.insights.declare import insight, insights_of
from market_master.insights.market_view import MarketView, Sources
from market_master.insights.views import newest_view, posted_view

__all__ = ["MarketView", "Sources", "insight", "insights_of", "newest_view", "posted_view"]
