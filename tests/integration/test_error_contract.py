"""RFC-0023: intended 4xx and 5xx reach the caller as they were meant, whatever wraps the endpoint."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from werkzeug.exceptions import (
    BadRequest,
    Conflict,
    Forbidden,
    HTTPException,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)

from answers import CheckedClient
from lotus_performance import errors
from lotus_performance.api.errors import handle_unexpected
from lotus_performance.api.problems import DOMAIN_PROBLEMS
from lotus_performance.app import create_app
from lotus_performance.settings import Settings


def leaf_classes(kind: type[errors.PerformanceError]) -> Iterator[type[errors.PerformanceError]]:
    children = kind.__subclasses__()
    if not children:
        yield kind
    for child in children:
        yield from leaf_classes(child)


DOMAIN_ERRORS = sorted(leaf_classes(errors.PerformanceError), key=lambda kind: kind.__name__)


@pytest.fixture
def failing(client: CheckedClient, monkeypatch: pytest.MonkeyPatch, example: Any) -> Callable[[str, Exception], Any]:
    """Post a good request whose calculation raises the given exception."""

    def post(stem: str, error: Exception) -> Any:
        def calculate(request: Any) -> Any:
            raise error

        monkeypatch.setattr(f"lotus_performance.api.{stem}.calculate_{stem}", calculate)
        client.any_problem = True
        name = {"twr": "twr_five_days", "mwr": "mwr_one_year", "contribution": "contribution_three_days"}[stem]
        return client.post(f"/performance/{stem}", json=example(name))

    return post


@pytest.mark.parametrize("stem", ["twr", "mwr", "contribution"])
@pytest.mark.parametrize(
    "error",
    [BadRequest("a"), Unauthorized("b"), Forbidden("c"), NotFound("d"), Conflict("e"), TooManyRequests("f")],
    ids=lambda error: error.name,
)
def test_http_exception_raised_inside_a_calculation_keeps_its_status(
    failing: Callable[..., Any], stem: str, error: HTTPException
) -> None:
    answer = failing(stem, error)
    assert answer.status_code == error.code
    assert answer.json["detail"] == error.description
    assert answer.json["title"] == error.name


def test_http_exception_keeps_its_headers(failing: Callable[..., Any]) -> None:
    answer = failing("twr", ServiceUnavailable("later", retry_after=7))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize("status", [400, 404, 409, 415, 429])
def test_abort_in_a_view_passes_every_handler(status: int) -> None:
    app = create_app(Settings())

    def view() -> str:
        abort(status)

    app.add_url_rule("/aborts", view_func=view)
    answer = app.test_client().get("/aborts")
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


def test_a_response_that_a_view_aborts_with_is_left_alone() -> None:
    app = create_app(Settings())

    def view() -> str:
        abort(app.response_class("as it is", status=418))

    app.add_url_rule("/aborts", view_func=view)
    answer = app.test_client().get("/aborts")
    assert (answer.status_code, answer.text) == (418, "as it is")


@pytest.mark.parametrize("kind", DOMAIN_ERRORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("stem", ["twr", "mwr", "contribution"])
def test_each_domain_error_becomes_the_status_of_the_table(
    failing: Callable[..., Any], stem: str, kind: type[errors.PerformanceError]
) -> None:
    answer = failing(stem, kind("what happened"))
    assert answer.status_code == DOMAIN_PROBLEMS[kind].status
    assert answer.json["code"] == kind.code
    assert answer.json["detail"] == "what happened"
    assert answer.json["type"] == f"/docs/problems#{kind.code}"


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in DOMAIN_ERRORS]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("stem", ["twr", "mwr", "contribution"])
def test_a_calculation_that_fails_unexpectedly_is_a_500_that_tells_nothing(
    failing: Callable[..., Any], stem: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = failing(stem, ZeroDivisionError("secret detail of the engine"))
    assert answer.status_code == 500
    assert answer.json["code"] == "calculation_failed"
    assert "secret" not in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert any("secret detail" in (record.exc_text or str(record.exc_info)) for record in caplog.records)


def test_the_handler_of_bugs_lets_an_http_exception_through(app: Flask) -> None:
    error = NotFound()
    with app.test_request_context():
        assert handle_unexpected(error) is error


def test_a_bug_outside_of_a_calculation_is_a_500_that_tells_nothing() -> None:
    app = create_app(Settings())

    def view() -> str:
        raise KeyError("secret key")

    app.add_url_rule("/bug", view_func=view)
    answer = app.test_client().get("/bug")
    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert "secret" not in answer.text


def test_a_fault_names_its_member_by_pointer_and_row(client: FlaskClient, example: Any) -> None:
    body = example("twr_five_days")
    body["valuation_points"][2]["perf_date"] = body["valuation_points"][1]["perf_date"]
    answer = client.post("/performance/twr", json=body)
    assert (answer.status_code, answer.json["code"]) == (400, "duplicate_dates")
    assert answer.json["errors"] == [
        {
            "pointer": "/valuation_points/2/perf_date",
            "code": "duplicate_dates",
            "detail": "row 1 has the same date; merge the two or correct one",
            "perf_date": body["valuation_points"][1]["perf_date"],
        }
    ]


def test_all_faults_of_a_document_are_named_at_once(client: FlaskClient, example: Any) -> None:
    body = example("twr_five_days")
    body["valuation_points"][1]["end_mv"] = "x"
    body["valuation_points"][3]["perf_date"] = "2025-02-30"
    body["metric_basis"] = "net"
    body["rounding_precison"] = 3
    answer = client.post("/performance/twr", json=body)
    assert answer.status_code == 422
    named = {fault["pointer"]: fault["code"] for fault in answer.json["errors"]}
    assert named == {
        "/valuation_points/1/end_mv": "wrong_type",
        "/valuation_points/3/perf_date": "not_a_date",
        "/metric_basis": "not_allowed",
        "/rounding_precison": "unknown",
    }
    assert answer.json["errors_total"] == 4


def test_at_most_a_hundred_faults_are_listed_and_all_are_counted(client: FlaskClient, example: Any) -> None:
    body = example("twr_five_days")
    body["valuation_points"] = [{}] * 30_000
    answer = client.post("/performance/twr", json=body)
    assert answer.status_code == 422
    assert len(answer.json["errors"]) == 100
    assert answer.json["errors_total"] == 90_000


def test_an_error_body_stays_small_even_when_names_are_long(client: FlaskClient, example: Any) -> None:
    body = example("twr_five_days") | {f"{'x' * 2000}{i}": 1 for i in range(500)}
    answer = client.post("/performance/twr", json=body)
    assert answer.status_code == 422
    assert len(answer.data) <= 64 * 1024
    assert answer.json["errors_total"] == 500


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("get", "/nope", 404, "not_found"),
        ("get", "/performance/twr", 405, "method_not_allowed"),
        ("delete", "/performance/mwr", 405, "method_not_allowed"),
    ],
)
def test_werkzeugs_own_errors_are_problem_documents(
    client: FlaskClient, method: str, path: str, status: int, code: str
) -> None:
    answer = getattr(client, method)(path)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"
    assert answer.json["instance"] == path
    if status == 405:
        assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
    ids=["text", "none", "compressed"],
)
def test_another_media_type_is_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    answer = client.post("/performance/twr", data=b"{}", headers=headers)
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_read(example: Any) -> None:
    body = json.dumps(example("twr_five_days")).encode()
    client = create_app(Settings(max_body_bytes=len(body))).test_client()
    headers = {"Content-Type": "application/json"}
    assert client.post("/performance/twr", data=body, headers=headers).status_code == 200
    answer = client.post("/performance/twr", data=body + b" ", headers=headers)
    assert (answer.status_code, answer.json["code"]) == (413, "request_entity_too_large")


def test_a_retry_is_invited_while_the_service_drains(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lotus_performance.api.health.is_draining", lambda: True)
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json["code"]) == (503, "not_ready")
    assert "drain" in answer.json["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert client.get("/health/live").status_code == 200
