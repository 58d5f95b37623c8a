"""Executions: recorded, listed, left to a worker, and found again by their id."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from lotus_performance import services
from lotus_performance.jobs.worker import Worker
from lotus_performance.storage import executions as storage
from stored import ASYNC, EXAMPLES, PATHS, Stored, example, new_id

NO_ROOT = {"begin_mv": 0, "end_mv": 100.0, "cash_flows": []}
"""Members with which a money-weighted return does not exist."""

Fail = Callable[[], None]


@pytest.fixture
def engine_fails(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Return a function from whose call on the engine of money-weighted returns breaks."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    return lambda: monkeypatch.setattr(services.mwr, "money_weighted_return", broken)


def shown(stored: Stored, execution_id: str) -> Any:
    answer = stored.get(f"/performance/executions/{execution_id}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def listed(stored: Stored, query: str = "") -> Any:
    answer = stored.get(f"/performance/executions{query}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def stages_of(execution: Any) -> dict[str, str]:
    return {stage["stage_name"]: stage["status"] for stage in execution["stages"]}


# ---------------------------------------------------------------- recording


@pytest.mark.parametrize("named", [True, False], ids=["own-id", "no-id"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_calculation_is_recorded(stored: Stored, name: str, named: bool) -> None:
    answer = stored.post(name, **({"calculation_id": new_id()} if named else {})).get_json()
    execution = shown(stored, answer["calculation_id"])
    assert execution["analytics_type"] == EXAMPLES[name]
    assert execution["portfolio_id"] == answer["portfolio_id"]
    assert (execution["execution_mode"], execution["status"]) == ("sync", "complete")
    for member in ("engine_version", "input_fingerprint", "calculation_hash", "result_hash"):
        assert execution[member] == answer["meta"][member]
    assert execution["created_at_utc"] <= execution["started_at_utc"] <= execution["completed_at_utc"]
    assert stages_of(execution) == {"calculate": "complete", "materialise": "pending"}
    assert stored.work() == 1
    assert stages_of(shown(stored, answer["calculation_id"])) == {"calculate": "complete", "materialise": "complete"}


def test_the_result_of_a_calculation_is_what_was_sent(stored: Stored) -> None:
    answer = stored.post()
    again = stored.get(f"/performance/executions/{answer.get_json()['calculation_id']}/result")
    assert again.data == answer.data
    assert again.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("named", [True, False], ids=["own-id", "no-id"])
def test_a_refused_request_is_not_recorded(stored: Stored, named: bool) -> None:
    changes = {"calculation_id": new_id()} if named else {}
    for refused in (NO_ROOT, {"begin_mv": "x"}):
        assert stored.post("mwr_one_year", **changes, **refused).status_code in (400, 422)
    assert stored.all() == []


def test_a_request_that_cannot_be_recorded_has_no_answer(stored: Stored) -> None:
    with stored.executions.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE payloads")
    for changes in ({}, {"calculation_id": new_id()}):
        answer = stored.post(**changes)
        assert (answer.status_code, answer.get_json()["code"]) == (503, "storage_unavailable")
        assert answer.headers["Retry-After"]


# ---------------------------------------------------------------- the list


def test_the_list_has_the_newest_first(stored: Stored) -> None:
    ids = [stored.calculate(name) for name in EXAMPLES]
    assert [each["execution_id"] for each in listed(stored)["items"]] == ids[::-1]
    assert listed(stored)["items"][0] == shown(stored, ids[-1])


def test_the_list_is_told_in_pages(stored: Stored) -> None:
    ids = [stored.calculate(portfolio_id=f"P{i}") for i in range(7)]
    found: list[str] = []
    page = listed(stored, "?limit=3")
    while True:
        found += [each["execution_id"] for each in page["items"]]
        if "next_cursor" not in page:
            break
        page = listed(stored, f"?limit=3&cursor={page['next_cursor']}")
    assert found == ids[::-1]


def test_the_last_page_has_no_cursor(stored: Stored) -> None:
    assert listed(stored) == {"items": []}
    for _ in range(3):
        stored.calculate()
    assert "next_cursor" not in listed(stored, "?limit=3")
    assert "next_cursor" in listed(stored, "?limit=2")


def test_the_list_is_filtered(stored: Stored, engine_fails: Fail) -> None:
    first = stored.calculate(portfolio_id="A")
    second = stored.calculate("mwr_one_year", portfolio_id="A")
    third = stored.post(portfolio_id="Ä & B", headers=ASYNC).get_json()["execution_id"]
    engine_fails()
    fourth = new_id()
    stored.post("mwr_one_year", calculation_id=fourth)
    for query, expected in {
        "?portfolio_id=A": [second, first],
        "?portfolio_id=%C3%84%20%26%20B": [third],
        "?portfolio_id=nobody": [],
        "?analytics_type=mwr": [fourth, second],
        "?status=complete": [second, first],
        "?status=failed": [fourth],
        "?status=pending&analytics_type=twr": [third],
        "?portfolio_id=A&analytics_type=twr&status=complete&limit=1": [first],
    }.items():
        assert [each["execution_id"] for each in listed(stored, query)["items"]] == expected, query


@pytest.mark.parametrize(
    ("query", "status", "pointer"),
    [
        ("limit=0", 422, "/limit"),
        ("limit=501", 422, "/limit"),
        ("limit=x", 422, "/limit"),
        ("limit=-1", 422, "/limit"),
        ("limit=1.5", 422, "/limit"),
        ("limit=1&limit=2", 422, "/limit"),
        ("limit=", 422, "/limit"),
        ("limit=%C2%B2", 422, "/limit"),
        ("limit=99999999999999999999", 422, "/limit"),
        ("status=done", 422, "/status"),
        ("analytics_type=TWR", 422, "/analytics_type"),
        ("portfolio_id=", 422, "/portfolio_id"),
        ("portfolio_id=%00", 422, "/portfolio_id"),
        ("portfolio_id=" + "x" * 257, 422, "/portfolio_id"),
        ("stauts=failed", 422, "/stauts"),
        ("cursor=x", 400, None),
        ("cursor=AAAA", 400, None),
        ("cursor=YSBi", 400, None),
        ("cursor=AAAAIGI%3D", 400, None),
        ("cursor=%C3%A4", 400, None),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused(
    stored: Stored, query: str, status: int, pointer: str | None
) -> None:
    answer = stored.get(f"/performance/executions?{query}")
    assert answer.status_code == status
    problem = answer.get_json()
    assert problem["code"] == ("validation_failed" if pointer else "invalid_cursor")
    assert [fault["pointer"] for fault in problem.get("errors", [])] == ([pointer] if pointer else [])


# ---------------------------------------------------------------- respond-async


def test_a_request_can_be_left_to_a_worker(stored: Stored) -> None:
    execution_id = new_id()
    answer = stored.post(calculation_id=execution_id, headers=ASYNC)
    assert answer.status_code == 202
    place = f"/performance/executions/{execution_id}"
    assert answer.headers["Location"] == place
    assert (answer.headers["Retry-After"], answer.headers["Preference-Applied"]) == ("1", "respond-async")
    body = answer.get_json()
    assert (body["execution_id"], body["status"]) == (execution_id, "pending")
    assert body["links"] == {
        "self": place,
        "result": f"{place}/result",
        "lineage": f"/performance/lineage/{execution_id}",
    }
    assert stored.get(f"{place}/result").status_code == 202
    assert stored.get(f"/performance/lineage/{execution_id}").get_json()["status"] == "pending"
    assert Worker(stored.lineage).work_once()
    execution = shown(stored, execution_id)
    assert (execution["execution_mode"], execution["status"]) == ("async", "complete")
    assert stages_of(execution) == {"calculate": "complete", "materialise": "pending"}
    stored.work()
    assert stages_of(shown(stored, execution_id)) == {"calculate": "complete", "materialise": "complete"}
    result = stored.get(f"{place}/result")
    assert result.status_code == 200
    assert result.data == stored.post(calculation_id=execution_id).data
    assert len(stored.all()) == 1


@pytest.mark.parametrize("prefer", ["respond-async", "wait=5, Respond-Async", "respond-async; x=1"])
def test_the_preference_is_read_as_the_standard_says(stored: Stored, prefer: str) -> None:
    assert stored.post(headers={"Prefer": prefer}).status_code == 202


@pytest.mark.parametrize("prefer", ["return=minimal", "respond-asynchronously", ""])
def test_another_preference_does_not_leave_it_to_a_worker(stored: Stored, prefer: str) -> None:
    assert stored.post(headers={"Prefer": prefer}).status_code == 200


def test_a_request_that_is_invalid_is_refused_at_once(stored: Stored) -> None:
    assert stored.post(headers=ASYNC, valuation_points=[]).status_code == 422
    assert stored.all() == []


def test_a_refusal_by_the_engine_is_the_result(stored: Stored) -> None:
    direct = stored.post("mwr_one_year", **NO_ROOT)
    execution_id = stored.post("mwr_one_year", headers=ASYNC, **NO_ROOT).get_json()["execution_id"]
    stored.work()
    result = stored.get(f"/performance/executions/{execution_id}/result")
    assert result.status_code == direct.status_code == 422
    assert result.mimetype == "application/problem+json"
    for member in ("type", "title", "code", "detail"):
        assert result.get_json()[member] == direct.get_json()[member]
    execution = shown(stored, execution_id)
    assert (execution["status"], execution["error_message"]) == ("failed", direct.get_json()["detail"])


def test_a_failure_of_the_engine_is_tried_again_and_then_the_result(
    stored: Stored, engine_fails: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "FIRST_RETRY_SECONDS", -1.0)
    execution_id = stored.post("mwr_one_year", headers=ASYNC).get_json()["execution_id"]
    engine_fails()
    assert stored.work() == storage.MAX_ATTEMPTS
    assert stored.code(f"/performance/executions/{execution_id}/result") == (500, "calculation_failed")
    assert stored.executions.get(execution_id).attempts == storage.MAX_ATTEMPTS


def test_a_failure_of_the_engine_may_pass(stored: Stored, engine_fails: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "FIRST_RETRY_SECONDS", -1.0)
    execution_id = stored.post("mwr_one_year", headers=ASYNC).get_json()["execution_id"]
    engine_fails()
    Worker(stored.lineage).work_once()
    assert shown(stored, execution_id)["status"] == "pending"
    monkeypatch.undo()
    stored.work()
    assert shown(stored, execution_id)["status"] == "complete"


def test_what_failed_may_be_left_to_a_worker_again(stored: Stored, engine_fails: Fail, monkeypatch: Any) -> None:
    execution_id = new_id()
    engine_fails()
    assert stored.post("mwr_one_year", calculation_id=execution_id).status_code == 500
    monkeypatch.undo()
    answer = stored.post("mwr_one_year", calculation_id=execution_id, headers=ASYNC)
    assert (answer.status_code, answer.get_json()["status"]) == (202, "pending")
    stored.work()
    assert shown(stored, execution_id)["status"] == "complete"


def test_the_same_request_left_twice_is_one_execution(stored: Stored) -> None:
    execution_id = new_id()
    for _ in range(3):
        assert stored.post(calculation_id=execution_id, headers=ASYNC).status_code == 202
    assert len(stored.all()) == 1
    assert stored.post(calculation_id=execution_id, headers=ASYNC, portfolio_id="B").status_code == 409


def test_a_request_that_waits_for_a_worker_is_answered_to_who_asks_for_it_now(stored: Stored) -> None:
    execution_id = new_id()
    stored.post(calculation_id=execution_id, headers=ASYNC)
    answer = stored.post(calculation_id=execution_id)
    assert answer.status_code == 200
    assert stored.get(f"/performance/executions/{execution_id}/result").data == answer.data
    stored.work()
    assert shown(stored, execution_id)["status"] == "complete"


def test_what_was_accepted_is_not_forgotten_when_it_is_refused_to_who_asks_for_it_now(stored: Stored) -> None:
    execution_id = new_id()
    stored.post("mwr_one_year", calculation_id=execution_id, headers=ASYNC, **NO_ROOT)
    assert stored.post("mwr_one_year", calculation_id=execution_id, **NO_ROOT).status_code == 422
    assert shown(stored, execution_id)["status"] == "failed"
    assert stored.get(f"/performance/executions/{execution_id}/result").status_code == 422


def test_a_question_for_an_execution_waits_a_moment_for_its_end(stored: Stored) -> None:
    execution_id = stored.post(headers=ASYNC).get_json()["execution_id"]
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(shown, stored, execution_id)
        stored.work()
        assert asked.result()["status"] == "complete"
    assert time.monotonic() - began < 1.5


# ---------------------------------------------------------------- idempotency


def test_the_same_id_and_data_answer_the_stored_bytes(stored: Stored) -> None:
    calculation_id = new_id()
    body = example("twr_five_days", calculation_id=calculation_id)
    first = stored.client.post(PATHS["twr"], json=body)
    rows = body | {"valuation_points": body["valuation_points"][::-1]}
    for again in (body, dict(reversed(body.items())), rows):
        assert stored.client.post(PATHS["twr"], json=again).data == first.data
    assert len(stored.all()) == 1


def test_the_same_id_with_other_data_is_a_conflict(stored: Stored) -> None:
    calculation_id = new_id()
    first = stored.post(calculation_id=calculation_id)
    other = stored.post(calculation_id=calculation_id, portfolio_id="OTHER")
    assert (other.status_code, other.get_json()["code"]) == (409, "calculation_conflict")
    assert stored.post(calculation_id=calculation_id).data == first.data


def test_the_same_id_at_another_endpoint_is_a_conflict(stored: Stored) -> None:
    calculation_id = new_id()
    first = stored.post(calculation_id=calculation_id)
    other = stored.post("mwr_one_year", calculation_id=calculation_id)
    assert (other.status_code, other.get_json()["code"]) == (409, "calculation_conflict")
    assert stored.post(calculation_id=calculation_id).data == first.data


def test_a_refused_request_does_not_occupy_the_id(stored: Stored) -> None:
    calculation_id = new_id()
    assert stored.post("mwr_one_year", calculation_id=calculation_id, **NO_ROOT).status_code == 422
    assert stored.post("mwr_one_year", calculation_id=calculation_id).status_code == 200


def test_what_failed_may_be_tried_again(stored: Stored, engine_fails: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    calculation_id = new_id()
    engine_fails()
    assert stored.post("mwr_one_year", calculation_id=calculation_id).status_code == 500
    assert stored.post("mwr_one_year", calculation_id=calculation_id).status_code == 500
    monkeypatch.undo()
    assert stored.post("mwr_one_year", calculation_id=calculation_id).status_code == 200
    assert stored.post("mwr_one_year", calculation_id=calculation_id, end_mv=1.0).status_code == 409
    stored.work()
    execution = shown(stored, calculation_id)
    assert execution["status"] == "complete"
    assert "error_message" not in execution
    assert set(stages_of(execution).values()) == {"complete"}


def test_parallel_requests_with_one_id_are_calculated_once(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[None] = []
    real = services.mwr.money_weighted_return

    def counting(*arguments: Any, **named: Any) -> Any:
        calls.append(None)
        time.sleep(0.2)
        return real(*arguments, **named)

    monkeypatch.setattr(services.mwr, "money_weighted_return", counting)
    apps = [stored.app, stored.application()]
    body = example("mwr_one_year", calculation_id=new_id())
    barrier = Barrier(12)

    def post(i: int) -> tuple[int, bytes]:
        barrier.wait()
        answer = apps[i % 2].test_client().post(PATHS["mwr"], json=body)
        return answer.status_code, answer.data

    with ThreadPoolExecutor(12) as pool:
        answers = set(pool.map(post, range(12)))
    assert len(calls) == 1
    assert len(answers) == 1
    assert answers.pop()[0] == 200
    assert len(stored.all()) == 1


def test_parallel_requests_that_are_refused_are_all_refused(stored: Stored) -> None:
    body = example("mwr_one_year", calculation_id=new_id(), **NO_ROOT)
    barrier = Barrier(8)

    def post(_: int) -> int:
        barrier.wait()
        return stored.app.test_client().post(PATHS["mwr"], json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(post, range(8))) == {422}
    assert stored.all() == []


def test_a_calculation_that_outlasts_its_lease_is_answered_once(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "LEASE_SECONDS", 0.0)
    real = services.mwr.money_weighted_return
    body = example("mwr_one_year", calculation_id=new_id())

    def slow(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(services.mwr, "money_weighted_return", real)
        time.sleep(0.01)
        stored.work()  # a worker takes it over, and is first
        return real(*arguments, **named)

    monkeypatch.setattr(services.mwr, "money_weighted_return", slow)
    answer = stored.client.post(PATHS["mwr"], json=body)
    assert answer.status_code == 200
    assert stored.client.post(PATHS["mwr"], json=body).data == answer.data
    assert len(stored.all()) == 1
