"""The outcome in units of the scale known at the bar; what a signal was made of."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both columns."""
    op.add_column("predictions", sa.Column("outcome_z", sa.Float))
    op.add_column("signals", sa.Column("hashes", sa.Text))


def downgrade() -> None:
    """Take both away."""
    with op.batch_alter_table("signals") as table:
        table.drop_column("hashes")
    with op.batch_alter_table("predictions") as table:
        table.drop_column("outcome_z")
