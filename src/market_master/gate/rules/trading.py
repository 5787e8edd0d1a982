"""Rules of trading: at the configured cost no ruin beside the champion, better than chance."""

from __future__ import annotations

from market_master.domain import Verdict
from market_master.gate.rules import Evidence, gate, missing

MAX_DRAWDOWN_RATIO, DRAWDOWN_SLACK = 1.25, 0.02
MAX_TURNOVER_RATIO = 1.5


@gate()
def trades_like_champion(evidence: Evidence) -> Verdict:
    """Its drawdown and turnover stay near the champion's, its net return is not worse by more than a standard error."""
    trades, champion_trades = evidence.trades, evidence.champion_trades
    if trades is None or (champion_trades is None and evidence.champion_version is not None):
        return missing("trades_like_champion", "What the actions would have earned")
    summary = (
        f"Net {trades.net:+.4%} a session (SE {trades.net_se:.4%}), drawdown {trades.drawdown:.2%}, turnover "
        f"{trades.turnover:.2f}"
    )
    if champion_trades is None:
        return Verdict(
            "trades_like_champion", True, "warn", trades.net, None, f"{summary}; there is no champion to compare."
        )
    max_drawdown = MAX_DRAWDOWN_RATIO * champion_trades.drawdown + DRAWDOWN_SLACK
    max_turnover = MAX_TURNOVER_RATIO * champion_trades.turnover
    min_net = champion_trades.net - trades.net_se
    passed = trades.drawdown <= max_drawdown and trades.turnover <= max_turnover and trades.net >= min_net
    return Verdict(
        "trades_like_champion", passed, "block", trades.net, min_net,
        f"{summary}; by the champion's the limits are net {min_net:+.4%}, drawdown {max_drawdown:.2%}, turnover "
        f"{max_turnover:.2f}.",
    )  # fmt: skip


@gate()
def beats_random_trades(evidence: Evidence) -> Verdict:
    """The same positions dealt to other days would hardly have earned as much: no claim of earning skill without it."""
    if evidence.trades is None:
        return missing("beats_random_trades", "What the actions would have earned")
    trades = evidence.trades
    return Verdict(
        "beats_random_trades", trades.net > trades.random_95, "warn", trades.net, trades.random_95,
        f"Net {trades.net:+.4%} a session; 95 of 100 random paths with the same positions stay below {trades.random_95:+.4%}.",
    )  # fmt: skip
