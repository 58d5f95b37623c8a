"""Executions in both databases: taken, left, taken over, put back, and found again in order."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from lotus_performance.errors import ExecutionNotFoundError, IntegrityError, InvalidCursorError
from lotus_performance.jobs.run import make_ticket
from lotus_performance.jobs.worker import Worker
from lotus_performance.schemas.mwr import MwrRequestSchema
from lotus_performance.storage import executions as storage
from lotus_performance.storage import tables
from lotus_performance.storage.executions import ExecutionMode, Executions, Stage, Status, Ticket
from stored import ASYNC, Stored, example, new_id

REQUEST, RESPONSE, RESULT_HASH = b'{"a":1}', b'{"b":2}', "sha256:" + "0" * 64


@pytest.fixture
def executions(stored: Stored) -> Executions:
    return stored.executions


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let time pass one microsecond a question, or as much as a test says."""
    ticks = itertools.count()
    state = {"now": 0.0}

    def text(seconds: float) -> str:
        micros = next(ticks)
        whole = state["now"] + seconds
        return f"2026-01-01T00:{int(whole) // 60:02d}:{int(whole) % 60:02d}.{micros:06d}Z"

    monkeypatch.setattr(storage, "utc_now", lambda: text(0.0))
    monkeypatch.setattr(storage, "utc_in", text)
    return lambda seconds: state.update(now=state["now"] + seconds)


def ticket(execution_id: str | None = None, data: str = "1", **changes: Any) -> Ticket:
    members: dict[str, Any] = {
        "execution_id": execution_id or new_id(),
        "analytics_type": "twr",
        "portfolio_id": "P",
        "requested_window": {},
        "engine_version": "1",
        "input_fingerprint": storage.sha256_of(REQUEST) if data == "1" else f"sha256:{data}",
        "calculation_hash": f"sha256:{data}",
    }
    return Ticket(**(members | changes))


def recorded(executions: Executions) -> Ticket:
    mine = ticket()
    assert executions.record(mine, REQUEST, RESPONSE, RESULT_HASH, storage.utc_now())
    return mine


def stages_of(executions: Executions, execution_id: str) -> dict[str, str]:
    return {each["stage_name"]: each["status"] for each in executions.stages_of([execution_id])[execution_id]}


# ---------------------------------------------------------------- taking


def test_an_id_is_recorded_once(executions: Executions) -> None:
    mine = recorded(executions)
    assert not executions.record(mine, b"other", b"other", RESULT_HASH, storage.utc_now())
    assert executions.payload(mine.execution_id).response == RESPONSE


def test_a_claimed_id_is_not_claimed_again(executions: Executions, clock: Any) -> None:
    mine = ticket()
    assert executions.claim(mine, REQUEST) is None
    known = executions.claim(mine, REQUEST)
    assert known is not None
    assert known.status is Status.RUNNING


def test_a_claim_is_taken_over_when_its_lease_has_run_out(executions: Executions, clock: Any) -> None:
    mine = ticket()
    executions.claim(mine, REQUEST)
    clock(storage.LEASE_SECONDS - 1)
    assert executions.claim(mine, REQUEST) is not None
    clock(2)
    assert executions.claim(mine, REQUEST) is None
    assert executions.claim(mine, REQUEST) is not None


def test_a_claim_with_other_data_is_never_taken_over(executions: Executions, clock: Any) -> None:
    mine = ticket()
    executions.claim(mine, REQUEST)
    clock(storage.LEASE_SECONDS * 2)
    for other in (
        ticket(mine.execution_id, data="2"),
        ticket(mine.execution_id, analytics_type="mwr"),
    ):
        assert executions.claim(other, REQUEST) is not None
        assert not executions.complete(other, RESPONSE, RESULT_HASH)
        executions.fail(other, REQUEST, {}, storage.utc_now())
    assert executions.get(mine.execution_id).status is Status.RUNNING


def test_who_ends_first_wins(executions: Executions, clock: Any) -> None:
    mine = ticket()
    executions.claim(mine, REQUEST)
    clock(storage.LEASE_SECONDS + 1)
    executions.claim(mine, REQUEST)
    assert executions.complete(mine, RESPONSE, RESULT_HASH)
    assert not executions.complete(mine, b"later", "sha256:later")
    executions.fail(mine, REQUEST, {"code": "calculation_failed"}, storage.utc_now())
    executions.refuse(mine, {"code": "x"})
    kept = executions.get(mine.execution_id)
    assert (kept.status, kept.problem, kept.result_hash) == (Status.COMPLETE, None, RESULT_HASH)
    assert executions.payload(mine.execution_id).response == RESPONSE
    assert stages_of(executions, mine.execution_id)["calculate"] == "complete"


def test_a_refused_claim_frees_its_id(executions: Executions) -> None:
    mine = ticket()
    executions.claim(mine, REQUEST)
    executions.refuse(mine, {"code": "x"})
    with pytest.raises(ExecutionNotFoundError):
        executions.get(mine.execution_id)
    assert executions.stages_of([mine.execution_id]) == {mine.execution_id: []}
    with pytest.raises(ExecutionNotFoundError):
        executions.payload(mine.execution_id)
    assert executions.claim(ticket(mine.execution_id, data="2"), REQUEST) is None


def test_a_failure_is_recorded_also_without_a_claim(executions: Executions) -> None:
    mine = ticket()
    executions.fail(mine, REQUEST, {"code": "calculation_failed"}, storage.utc_now())
    kept = executions.get(mine.execution_id)
    assert (kept.status, kept.problem) == (Status.FAILED, {"code": "calculation_failed"})
    assert stages_of(executions, mine.execution_id) == {"calculate": "failed", "materialise": "failed"}
    assert executions.claim_next() is None
    executions.fail(ticket(), None, {}, storage.utc_now())
    assert len(list(executions.ids())) == 1


def test_a_failure_may_be_claimed_again(executions: Executions) -> None:
    mine = ticket()
    executions.fail(mine, REQUEST, {"code": "calculation_failed"}, storage.utc_now())
    assert executions.claim(mine, REQUEST) is None
    assert stages_of(executions, mine.execution_id)["calculate"] == "running"


# ---------------------------------------------------------------- work to be done


def test_what_waits_longest_is_taken_first(executions: Executions, clock: Any) -> None:
    first = recorded(executions)
    second = ticket(mode=ExecutionMode.ASYNC)
    executions.enqueue(second, REQUEST)
    third = recorded(executions)
    taken = [executions.claim_next() for _ in range(4)]
    assert [each and each.execution_id for each in taken] == [
        first.execution_id,
        second.execution_id,
        third.execution_id,
        None,
    ]
    assert [each and (each.status, each.lineage_status, each.attempts) for each in taken[:2]] == [
        ("complete", "running", 1),
        ("running", "pending", 1),
    ]
    assert stages_of(executions, first.execution_id) == {"calculate": "complete", "materialise": "running"}
    assert stages_of(executions, second.execution_id) == {"calculate": "running", "materialise": "pending"}


def test_what_is_taken_is_free_again_after_its_lease(executions: Executions, clock: Any) -> None:
    recorded(executions)
    assert executions.claim_next()
    clock(storage.LEASE_SECONDS - 1)
    assert executions.claim_next() is None
    clock(2)
    again = executions.claim_next()
    assert again is not None
    assert again.attempts == 2


def test_a_claim_whose_process_was_killed_is_answered_by_a_worker(executions: Executions, clock: Any) -> None:
    mine = ticket()
    executions.claim(mine, REQUEST)
    assert executions.claim_next() is None
    clock(storage.LEASE_SECONDS + 1)
    taken = executions.claim_next()
    assert taken is not None
    assert taken.execution_id == mine.execution_id


def test_what_is_done_is_never_taken(executions: Executions, clock: Any) -> None:
    mine = recorded(executions)
    assert executions.claim_next()
    executions.finish_lineage(mine.execution_id, "digest")
    clock(3000)
    assert executions.claim_next() is None
    assert not executions.claim_lineage(mine.execution_id)
    executions.give_up_lineage(mine.execution_id, "late")
    executions.postpone(executions.get(mine.execution_id), "late")
    kept = executions.get(mine.execution_id)
    assert (kept.lineage_status, kept.manifest_sha256, kept.lineage_error) == (Status.COMPLETE, "digest", None)


def test_the_later_attempts_wait_longer(executions: Executions, clock: Any) -> None:
    recorded(executions)
    waited = []
    for _ in range(8):
        taken = executions.claim_next()
        assert taken is not None
        executions.postpone(taken, "no disk")
        assert executions.claim_next() is None
        seconds = 0
        while not is_due(executions):
            clock(1)
            seconds += 1
        assert executions.get(taken.execution_id).lineage_status is Status.PENDING
        waited.append(seconds)
    assert waited == [2, 4, 8, 16, 32, 60, 60, 60]


def is_due(executions: Executions) -> bool:
    with executions.database.reading() as connection:
        query = sa.select(tables.executions.c.execution_id).where(tables.executions.c.due_utc <= storage.utc_now())
        return connection.execute(query).first() is not None


def test_two_workers_never_take_the_same(stored: Stored) -> None:
    expected = {recorded(stored.executions).execution_id for _ in range(24)}
    barrier = Barrier(4)

    def take(executions: Executions) -> list[str]:
        barrier.wait()
        found = []
        # A worker that finds what another is just taking looks again.
        end = time.monotonic() + 2
        while time.monotonic() < end and len(found) < 24:
            taken = executions.claim_next()
            if taken is None:
                break
            found.append(taken.execution_id)
        return found

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(take, [stored.another().executions for _ in range(4)]))
    every = [each for one in taken for each in one]
    assert len(every) == len(set(every))
    assert set(every) == expected


def test_a_worker_passes_over_a_row_that_another_holds(stored: Stored) -> None:
    if stored.executions.database.is_sqlite:
        pytest.skip("SQLite has one writer")
    first, second = recorded(stored.executions), recorded(stored.executions)
    other = stored.another().executions
    with other.database.writing() as connection:
        connection.execute(
            sa.select(tables.executions.c.execution_id)
            .where(tables.executions.c.execution_id == first.execution_id)
            .with_for_update()
        )
        began = time.monotonic()
        taken = stored.executions.claim_next()
        assert time.monotonic() - began < 0.5
    assert taken is not None
    assert taken.execution_id == second.execution_id


def test_one_tenant_sees_nothing_of_another(stored: Stored) -> None:
    other = Executions(stored.executions.database, "other")
    mine = recorded(stored.executions)
    assert other.claim_next() is None
    assert list(other.ids()) == []
    with pytest.raises(ExecutionNotFoundError):
        other.get(mine.execution_id)
    assert other.record(mine, REQUEST, b"theirs", RESULT_HASH, storage.utc_now())
    assert stored.executions.payload(mine.execution_id).response == RESPONSE


# ---------------------------------------------------------------- poison


def test_a_stored_request_that_cannot_be_read_is_set_aside(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "FIRST_RETRY_SECONDS", -1.0)
    execution_id = stored.post(headers=ASYNC).get_json()["execution_id"]
    good = stored.post(headers=ASYNC).get_json()["execution_id"]
    with stored.executions.database.writing() as connection:
        connection.execute(
            sa.update(tables.payloads)
            .where(tables.payloads.c.execution_id == execution_id)
            .values(request=b"no longer zstandard")
        )
    stored.work()
    assert stored.code(f"/performance/executions/{execution_id}/result") == (500, "integrity_error")
    assert stored.executions.get(good).status is Status.COMPLETE


def test_what_kills_its_worker_again_and_again_is_set_aside(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "LEASE_SECONDS", -1.0)
    pending = stored.post(headers=ASYNC).get_json()["execution_id"]
    answered = stored.calculate()
    worker = Worker(stored.lineage)

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    monkeypatch.setattr("lotus_performance.jobs.worker.recalculated", kill)
    monkeypatch.setattr("lotus_performance.jobs.lineage.recalculated", kill)
    n_killed = 0
    while True:
        try:
            if not worker.work_once():
                break
        except Killed:
            n_killed += 1
    assert n_killed == 2 * storage.MAX_ATTEMPTS
    assert stored.code(f"/performance/executions/{pending}/result") == (500, "calculation_failed")
    view = stored.get(f"/performance/lineage/{answered}").get_json()
    assert (view["status"], view["error_message"]) == ("failed", "The artifacts could not be made.")
    assert stored.executions.get(answered).status is Status.COMPLETE
    assert stored.executions.claim_next() is None


def test_a_disk_that_takes_nothing_is_asked_as_long_as_it_needs(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "FIRST_RETRY_SECONDS", -1.0)
    monkeypatch.setattr(storage, "LONGEST_RETRY_SECONDS", -1.0)
    calculation_id = stored.calculate()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr("os.fsync", full)
        for _ in range(storage.MAX_ATTEMPTS + 2):
            with pytest.raises(Exception, match="cannot be read or written"):
                Worker(stored.lineage).work_once()
        # Whoever asks for them uses up no attempt either.
        for _ in range(storage.MAX_ATTEMPTS + 2):
            assert stored.code(f"/performance/lineage/{calculation_id}") == (500, "lineage_unavailable")
    stored.work()
    assert stored.lineage.artifacts.verify(calculation_id) == []
    assert stored.executions.get(calculation_id).lineage_status is Status.COMPLETE


# ---------------------------------------------------------------- reading


def test_pages_with_equal_times_lose_and_repeat_nothing(
    executions: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "utc_now", lambda: "2026-01-01T00:00:00.000000Z")
    ids = [recorded(executions).execution_id for _ in range(23)]
    found: list[str] = []
    cursor = None
    while True:
        page, cursor = executions.newest({}, 5, cursor)
        found += [each.execution_id for each in page]
        if cursor is None:
            break
    assert found == sorted(ids, reverse=True)


def test_a_page_that_ends_exactly_is_the_last(executions: Executions) -> None:
    for _ in range(4):
        recorded(executions)
    page, cursor = executions.newest({}, 2)
    assert cursor is not None
    page, cursor = executions.newest({}, 2, cursor)
    assert (len(page), cursor) == (2, None)


def test_ids_of_many_pages_are_told_once_each_the_newest_first(
    executions: Executions, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    monkeypatch.setattr(storage, "PAGE", 3)
    ids = [recorded(executions).execution_id for _ in range(9)]
    assert list(executions.ids()) == ids[::-1]
    assert list(executions.ids(before=executions.get(ids[4]).created_at_utc)) == ids[:4][::-1]
    executions.finish_lineage(ids[2], "digest")
    assert list(executions.ids(lineage_status=[Status.COMPLETE])) == [ids[2]]
    monkeypatch.setattr(storage, "utc_now", lambda: "2026-01-02T00:00:00.000000Z")
    more = [recorded(executions).execution_id for _ in range(7)]
    assert list(executions.ids()) == sorted(more, reverse=True) + ids[::-1]


def test_new_executions_do_not_shift_the_pages(executions: Executions, clock: Any) -> None:
    ids = [recorded(executions).execution_id for _ in range(4)]
    page, cursor = executions.newest({}, 2)
    recorded(executions)
    rest, _ = executions.newest({}, 5, cursor)
    assert [each.execution_id for each in [*page, *rest]] == ids[::-1]


@pytest.mark.parametrize("cursor", ["", "x", "====", "MjAyNi0wMS0wMQ==", "é", "\x00", "A" * 300])
def test_a_cursor_of_others_is_refused(executions: Executions, cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        executions.newest({}, 5, cursor)


def test_a_payload_that_was_changed_is_refused(stored: Stored) -> None:
    calculation_id = stored.calculate(calculation_id=new_id())
    with stored.executions.database.reading() as connection:
        kept = connection.execute(sa.select(tables.payloads.c.response)).scalar_one()
    broken = kept[:40] + bytes([kept[40] ^ 1]) + kept[41:]
    with stored.executions.database.writing() as connection:
        connection.execute(sa.update(tables.payloads).values(response=broken))
    with pytest.raises(IntegrityError):
        stored.executions.payload(calculation_id)
    for path in (f"/performance/executions/{calculation_id}/result", f"/performance/lineage/{calculation_id}"):
        answer = stored.get(path)
        assert (answer.status_code, answer.get_json().get("code")) in [(500, "integrity_error"), (200, None)]
    assert stored.post(calculation_id=calculation_id).status_code == 500
    assert stored.lineage.faults(calculation_id)


def test_what_is_deleted_leaves_nothing(executions: Executions) -> None:
    mine = recorded(executions)
    executions.delete(mine.execution_id)
    with executions.database.reading() as connection:
        for table in tables.metadata.tables.values():
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0


def test_the_stages_are_told_in_order(executions: Executions) -> None:
    mine = recorded(executions)
    assert [each["stage_name"] for each in executions.stages_of([mine.execution_id])[mine.execution_id]] == list(Stage)


def test_what_is_to_do_is_found_by_an_index(stored: Stored) -> None:
    is_sqlite = stored.executions.database.is_sqlite
    query = (
        "SELECT execution_id FROM executions WHERE tenant_id = 'default' AND due_utc <= '2026' ORDER BY due_utc LIMIT 1"
    )
    with stored.executions.database.reading() as connection:
        if not is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        told = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{query}").fetchall()
    assert "executions_to_do" in str(told)


def test_a_refused_request_whose_process_was_killed_frees_its_id(stored: Stored, clock: Any) -> None:
    body = example("mwr_one_year", calculation_id=new_id(), begin_mv=0, end_mv=100.0, cash_flows=[])
    request = MwrRequestSchema().load(body)
    stored.executions.claim(make_ticket("mwr", request), request.canonical)
    clock(storage.LEASE_SECONDS + 1)
    stored.work()
    assert stored.all() == []
