"""Every answer can be traced: ids, trace context, one log line, metrics with bounded labels."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from lotus_performance.telemetry import JsonFormatter

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("path", ["/health", "/nope", "/performance/twr"])
def test_every_answer_carries_ids_and_nosniff(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", headers["X-Request-Id"])
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", headers["X-Correlation-Id"])
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", headers["traceparent"])
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("given", ["abc.DEF-1_2", "c" * 128])
def test_a_well_formed_correlation_id_is_kept(client: FlaskClient, given: str) -> None:
    assert client.get("/health", headers={"X-Correlation-Id": given}).headers["X-Correlation-Id"] == given


@pytest.mark.parametrize("given", ["", "a b", "<script>", "b" * 129, "a\u00e9"])
def test_a_malformed_correlation_id_is_replaced(client: FlaskClient, given: str) -> None:
    assert client.get("/health", headers={"X-Correlation-Id": given}).headers["X-Correlation-Id"] != given


def test_the_callers_trace_is_continued_with_a_new_span(client: FlaskClient) -> None:
    answer = client.get("/health", headers={"traceparent": TRACEPARENT}).headers["traceparent"]
    assert answer.split("-")[1] == TRACEPARENT.split("-")[1]
    assert answer.split("-")[2] != TRACEPARENT.split("-")[2]


@pytest.mark.parametrize("given", ["00-zzzz-1-xx", f"00-{'0' * 32}-{'0' * 16}-01", TRACEPARENT + "-x"])
def test_a_malformed_trace_context_starts_a_new_trace(client: FlaskClient, given: str) -> None:
    answer = client.get("/health", headers={"traceparent": given}).headers["traceparent"]
    assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", answer)


@pytest.fixture
def log() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Return a function that reads the log lines written so far."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


def test_the_log_line_of_a_request_has_the_id_of_its_problem(client: FlaskClient, log: Any) -> None:
    problem = client.get("/nope").json
    (line,) = [line for line in log() if line["message"] == "request"]
    assert line["request_id"] == problem["request_id"]
    assert (line["route"], line["status"]) == ("unmatched", 404)


def test_the_traceback_of_a_failed_calculation_is_found_by_the_id_of_its_problem(
    client: FlaskClient, log: Any, monkeypatch: pytest.MonkeyPatch, example: Any
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError("what broke")

    monkeypatch.setattr("lotus_performance.api.twr.calculate_twr", broken)
    problem = client.post("/performance/twr", json=example("twr_five_days")).json
    (line,) = [line for line in log() if line["level"] == "ERROR"]
    assert line["request_id"] == problem["request_id"]
    assert "what broke" in line["traceback"]


def test_a_log_line_is_one_line_of_json_whatever_it_holds() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "a\nERROR forged \x1b[31m", (), None)
    record.path = "/\r\nforged"
    text = JsonFormatter().format(record)
    assert not re.search(r"[\x00-\x1f]", text)
    assert json.loads(text)["message"] == "a\nERROR forged \x1b[31m"


def test_a_traceback_is_in_the_log() -> None:
    try:
        raise ValueError("what broke")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "m", (), (type(error), error, error.__traceback__))
    assert "what broke" in json.loads(JsonFormatter().format(record))["traceback"]


def test_random_paths_and_methods_add_no_labels(client: FlaskClient) -> None:
    for i in range(50):
        client.get(f"/random/{i}")
        client.open("/health", method=f"M{i}")
    labels = set(re.findall(r"lotus_http_requests_total\{(.*?)\}", client.get("/metrics").text))
    assert any('route="unmatched"' in label for label in labels)
    assert not any("random" in label or "M4" in label for label in labels)
