"""The tables of the prediction log. A change here comes with a migration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, MetaData, String, Table, Text

from market_master.domain import CLASSES

Row = Mapping[str, Any]
"""a row to be, or as it was, written: column -> value"""

metadata = MetaData()

predictions = Table(
    "predictions",
    metadata,
    Column("model", String(100), primary_key=True),
    Column("version", String(20), primary_key=True),
    Column("symbol", String(40), primary_key=True),
    Column("bar_end", BigInteger, primary_key=True),
    Column("label_end", BigInteger, nullable=False),
    Column("source", String(20), nullable=False),
    Column("features_hash", String(64), nullable=False),
    *(Column(name, Float, nullable=False) for name in CLASSES),
    Column("action", String(12), nullable=False),
    Column("acted", Boolean, nullable=False),
    Column("expected_score", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("latency_ms", Float, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("outcome", String(12)),
    Column("outcome_return", Float),
    Column("outcome_z", Float),
    Column("settled_at", Float, index=True),
)

signals = Table(
    "signals",
    metadata,
    Column("model", String(100), primary_key=True),
    Column("version", String(20), primary_key=True),
    Column("index_name", String(40), primary_key=True),
    Column("bar_end", BigInteger, primary_key=True),
    Column("source", String(20), nullable=False),
    Column("signal", String(4), nullable=False),
    Column("wss", Float, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("record", Text, nullable=False),
    Column("hashes", Text),
)
