"""Rows of the prediction log."""

from __future__ import annotations

from typing import Any

from tests.support.servers import MODEL


def row(symbol: str = "S001", bar_end: int = 3600, **changes: Any) -> dict[str, Any]:
    """A prediction as the log keeps it."""
    return {
        "model": MODEL, "version": "1", "symbol": symbol, "bar_end": bar_end, "label_end": bar_end + 3600, "source": "posted",
        "features_hash": "0" * 64, "strong_sell": 0.1, "sell": 0.2, "hold": 0.3, "buy": 0.25, "strong_buy": 0.15,
        "action": "hold", "acted": True, "expected_score": 0.15, "confidence": 0.3, "latency_ms": 1.5, "made_at": 1.0, **changes,
    }  # fmt: skip
