"""A home with a version in the shadow."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from market_master.domain import clock
from market_master.lifecycle import promote
from market_master.prediction_log import PredictionLog
from market_master.registry.champion import load_champion
from market_master.signals.settlement import settle_outcomes
from tests.support.servers import MODEL, another_version, own_copy
from tests.support.trained_home import settings_of


def shadowed(trained_home: Path, home: Path, log: PredictionLog) -> None:
    """A home whose version 2 has served its sessions, and waits for somebody."""
    with_shadow(trained_home, home, approval="manual")
    log_served_sessions(home, log)


def with_shadow(trained_home: Path, home: Path, approval: str = "auto") -> Path:
    """A home in which version 2, a copy of the champion whose config asks for 2 sessions, is in the shadow."""
    own_copy(trained_home, home)
    folder = home / "second"
    second = another_version(home, folder)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["settings"]["shadow"] = {"sessions": 2, "approval": approval}
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    put_into_shadow(home, second)
    return home


def put_into_shadow(home: Path, version: str) -> None:
    """By the gate's decision, as if it had promoted the version where sessions in the shadow are asked for."""
    decision: Any = SimpleNamespace(
        outcome="promoted", reason="It has passed.", champion_version="1", version=version, verdicts=(), run_id="r",
        lane="new_recipe", recipe_hash="", holdout=None, data_hash="", feature_fingerprint="", code_commit="",
    )  # fmt: skip
    promote.promote(decision, settings_of("test", MM_SHADOW__SESSIONS="2"), home)


def _bars(home: Path, count: int) -> list[int]:
    champion = load_champion(home, MODEL)
    ends: list[int] = champion.store(home).bars((champion.card.symbols[0],), last=count).bar_end.tolist()
    return ends


def log_served_sessions(home: Path, log: PredictionLog, worse_by: float = 0.0) -> None:
    """Both versions' predictions of the last four sessions, the shadow's moved towards wrong by a share."""
    champion = load_champion(home, MODEL)
    ends = _bars(home, 29)
    rows = []
    for version, share in (("1", 0.0), ("2", worse_by)):
        for end in ends[:-1]:
            for symbol in champion.card.symbols:
                p = np.array([0.1, 0.2, 0.4, 0.2, 0.1]) * (1 - share) + share * np.array([0.5, 0.0, 0.0, 0.0, 0.5])
                names = ("strong_sell", "sell", "hold", "buy", "strong_buy")
                after = ends[ends.index(end) + 1]
                rows.append(
                    {
                        "model": MODEL, "version": version, "symbol": symbol, "bar_end": end, "label_end": after,
                        "source": "scheduled", "features_hash": "0" * 64, **dict(zip(names, p.tolist(), strict=True)),
                        "action": "hold", "acted": True, "expected_score": 0.0, "confidence": 0.4, "latency_ms": 1.0,
                        "made_at": 1.0,
                    }
                )  # fmt: skip
    log.write(rows)
    settle_outcomes(log, MODEL, home, now=clock.now())
