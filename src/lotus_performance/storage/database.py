"""Connections: SQLite in WAL mode or PostgreSQL, one way to begin a transaction, and the schema's version."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, TimeoutError

from lotus_performance.errors import StorageSetupError, StorageUnavailableError
from lotus_performance.storage.room import refuse_without_room
from lotus_performance.storage.tables import executions

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 5
CONNECT_SECONDS = 2
LOCK_SECONDS = 1
STATEMENT_SECONDS = 10
MIGRATION_SECONDS = 600
MIGRATION_LOCK = 0x10705
"""Key of PostgreSQL's advisory lock: one process migrates at a time."""
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


class Database:
    """A database of executions; safe to share between threads, and to carry over a fork before it is used."""

    def __init__(self, where: str | Path) -> None:
        """Take the URL of a database, or the file of one of SQLite."""
        self.url = _read(where) if isinstance(where, str) else URL.create("sqlite", database=str(where.absolute()))
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _engine(self.url)
        self._file = Path(self.url.database or "")
        # SQLite has one writer: threads that wait here in line do not have to ask for the file again and again.
        self._writing = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that only reads."""
        with _faults_named(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that is committed at the end, and rolled back when an error leaves it."""
        if not self.is_sqlite:
            with _faults_named(), self.engine.begin() as connection:
                yield connection
            return
        if not self._writing.acquire(timeout=BUSY_SECONDS):
            raise StorageUnavailableError("The database is busy; try again.")
        try:
            with _faults_named(), self.engine.connect() as connection:
                immediate = connection.execution_options(lotus_begin="BEGIN IMMEDIATE")
                with immediate.begin():
                    yield immediate
        finally:
            self._writing.release()

    def probe(self) -> None:
        """Raise StorageUnavailableError when nothing could be written at the moment."""
        if self.is_sqlite:
            try:
                refuse_without_room(self._file.parent)
            except OSError as error:
                raise StorageUnavailableError("The disk of the database is full or cannot be written.") from error
        with self.writing() as connection:
            # Of no row, but a standby, or a file that can only be read, refuses it.
            connection.execute(sa.update(executions).where(sa.false()).values(attempts=0))

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        self.engine.dispose()

    # ------------------------------------------------------------------ schema

    def migrate(self) -> None:
        """Bring the schema to the version of this code, one process at a time."""
        if self.is_sqlite:
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageSetupError(f"The folder {self._file.parent} cannot be made: {error.strerror}.") from None
        config = _migrations()
        with self.writing() as connection:
            if not self.is_sqlite:
                # Another machine may be migrating, and a migration may take long.
                for name in ("lock_timeout", "statement_timeout"):
                    connection.execute(sa.text(f"SET LOCAL {name} = '{MIGRATION_SECONDS}s'"))
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError:
                found = MigrationContext.configure(connection).get_current_revision()
                raise StorageSetupError(f"The database has schema {found}, which this version does not know.") from None

    def refuse_other_schema(self) -> None:
        """Refuse a database whose schema is not that of this code; no connection stays open, for a fork may follow."""
        expected = ScriptDirectory.from_config(_migrations()).get_current_head()
        if self.is_sqlite and not self._file.exists():
            found = None
        else:
            try:
                with self.reading() as connection:
                    found = MigrationContext.configure(connection).get_current_revision()
            finally:
                self.close()
        if found != expected:
            raise StorageSetupError(
                f"The database has schema {found or 'none'}, and this version needs {expected}; "
                "run `lotus-performance migrate`."
            )


def _migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _read(url: str) -> URL:
    try:
        read = make_url(url)
    except ArgumentError:
        raise StorageSetupError("DATABASE_URL is not a database URL, such as postgresql://user@host/name.") from None
    if read.get_backend_name() == "postgresql":
        return read.set(drivername="postgresql+psycopg")
    if read.get_backend_name() != "sqlite":
        raise StorageSetupError("DATABASE_URL must begin with postgresql:// or sqlite:///.")
    if read.database in (None, "", ":memory:"):
        raise StorageSetupError("DATABASE_URL must name a file, such as sqlite:////data/lotus.db: processes share it.")
    return read


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        options = f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s"
        return sa.create_engine(
            url,
            pool_pre_ping=True,
            pool_size=4,
            max_overflow=12,
            pool_timeout=LOCK_SECONDS,
            connect_args={"connect_timeout": CONNECT_SECONDS, "options": options},
        )
    engine = sa.create_engine(
        url, pool_size=8, max_overflow=16, pool_timeout=BUSY_SECONDS, connect_args={"timeout": BUSY_SECONDS}
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, and not where the driver guesses
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("lotus_begin", "BEGIN"))

    return engine


@contextmanager
def _faults_named() -> Iterator[None]:
    """Turn what the database cannot do at the moment into our error; a broken constraint is the caller's."""
    try:
        yield
    except TimeoutError as error:
        raise StorageUnavailableError("The database does not answer; try again.") from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorname", "").startswith(DAMAGED):
            raise StorageUnavailableError("The database file is damaged; restore a backup of it.") from error
        if error.connection_invalidated or not isinstance(error, sa.exc.IntegrityError):
            raise StorageUnavailableError("The database does not answer; try again.") from error
        raise
