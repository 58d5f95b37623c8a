"""The database itself: its settings, its schema, and what is told when it is not there."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from databases import PostgreSql
from lotus_performance.errors import StorageError, StorageUnavailableError
from lotus_performance.storage.database import Database
from lotus_performance.storage.tables import metadata
from stored import Stored


@pytest.fixture
def url(database_url: str, tmp_path: Path) -> str:
    return database_url or f"sqlite:///{tmp_path}/100%/lotus.db"


def test_migrations_lead_from_nothing_to_the_tables_of_the_code(url: str) -> None:
    database = Database(url)
    with pytest.raises(StorageError, match="has schema none, and this version needs 0002; run `lotus-performance"):
        database.refuse_other_schema()
    database.migrate()
    database.migrate()
    database.refuse_other_schema()
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def run_command(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-m", "lotus_performance.cli", *command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_the_schema_of_another_version_is_refused_in_one_line(stored: Stored) -> None:
    with stored.executions.database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="has schema 9999"):
        stored.application()
    for command in (["worker"], ["migrate"], ["serve", "--port", "0"]):
        ended = run_command(command, stored.environment())
        assert ended.returncode != 0
        assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
        assert "schema 9999" in ended.stderr


def test_several_processes_may_migrate_at_once(url: str) -> None:
    databases = [Database(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Database.migrate, databases))
    for database in databases:
        database.refuse_other_schema()
        database.close()


def test_sqlite_is_kept_as_it_should(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/x.db")
    with database.writing() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, 5000]
    database.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "x", "sqlite://", "sqlite:///:memory:", "", "http://x/y"])
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(StorageError, match="DATABASE_URL"):
        Database(url)


def test_a_database_that_is_not_there_is_said_to_be_unavailable_at_once() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/nothing")
    began = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        database.probe()
    assert time.monotonic() - began < 1


def test_a_table_that_somebody_locks_is_said_to_be_unavailable_soon(stored: Stored) -> None:
    if stored.executions.database.is_sqlite:
        pytest.skip("the writer's lock is tested with two processes")
    other = stored.another().executions.database
    with other.writing() as connection:
        connection.execute(sa.text("LOCK TABLE executions IN ACCESS EXCLUSIVE MODE"))
        began = time.monotonic()
        answer = stored.post()
        assert (answer.status_code, time.monotonic() - began < 1.5) == (503, True)
    assert stored.post().status_code == 200


def test_a_broken_connection_is_replaced(stored: Stored, postgresql: PostgreSql) -> None:
    if stored.executions.database.is_sqlite:
        pytest.skip("SQLite has no connections that break")
    calculation_id = stored.calculate()
    postgresql.stop_at_once()
    try:
        began = time.monotonic()
        answer = stored.post()
        assert (answer.status_code, answer.get_json()["code"]) == (503, "storage_unavailable")
        assert time.monotonic() - began < 1
        for path in (f"/performance/lineage/{calculation_id}", "/performance/executions"):
            assert stored.code(path) == (503, "storage_unavailable")
        assert stored.code("/health/ready") == (503, "not_ready")
        assert stored.get("/health/live").status_code == 200
    finally:
        postgresql.start()
    assert stored.post().status_code == 200
    time.sleep(1.1)
    assert stored.get("/health/ready").status_code == 200
    assert stored.executions.get(calculation_id).status == "complete"


@pytest.mark.parametrize("command", ["serve", "migrate", "worker"])
@pytest.mark.parametrize("place", ["a-file", "below-a-file", "lineage-a-file", "database-a-folder", "no-database"])
def test_storage_that_cannot_be_used_stops_the_start_with_one_line(tmp_path: Path, command: str, place: str) -> None:
    if command == "worker" and place == "lineage-a-file":
        pytest.skip("a worker finds out when it writes")
    (tmp_path / "file").touch()
    (tmp_path / "data" / "lotus.db").mkdir(parents=True)
    environment = {
        "a-file": {"DATA_DIR": f"{tmp_path}/file"},
        "below-a-file": {"DATA_DIR": f"{tmp_path}/file/data"},
        "lineage-a-file": {"DATA_DIR": f"{tmp_path}/new", "LINEAGE_STORAGE_PATH": f"{tmp_path}/file"},
        "database-a-folder": {"DATA_DIR": f"{tmp_path}/data"},
        "no-database": {"DATA_DIR": f"{tmp_path}/new", "DATABASE_URL": "postgresql://x@127.0.0.1:1/x"},
    }[place]
    arguments = ["--port", "0"] if command == "serve" else []
    ended = run_command([command, *arguments], environment)
    assert ended.returncode != 0
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert ended.stderr.startswith("lotus-performance: ")


def test_a_start_on_many_calculations_takes_no_time(stored: Stored) -> None:
    template = vars(stored.executions.get(stored.calculate()))
    rows = 10_000
    with stored.executions.database.writing() as connection:
        (row,) = connection.execute(sa.select(metadata.tables["executions"])).mappings().all()
        (payload,) = connection.execute(sa.select(metadata.tables["payloads"])).mappings().all()
        ids = [f"{i:08x}-0000-4000-8000-000000000000" for i in range(rows)]
        done = {"lineage_status": "complete", "due_utc": None}
        connection.execute(
            sa.insert(metadata.tables["executions"]), [{**row, **done, "execution_id": each} for each in ids]
        )
        connection.execute(sa.insert(metadata.tables["payloads"]), [{**payload, "execution_id": each} for each in ids])
    assert template["execution_id"] not in ids
    for each in ids:
        stored.folder(each).mkdir(parents=True)
    began = time.monotonic()
    started = stored.another()
    started.prepare()
    client = stored.application().test_client()
    assert client.get("/health/ready").status_code == 200
    assert client.get("/performance/executions").status_code == 200
    started.artifacts.sweep()
    assert stored.work(started) == 1
    assert time.monotonic() - began < 3
