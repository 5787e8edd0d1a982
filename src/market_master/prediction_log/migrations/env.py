"""Alembic's environment; PredictionLog hands the connection in.

The version table is ours alone.
"""

from alembic import context

from market_master.prediction_log.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="prediction_log_version",
)
with context.begin_transaction():
    context.run_migrations()
