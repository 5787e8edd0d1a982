"""Prediction log: rows are written once by their key, and settled once with their outcome."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from filelock import FileLock
from sqlalchemy import Connection, Engine, Table, bindparam, create_engine, event, exc, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from market_master.domain import ConfigError, LogAway, RowRefused
from market_master.prediction_log.tables import Row, predictions, signals

POSTED = "posted"
"""source of predictions from bars that a client sent"""
KEY_COLUMNS = ("model", "version", "symbol", "bar_end")
OUTCOME_COLUMNS = ("outcome", "outcome_return", "outcome_z", "settled_at")
VALUE_ERRORS = (exc.DataError, exc.IntegrityError, exc.CompileError, exc.InvalidRequestError, ValueError, OverflowError)
"""what a database or its driver says of values that it can't hold, today or ever"""
MIGRATIONS = Path(__file__).parent / "migrations"


class PredictionLog:
    """Predictions and signals in a database; every method raises LogAway while it can't be reached.

    What it will never take, such as text that PostgreSQL can't hold, is RowRefused.
    """

    def __init__(self, url: str) -> None:
        """Nothing is opened yet. Raises ConfigError for a URL that is none."""
        try:
            self._url = make_url(url)
        except exc.ArgumentError as error:
            raise ConfigError(
                f"'{url}' is no database URL; write sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME."
            ) from error

    def write(self, rows: Sequence[Row]) -> None:
        """Add predictions; a key that is there already stays as it is.

        But for a posted one that has no outcome yet: it gives way to the store's, or a client could speak for a symbol.
        """
        self._add(predictions, rows)

    def write_signals(self, rows: Sequence[Row]) -> None:
        """Add signals, in the same way."""
        self._add(signals, rows)

    def recent(self, limit: int, symbol: str | None = None) -> list[dict[str, Any]]:
        """The newest predictions with their outcomes, newest bar first."""
        query = select(predictions).order_by(predictions.c.bar_end.desc(), predictions.c.symbol).limit(limit)
        return self._read(query if symbol is None else query.where(predictions.c.symbol == symbol))

    def signals(self, limit: int) -> list[dict[str, Any]]:
        """The newest signals, newest bar first."""
        return self._read(select(signals).order_by(signals.c.bar_end.desc(), signals.c.made_at.desc()).limit(limit))

    def signal_at(self, model: str, index: str, bar_end: int) -> dict[str, Any] | None:
        """The first signal of an index at a bar, whichever version made it; None when there is none."""
        table = signals.c
        return self._first(
            select(signals)
            .where(table.model == model, table.index_name == index, table.bar_end == bar_end)
            .order_by(table.made_at)
        )

    def signal_by(self, model: str, index: str | None, instant: int) -> dict[str, Any] | None:
        """The first signal of the newest bar that had closed by an instant, of any index if none is named."""
        table = signals.c
        query = select(signals).where(table.model == model, table.bar_end <= instant)
        query = query if index is None else query.where(table.index_name == index)
        return self._first(query.order_by(table.bar_end.desc(), table.made_at))

    def of_version(self, model: str, version: str, since: int) -> list[dict[str, Any]]:
        """A version's predictions from stored bars (posted ones are the sender's) from an instant on, oldest first."""
        table = predictions.c
        return self._read(
            select(predictions)
            .where(table.model == model, table.version == version, table.bar_end >= since, table.source != POSTED)
            .order_by(table.bar_end, table.symbol)
        )

    def signals_since(self, model: str, index: str, since: int) -> list[dict[str, Any]]:
        """The signals of an index at bars that ended at or after an instant, oldest first."""
        table = signals.c
        return self._read(
            select(signals)
            .where(table.model == model, table.index_name == index, table.bar_end >= since)
            .order_by(table.bar_end, table.made_at)
        )

    def unsettled(self, model: str, before: int) -> list[dict[str, Any]]:
        """Predictions whose label's bar had closed by an instant and that have no outcome yet, oldest first."""
        table = predictions.c
        return self._read(
            select(predictions)
            .where(table.model == model, table.settled_at.is_(None), table.label_end <= before)
            .order_by(table.bar_end)
        )

    def settle(self, outcomes: Collection[Row]) -> int:
        """Write outcomes (KEY_COLUMNS and OUTCOME_COLUMNS) to predictions that have none; returns how many."""
        table, settled = predictions.c, 0
        statement = (
            update(predictions)
            .where(*(table[key] == bindparam(f"of_{key}") for key in KEY_COLUMNS), table.settled_at.is_(None))
            .values({name: bindparam(f"new_{name}") for name in OUTCOME_COLUMNS})
        )
        with self.transaction() as connection:
            for row in outcomes:
                parameters = {f"of_{key}": row[key] for key in KEY_COLUMNS}
                parameters |= {f"new_{name}": row[name] for name in OUTCOME_COLUMNS}
                settled += connection.execute(statement, parameters).rowcount
        return settled

    def count(self) -> int:
        """How many predictions there are."""
        with self.transaction() as connection:
            return int(connection.execute(select(func.count()).select_from(predictions)).scalar_one())

    def close(self) -> None:
        """Let go of connections."""
        if "_engine" in self.__dict__:
            self._engine.dispose()

    def _add(self, table: Table, rows: Sequence[Row]) -> None:
        if not rows:
            return
        with self.transaction() as connection:
            insert = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)
            if table is predictions:
                stored, new = table.c, insert.excluded
                insert = insert.on_conflict_do_update(
                    index_elements=list(KEY_COLUMNS),
                    set_={name: new[name] for name in rows[0] if name not in KEY_COLUMNS},
                    where=(stored.source == POSTED) & (new.source != POSTED) & stored.settled_at.is_(None),
                )
            else:
                insert = insert.on_conflict_do_nothing()
            connection.execute(insert, [dict(row) for row in rows])

    def _read(self, query: Any) -> list[dict[str, Any]]:
        with self.transaction() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _first(self, query: Any) -> dict[str, Any] | None:
        return next(iter(self._read(query.limit(1))), None)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction of the database. Raises RowRefused where a value is to blame, LogAway for all else."""
        address = self._url.render_as_string(hide_password=True)
        try:
            with self._engine.begin() as connection:
                yield connection
        except (exc.SQLAlchemyError, OSError, ValueError, OverflowError) as error:
            if isinstance(error.orig if type(error) is exc.StatementError else error, VALUE_ERRORS):
                raise RowRefused(
                    f"The prediction log {address} refuses a value: {str(error).splitlines()[0]}."
                ) from error
            raise LogAway(f"The prediction log {address} can't be used: {str(error).splitlines()[0]}.") from error

    @cached_property
    def _engine(self) -> Engine:
        """The engine, with the newest schema behind it."""
        file = self._url.database if self._url.get_backend_name() == "sqlite" else None
        if file:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{file}.lock"):
                return _upgrade(_configure_sqlite(create_engine(self._url, connect_args={"timeout": 30})))
        return _upgrade(create_engine(self._url, pool_pre_ping=True, connect_args={"connect_timeout": 5}))


def _upgrade(engine: Engine) -> Engine:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305119)")  # one process migrates at a time
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return engine


def _configure_sqlite(engine: Engine) -> Engine:
    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


BACKFILLED = "backfilled"
"""the source of signals that were made after their time"""
