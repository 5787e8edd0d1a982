"""The outcome in units of the scale known at the bar."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("predictions", sa.Column("outcome_z", sa.Float))


def downgrade() -> None:
    """Take it away."""
    with op.batch_alter_table("predictions") as table:
        table.drop_column("outcome_z")
