"""Traded at the configured cost, is the challenger no ruin beside the champion, and better than chance?"""

from __future__ import annotations

from market_master.domain.records import Verdict
from market_master.gate.rules import Evidence, gate, missing

DEEPER, DEEPER_BY = 1.25, 0.02
MORE_TURNOVER = 1.5


@gate()
def trades_like_champion(evidence: Evidence) -> Verdict:
    """Its drawdown and turnover stay near the champion's, its net return is not worse by more than a standard error."""
    mine, theirs = evidence.trades, evidence.champion_trades
    if mine is None or (theirs is None and evidence.champion_version is not None):
        return missing("trades_like_champion", "What the actions would have earned")
    told = f"Net {mine.net:+.4%} a session (SE {mine.net_se:.4%}), drawdown {mine.drawdown:.2%}, turnover {mine.turnover:.2f}"
    if theirs is None:
        return Verdict(
            "trades_like_champion", True, "warn", mine.net, None, f"{told}; there is no champion to compare."
        )
    deepest, most = theirs.drawdown * DEEPER + DEEPER_BY, theirs.turnover * MORE_TURNOVER
    least = theirs.net - mine.net_se
    passed = mine.drawdown <= deepest and mine.turnover <= most and mine.net >= least
    return Verdict(
        "trades_like_champion", passed, "block", mine.net, least,
        f"{told}; by the champion's the limits are net {least:+.4%}, drawdown {deepest:.2%}, turnover {most:.2f}.",
    )  # fmt: skip


@gate()
def beats_random_trades(evidence: Evidence) -> Verdict:
    """The same positions dealt to other days would hardly have earned as much: no claim of earning skill without it."""
    if evidence.trades is None:
        return missing("beats_random_trades", "What the actions would have earned")
    mine = evidence.trades
    return Verdict(
        "beats_random_trades", mine.net > mine.random_95, "warn", mine.net, mine.random_95,
        f"Net {mine.net:+.4%} a session; 95 of 100 random paths with the same positions stay below {mine.random_95:+.4%}.",
    )  # fmt: skip
