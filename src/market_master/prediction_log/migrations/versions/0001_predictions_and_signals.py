"""Predictions and signals."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "predictions",
        sa.Column("model", sa.String(100), primary_key=True),
        sa.Column("version", sa.String(20), primary_key=True),
        sa.Column("symbol", sa.String(40), primary_key=True),
        sa.Column("bar_end", sa.BigInteger, primary_key=True),
        sa.Column("label_end", sa.BigInteger, nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("features_hash", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("strong_sell", "sell", "hold", "buy", "strong_buy")),
        sa.Column("action", sa.String(12), nullable=False),
        sa.Column("acted", sa.Boolean, nullable=False),
        *(
            sa.Column(name, sa.Float, nullable=False)
            for name in ("expected_score", "confidence", "latency_ms", "made_at")
        ),
        sa.Column("outcome", sa.String(12)),
        sa.Column("outcome_return", sa.Float),
        sa.Column("settled_at", sa.Float),
    )
    op.create_index("ix_predictions_settled_at", "predictions", ["settled_at"])
    op.create_table(
        "signals",
        sa.Column("model", sa.String(100), primary_key=True),
        sa.Column("version", sa.String(20), primary_key=True),
        sa.Column("index_name", sa.String(40), primary_key=True),
        sa.Column("bar_end", sa.BigInteger, primary_key=True),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("signal", sa.String(4), nullable=False),
        sa.Column("wss", sa.Float, nullable=False),
        sa.Column("made_at", sa.Float, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Take both away."""
    op.drop_table("signals")
    op.drop_table("predictions")
