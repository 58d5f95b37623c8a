"""Rows that were changed, or cannot be read: nothing of them is told as good, and nothing else suffers."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import zstandard
from alembic import command as alembic

from lotus_performance.cli import main
from lotus_performance.errors import IntegrityError, StorageUnavailableError
from lotus_performance.jobs.run import ticket_of
from lotus_performance.settings import Settings
from lotus_performance.storage import executions as storage
from lotus_performance.storage import room, tables
from lotus_performance.storage.database import Database, _migrations
from lotus_performance.storage.executions import Status, sha256_of
from stored import ASYNC, Stored, new_id

EXECUTIONS, PAYLOADS = tables.executions, tables.payloads


def change(stored: Stored, table: sa.Table, calculation_id: str, **values: Any) -> None:
    with stored.executions.database.writing() as connection:
        connection.execute(sa.update(table).where(table.c.execution_id == calculation_id).values(**values))


def compressed(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(text)


@pytest.fixture
def command(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `lotus-performance lineage`, and returns its exit status and what it said."""
    for name, value in stored.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["lineage", *arguments])
        told = capsys.readouterr()
        return status, told.out + told.err

    return run


# ---------------------------------------------------------------- answers


OTHERS: dict[str, Callable[[bytes], bytes]] = {
    "another-calculation": lambda other: other,
    "a-changed-figure": lambda other: other.replace(b"1.", b"2."),
    "no-document": lambda other: b"garbage",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_stored_answer_that_is_another_is_never_told(
    stored: Stored, kind: str, command: Callable[..., tuple[int, str]]
) -> None:
    mine, pending, other = (stored.calculate(calculation_id=new_id()) for _ in range(3))
    stored.lineage.ensure(mine)
    wrong = compressed(OTHERS[kind](stored.executions.payload(other).answer))
    for each in (mine, pending):
        change(stored, PAYLOADS, each, response=wrong)
    stored.work()
    for each in (mine, pending):
        assert stored.code(f"/performance/executions/{each}/result") == (500, "integrity_error")
        assert stored.post(calculation_id=each).status_code == 500
        assert stored.client.post(f"/performance/lineage/{each}/replay").get_json()["code"] == "integrity_error"
    assert stored.get(f"/performance/lineage/{pending}").get_json()["status"] == "failed"
    status, told = command("verify")
    assert (status, mine in told, pending in told, other in told) == (1, True, True, False)
    # The others are calculated anew all the same.
    status, told = command("replay")
    assert (status, told.count("is not the one that was kept")) == (1, 2)
    assert told.endswith("3 calculations calculated anew, 2 did not give their figures\n")


def test_a_replay_with_other_members_tells_no_difference_of_figures(
    stored: Stored, command: Callable[..., tuple[int, str]]
) -> None:
    calculation_id = stored.calculate("mwr_one_year")
    answer = json.loads(stored.executions.payload(calculation_id).answer)
    del answer["mwr_annualized"]
    text = json.dumps(answer, separators=(",", ":")).encode()
    figures = {name: answer[name] for name in ("money_weighted_return", "method")}
    result_hash = sha256_of(json.dumps(figures, separators=(",", ":")).encode())
    change(stored, PAYLOADS, calculation_id, response=compressed(text))
    change(stored, EXECUTIONS, calculation_id, response_sha256=sha256_of(text), result_hash=result_hash)
    outcome = stored.client.post(f"/performance/lineage/{calculation_id}/replay").get_json()
    assert (outcome["match"], outcome["identical"], "max_difference" in outcome) == (False, False, False)
    assert f"{calculation_id}: has other members" in command("replay")[1]


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize(
    "values",
    [
        {"portfolio_id": "OTHER"},
        {"engine_version": "9"},
        {"calculation_hash": "sha256:0"},
        {"completed_at_utc": "2020-01-01T00:00:00.000000Z"},
        {"result_hash": "sha256:0"},
        {"response_sha256": "sha256:0"},
        {"analytics_type": "mwr"},
        {"status": "failed"},
        {"status": "none"},
        {"requested_window": "{"},
        {"manifest_sha256": "0"},
        {"lineage_status": "failed"},
    ],
    ids=lambda values: "-".join(map(str, *values.items())),
)
def test_a_row_that_was_changed_is_found(
    stored: Stored, values: dict[str, str], command: Callable[..., tuple[int, str]]
) -> None:
    mine, other = stored.calculate(), stored.calculate()
    stored.work()
    assert command("verify")[0] == 0
    change(stored, EXECUTIONS, mine, **values)
    status, told = command("verify")
    assert (status, mine in told, other in told) == (1, True, False)
    assert told.endswith("2 calculations checked, 1 not as they were written\n")


def test_a_calculation_that_was_deleted_leaves_a_folder_that_is_named(
    stored: Stored, command: Callable[..., tuple[int, str]]
) -> None:
    calculation_id = stored.calculate()
    stored.work()
    stored.executions.delete(calculation_id)
    status, told = command("verify")
    assert status == 0
    assert f"{calculation_id}: a folder of artifacts, and no calculation" in told


def test_a_row_that_cannot_be_read_holds_up_no_worker(stored: Stored) -> None:
    broken = stored.post(headers=ASYNC).get_json()["execution_id"]
    change(stored, EXECUTIONS, broken, requested_window="x")
    behind = stored.post(headers=ASYNC).get_json()["execution_id"]
    assert stored.work() >= 3
    assert stored.executions.get(behind).lineage_status is Status.COMPLETE
    assert stored.executions.claim_next() is None
    with pytest.raises(IntegrityError, match=broken):
        stored.executions.get(broken)
    assert stored.code("/performance/executions") == (500, "integrity_error")
    assert stored.get(f"/performance/executions/{behind}").status_code == 200


def test_what_is_tried_again_no_longer_tells_its_old_failure(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr("lotus_performance.api.twr.calculate_twr", lambda _: 1 / 0)
        calculation_id = new_id()
        assert stored.post(calculation_id=calculation_id).status_code == 500
    failed = stored.get(f"/performance/executions/{calculation_id}").get_json()
    assert (failed["status"], failed["error_code"]) == ("failed", "calculation_failed")
    assert stored.post(calculation_id=calculation_id, headers=ASYNC).status_code == 202
    again = stored.get(f"/performance/executions/{calculation_id}").get_json()
    assert again["status"] == "pending"
    assert not {"error_code", "error_message", "completed_at_utc"} & again.keys()
    assert {stage["status"] for stage in again["stages"]} == {"pending"}


def test_a_kept_problem_that_may_pass_says_when_to_ask_again(stored: Stored) -> None:
    execution_id = stored.post(headers=ASYNC).get_json()["execution_id"]
    problem = {"code": "upstream_unavailable", "detail": "No answer.", "faults": [], "n_faults": 0}
    stored.executions.fail(ticket_of(stored.executions.get(execution_id)), None, problem, "2026-01-01T00:00:00.000000Z")
    answer = stored.get(f"/performance/executions/{execution_id}/result")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


# ---------------------------------------------------------------- a way back


def test_artifacts_that_were_set_aside_are_written_when_told_to(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, command: Callable[..., tuple[int, str]]
) -> None:
    calculation_id = stored.calculate()
    monkeypatch.setattr(storage, "FIRST_RETRY_SECONDS", -1.0)
    monkeypatch.setattr(storage, "LONGEST_RETRY_SECONDS", -1.0)
    with monkeypatch.context() as context:
        context.setattr("lotus_performance.jobs.lineage.recalculated", lambda *_: 1 / 0)
        stored.work()
    assert stored.get(f"/performance/lineage/{calculation_id}").get_json()["status"] == "failed"
    status, told = command("verify")
    assert (status, "`lineage rebuild` writes them" in told) == (1, True)
    assert command("rebuild") == (0, "artifacts of 1 calculations written, 0 could not be\n")
    assert command("verify")[0] == 0
    assert stored.get(f"/performance/lineage/{calculation_id}").get_json()["status"] == "complete"


def test_a_lost_artifact_is_written_anew_when_its_calculation_is_named(
    stored: Stored, command: Callable[..., tuple[int, str]]
) -> None:
    calculation_id = stored.calculate()
    stored.work()
    before = stored.get(f"/performance/lineage/{calculation_id}").get_json()
    (stored.folder(calculation_id) / "response.json").unlink()
    assert stored.code(f"/performance/lineage/{calculation_id}") == (500, "integrity_error")
    unknown = new_id()
    status, told = command("rebuild", calculation_id, unknown)
    assert (status, unknown in told, calculation_id in told) == (1, True, False)
    assert stored.get(f"/performance/lineage/{calculation_id}").get_json() == before


# ---------------------------------------------------------------- what can be written


def test_a_database_that_can_only_be_read_is_not_ready(stored: Stored) -> None:
    database = stored.executions.database
    statement = "PRAGMA query_only = ON" if database.is_sqlite else "SET TRANSACTION READ ONLY"
    sa.event.listen(database.engine, "begin", lambda connection: connection.exec_driver_sql(statement))
    with pytest.raises(StorageUnavailableError):
        database.probe()


def test_a_full_disk_of_the_database_alone_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path / "data", lineage_path=tmp_path / "lineage", lineage_mode="async")
    service = Stored(settings)
    assert service.get("/health/ready").status_code == 200
    real = os.statvfs

    def full(folder: Path) -> os.statvfs_result:
        found = list(real(folder))
        if Path(folder) == settings.data_dir:
            found[3:5] = [0, 0]
        return os.statvfs_result(found)

    monkeypatch.setattr(room.os, "statvfs", full)
    other = service.application().test_client()
    answer = other.get("/health/ready")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "not_ready")
    assert "database" in answer.get_json()["detail"]
    service.close()


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a#b", "a b", "é", "a&b=c"])
def test_any_name_of_a_folder_is_that_of_the_folder(tmp_path: Path, name: str) -> None:
    settings = Settings(data_dir=tmp_path / name, lineage_mode="async")
    service = Stored(settings)
    service.calculate()
    assert (tmp_path / name / "lotus.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    service.close()


def test_a_folder_without_a_database_is_told_so_and_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert main(["lineage", "verify"]) == 2
    assert "run `lotus-performance migrate`" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_said_to_be_damaged(tmp_path: Path) -> None:
    (tmp_path / "lotus.db").write_bytes(b"noise" * 1000)
    database = Database(tmp_path / "lotus.db")
    with pytest.raises(StorageUnavailableError, match="damaged; restore a backup"):
        database.refuse_other_schema()
    database.close()


def test_answers_of_before_have_their_checksum_after_the_migration(
    stored: Stored, command: Callable[..., tuple[int, str]]
) -> None:
    calculation_id = stored.calculate()
    stored.work()
    config = _migrations()
    with stored.executions.database.writing() as connection:
        config.attributes["connection"] = connection
        alembic.downgrade(config, "0001")
    stored.executions.database.migrate()
    assert command("verify")[0] == 0
    assert stored.get(f"/performance/executions/{calculation_id}/result").status_code == 200


@pytest.mark.parametrize("days", ["-1", "x", "1.5", "36526", "", "9" * 30])
def test_days_that_are_none_are_refused_with_their_bounds(capsys: pytest.CaptureFixture[str], days: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["lineage", "prune", f"--older-than={days}"])
    assert ended.value.code == 2
    assert "must be a number of days from 0 to 36525" in capsys.readouterr().err
