"""Series of returns out of lotus-core: what it is asked, what is made of its answers, and what when it fails."""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.exceptions import Conflict

import core_stand_in
from answers import checked
from core_stand_in import CoreStandIn, Portfolio, running
from lotus_performance.app import create_app
from lotus_performance.clients.core import FAILURES_TO_OPEN, MAX_PAGES
from lotus_performance.errors import StorageUnavailableError
from lotus_performance.jobs.worker import Worker
from lotus_performance.keep import keep, returns_jobs
from lotus_performance.settings import Settings
from lotus_performance.storage import tables
from lotus_performance.storage.executions import MAX_ATTEMPTS
from lotus_performance.telemetry import JsonFormatter

PATH = "/integration/returns/series"
TIMEOUT, RETRIES = 0.4, 1
TOTAL = TIMEOUT * (RETRIES + 1)
PATIENCE = 1.5
"""Seconds that a loaded machine may take beyond the time-outs."""

DATES = ["2026-02-23", "2026-02-24", "2026-02-25", "2026-02-26", "2026-02-27"]


def row(day: str, begin: Any, end: Any, *flows: tuple[Any, str]) -> dict[str, Any]:
    return {
        "valuation_date": day,
        "beginning_market_value": begin,
        "ending_market_value": end,
        "cash_flows": [{"amount": amount, "timing": timing} for amount, timing in flows],
    }


ROWS = [
    row("2026-02-23", 1000.0, 1010.0),
    row("2026-02-24", 1010.0, 1133.0, (100.0, "bod"), (12.0, "eod")),
    # Numbers as texts, as those write them who keep all digits; two flows of one timing.
    row("2026-02-25", "1133.0", "1120.5", ("-3.25", "eod"), ("-4.25", "eod")),
    row("2026-02-26", 1120.5, 1130),
    row("2026-02-27", 1130, 1119.5),
]


@pytest.fixture
def core() -> Iterator[CoreStandIn]:
    made = CoreStandIn(
        portfolios={"P 1/ü": Portfolio("2024-02-26", ROWS, "B/1")},
        benchmarks={"B/1": [(day, 0.001 * i) for i, day in enumerate(DATES)]},
        risk_free={"USD": [(day, "0.0001") for day in DATES]},
    )
    with running(made):
        yield made


def settings_of(core: CoreStandIn, **changes: Any) -> Settings:
    arguments = {"core_url": core.url, "core_timeout_seconds": TIMEOUT, "core_max_retries": RETRIES}
    return Settings(**arguments | changes)


@pytest.fixture
def client(core: CoreStandIn) -> FlaskClient:
    return checked(create_app(settings_of(core)))


def request_of(**changes: Any) -> dict[str, Any]:
    return {
        "portfolio_id": "P 1/ü",
        "as_of_date": "2026-02-27",
        "window": {"mode": "EXPLICIT", "from_date": "2026-02-23", "to_date": "2026-02-27"},
        "input_mode": "stateful",
        "stateful_input": {"consumer_system": "lotus-risk"},
        **changes,
    }


def ask(client: FlaskClient, **changes: Any) -> tuple[int, Any, float]:
    began = time.monotonic()
    answer = client.post(PATH, json=request_of(**changes))
    return answer.status_code, answer.get_json(), time.monotonic() - began


def returns_of(answer: Any, name: str = "portfolio_returns") -> dict[str, float]:
    return {point["date"]: float(point["return_value"]) for point in answer["series"][name]}


# ---------------------------------------------------------------- figures


def twr_of(client: FlaskClient, rows: list[dict[str, Any]], opened: str, frequency: str) -> list[float]:
    """Return the returns of the same rows, posted as a time-weighted return."""
    sums = [
        {t: sum(float(f["amount"]) for f in each["cash_flows"] if f["timing"] == t) for t in ("bod", "eod")}
        for each in rows
    ]
    body = {
        "portfolio_id": "P",
        "metric_basis": "NET",
        "performance_start_date": opened,
        "report_end_date": rows[-1]["valuation_date"],
        "analyses": [{"period": "ITD", "frequencies": [frequency]}],
        "rounding_precision": 12,
        "valuation_points": [
            {
                "perf_date": each["valuation_date"],
                "begin_mv": float(each["beginning_market_value"]),
                "end_mv": float(each["ending_market_value"]),
                "bod_cf": flows["bod"],
                "eod_cf": flows["eod"],
            }
            for each, flows in zip(rows, sums, strict=True)
        ],
    }
    answer = client.post("/performance/twr", json=body)
    assert answer.status_code == 200, answer.text
    buckets = answer.json["results_by_period"]["ITD"]["breakdowns"][frequency]
    return [bucket["summary"]["period_return_pct"] / 100 for bucket in buckets]


@pytest.mark.parametrize("frequency", ["DAILY", "WEEKLY", "MONTHLY"])
def test_returns_of_a_portfolio_are_those_of_its_rows_posted_directly(client: FlaskClient, frequency: str) -> None:
    status, answer, _ = ask(client, frequency=frequency)
    assert status == 200, answer
    posted = twr_of(client, ROWS, "2024-02-26", frequency.lower())
    assert list(returns_of(answer).values()) == pytest.approx(posted, abs=1e-12)


def test_returns_of_a_portfolio_are_those_of_a_hand() -> None:
    """10/1000; (1133 - 12 - 1010 - 100)/1110; (1120.5 + 7.5 - 1133)/1133; 9.5/1120.5; -10.5/1130."""
    with running(CoreStandIn(portfolios={"P 1/ü": Portfolio("2024-02-26", ROWS)})) as core:
        _, answer, _ = ask(checked(create_app(settings_of(core))))
    expected = [10 / 1000, 11 / 1110, -5 / 1133, 9.5 / 1120.5, -10.5 / 1130]
    assert list(returns_of(answer).values()) == pytest.approx(expected, abs=1e-12)


def test_a_leg_that_is_lost_is_linked_as_the_time_weighted_return_links_it() -> None:
    rows = [
        row("2026-02-23", -100.0, -250.0),
        row("2026-02-24", -250.0, -240.0),
        row("2026-02-25", -240.0, 500.0, (740.0, "eod")),
        row("2026-02-26", 500.0, 510.0),
        row("2026-02-27", 510.0, 515.1),
    ]
    with running(CoreStandIn(portfolios={"P 1/ü": Portfolio("2026-02-23", rows)})) as core:
        client = checked(create_app(settings_of(core)))
        status, answer, _ = ask(client, frequency="MONTHLY")
        posted = twr_of(client, rows, "2026-02-23", "monthly")
    assert status == 200, answer
    assert list(returns_of(answer).values()) == pytest.approx(posted, abs=1e-12)


def test_all_three_series_are_told_with_their_coverage(client: FlaskClient) -> None:
    selection = {"include_benchmark": True, "include_risk_free": True}
    status, answer, _ = ask(client, series_selection=selection, reporting_currency="USD")
    assert status == 200, answer
    assert list(returns_of(answer, "benchmark_returns").values()) == [0.0, 0.001, 0.002, 0.003, 0.004]
    assert set(returns_of(answer, "risk_free_returns").values()) == {0.0001}
    assert answer["diagnostics"]["coverage"]["returned_points"] == 5
    operations = [call["operation"] for call in answer["provenance"]["upstream"]]
    assert operations == [
        "/integration/benchmarks/B%2F1/return-series",
        "/integration/portfolios/P%201%2F%C3%BC/analytics/portfolio-timeseries",
        "/integration/portfolios/P%201%2F%C3%BC/benchmark-assignment",
        "/integration/reference/risk-free-series",
    ]


def test_the_portfolio_is_not_asked_for_when_it_is_not_selected(client: FlaskClient, core: CoreStandIn) -> None:
    selection = {"include_portfolio": False, "include_benchmark": True}
    status, answer, _ = ask(client, series_selection=selection)
    assert status == 200, answer
    assert list(answer["series"]) == ["benchmark_returns"]
    assert not any("timeseries" in call.path for call in core.calls)


# ---------------------------------------------------------------- what lotus-core is asked


def test_questions_hold_the_window_the_consumer_and_the_currency(client: FlaskClient, core: CoreStandIn) -> None:
    ask(client, reporting_currency="EUR")
    (call,) = core.calls
    assert call.body == {
        "as_of_date": "2026-02-27",
        "window": {"start_date": "2026-02-23", "end_date": "2026-02-27"},
        "frequency": "daily",
        "consumer_system": "lotus-risk",
        "reporting_currency": "EUR",
        "page": {"page_size": 500},
    }


def test_the_trace_goes_on_to_lotus_core(client: FlaskClient, core: CoreStandIn) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"X-Correlation-Id": "corr-1", "X-Request-Id": "req-1", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    answer = client.post(PATH, json=request_of(), headers=headers)
    (call,) = core.calls
    assert (call.headers["X-Correlation-Id"], call.headers["X-Request-Id"]) == ("corr-1", "req-1")
    assert call.headers["traceparent"] == answer.headers["traceparent"]
    assert trace in call.headers["traceparent"]


def test_the_log_has_what_lotus_core_did_under_the_id_of_the_request(client: FlaskClient, core: CoreStandIn) -> None:
    core.fault = core_stand_in.failing(500)
    lines: list[dict[str, Any]] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonFormatter().format(record)))

    handler = Lines()
    logger = logging.getLogger("lotus_performance.clients.core")
    logger.addHandler(handler)
    try:
        client.post(PATH, json=request_of(), headers={"X-Request-Id": "req-1", "X-Correlation-Id": "corr-1"})
    finally:
        logger.removeHandler(handler)
    assert [line["attempt"] for line in lines] == [1, 2]
    assert {(line["request_id"], line["correlation_id"]) for line in lines} == {("req-1", "corr-1")}


def test_pages_are_followed_to_the_end(client: FlaskClient, core: CoreStandIn) -> None:
    core.max_page = 2
    status, answer, _ = ask(client)
    assert status == 200
    assert list(returns_of(answer)) == DATES
    assert [call.body["page"].get("page_token") for call in core.calls] == [None, "2", "4"]
    assert len(answer["provenance"]["upstream"]) == 3


def test_the_same_answers_have_the_same_fingerprints_and_others_have_others(
    client: FlaskClient, core: CoreStandIn
) -> None:
    first, second = ask(client)[1], ask(client)[1]
    assert first == second
    core.portfolios["P 1/ü"].rows = [*ROWS[:-1], row("2026-02-27", 1130, 1119.6)]
    third = ask(client)[1]
    prints = [each["provenance"]["upstream"][0] for each in (first, third)]
    assert prints[0]["request_fingerprint"] == prints[1]["request_fingerprint"]
    assert prints[0]["response_fingerprint"] != prints[1]["response_fingerprint"]
    assert first["provenance"]["input_fingerprint"] == third["provenance"]["input_fingerprint"]


def test_windows_are_asked_for_a_year_at_a_time_at_the_same_time(core: CoreStandIn) -> None:
    core.fault = core_stand_in.slow(0.3)
    client = checked(create_app(settings_of(core, core_timeout_seconds=5.0)))
    window = {"mode": "EXPLICIT", "from_date": "2022-02-28", "to_date": "2026-02-27"}
    policy = {"missing_data_policy": "ALLOW_PARTIAL"}
    status, answer, seconds = ask(client, window=window, data_policy=policy)
    assert status == 200, answer
    assert len(core.calls) == 5
    assert seconds < 5 * 0.3


def test_since_inception_starts_when_the_portfolio_was_opened(client: FlaskClient) -> None:
    window, policy = {"mode": "RELATIVE", "period": "SI"}, {"missing_data_policy": "ALLOW_PARTIAL"}
    status, answer, _ = ask(client, window=window, data_policy=policy)
    assert status == 200, answer
    assert answer["resolved_window"] == {
        "start_date": "2024-02-26",
        "end_date": "2026-02-27",
        "resolved_period_label": "SI",
    }


# ---------------------------------------------------------------- refusals


def test_a_portfolio_that_lotus_core_does_not_know_is_not_found(client: FlaskClient) -> None:
    status, problem, _ = ask(client, portfolio_id="other")
    assert (status, problem["code"]) == (404, "resource_not_found")


def test_a_portfolio_without_a_benchmark_has_none_to_tell(client: FlaskClient, core: CoreStandIn) -> None:
    core.portfolios["P 1/ü"].benchmark_id = None
    status, problem, _ = ask(client, series_selection={"include_benchmark": True})
    assert (status, problem["code"]) == (404, "resource_not_found")
    assert "benchmark" in problem["detail"]


@pytest.mark.parametrize("identity", ["../../x", "..", "a\\..\\b", "x?y=1#z", "%2e%2e", "http://127.0.0.1:1/x", ";x"])
def test_no_id_leads_to_another_path(client: FlaskClient, core: CoreStandIn, identity: str) -> None:
    core.portfolios[identity] = Portfolio("2024-02-26", ROWS)
    status, _, _ = ask(client, portfolio_id=identity)
    assert status == (404 if identity == ".." else 200)
    shape = r"/integration/portfolios/[^/?#]+/analytics/portfolio-timeseries"
    assert all(re.fullmatch(shape, call.path) for call in core.calls)


def test_risk_free_returns_need_a_currency(client: FlaskClient, core: CoreStandIn) -> None:
    status, problem, _ = ask(client, series_selection={"include_risk_free": True})
    assert (status, problem["code"]) == (400, "invalid_request")
    assert problem["errors"][0]["pointer"] == "/reporting_currency"
    assert core.calls == []


def test_windows_beyond_the_limit_are_refused_before_anybody_is_asked(client: FlaskClient, core: CoreStandIn) -> None:
    window = {"mode": "EXPLICIT", "from_date": "0001-01-01", "to_date": "9999-12-31"}
    status, problem, _ = ask(client, window=window, as_of_date="9999-12-31")
    assert (status, problem["code"]) == (400, "invalid_request")
    assert core.calls == []


def test_an_inception_of_long_ago_is_refused(client: FlaskClient, core: CoreStandIn) -> None:
    core.portfolios["P 1/ü"].opened = "0001-01-01"
    status, problem, _ = ask(client, window={"mode": "RELATIVE", "period": "SI"})
    assert (status, problem["code"]) == (400, "invalid_request")
    assert len(core.calls) == 1


def test_gross_returns_are_those_of_net_and_that_is_said(client: FlaskClient) -> None:
    _, answer, _ = ask(client, metric_basis="GROSS")
    (warning,) = answer["diagnostics"]["warnings"]
    assert warning["code"] == "no_effect"
    assert "metric_basis" in warning["detail"]


def test_without_a_url_lotus_core_is_not_available() -> None:
    status, problem, _ = ask(checked(create_app(Settings())))
    assert (status, problem["code"]) == (503, "upstream_unavailable")


# ---------------------------------------------------------------- failures that pass


@pytest.mark.parametrize(
    "fault",
    [
        core_stand_in.dropping(1),
        core_stand_in.half(1),
        core_stand_in.failing(500, 1),
        core_stand_in.failing(503, 1, Retry_After="0"),
        core_stand_in.failing(429, 1, Retry_After="0"),
        core_stand_in.failing(429, 1),
    ],
    ids=["dropped", "half", "500", "503", "429", "429 without Retry-After"],
)
def test_what_fails_once_is_asked_again(client: FlaskClient, core: CoreStandIn, fault: Any) -> None:
    core.fault = fault
    status, answer, _ = ask(client)
    assert status == 200, answer
    assert len(core.calls) == 2
    assert len(answer["provenance"]["upstream"]) == 1


def test_retry_after_is_waited_for(core: CoreStandIn) -> None:
    core.fault = core_stand_in.failing(429, 1, Retry_After="1")
    client = checked(create_app(settings_of(core, core_timeout_seconds=3.0)))
    status, _, seconds = ask(client)
    assert status == 200
    assert seconds >= 1.0


# ---------------------------------------------------------------- failures that stay


@pytest.mark.parametrize(
    ("fault", "n_calls"),
    [
        (core_stand_in.dropping(), 2),
        (core_stand_in.half(), 2),
        (core_stand_in.failing(500), 2),
        (core_stand_in.failing(502), 2),
        (core_stand_in.failing(429), 2),
        (core_stand_in.failing(429, Retry_After="60"), 1),
        (core_stand_in.failing(401), 1),
        (core_stand_in.failing(422), 1),
        (core_stand_in.failing(302, Location="/other"), 1),
        (core_stand_in.slow(60), None),
        (core_stand_in.dripping(0.1), None),
        (core_stand_in.dripping_head(0.1), None),
        (core_stand_in.saying(b" " * (17 * 1024 * 1024)), 1),
    ],
    ids=[
        "dropping",
        "half",
        "500",
        "502",
        "429",
        "429 for a minute",
        "401",
        "422",
        "302",
        "slow",
        "dripping",
        "dripping head",
        "endless",
    ],
)
def test_what_fails_is_a_503_within_the_time_outs(
    client: FlaskClient, core: CoreStandIn, fault: Any, n_calls: int | None
) -> None:
    core.fault = fault
    status, problem, seconds = ask(client)
    assert (status, problem["code"]) == (503, "upstream_unavailable")
    assert seconds < TOTAL + PATIENCE
    assert "secret" not in json.dumps(problem)
    assert n_calls is None or len(core.calls) == n_calls


def test_a_503_says_when_to_ask_again(client: FlaskClient, core: CoreStandIn) -> None:
    core.fault = core_stand_in.failing(500)
    assert client.post(PATH, json=request_of()).headers["Retry-After"] == "5"


def test_nobody_at_the_address_is_a_503() -> None:
    with running(CoreStandIn()) as gone:
        pass
    status, problem, seconds = ask(checked(create_app(settings_of(gone))))
    assert (status, problem["code"]) == (503, "upstream_unavailable")
    assert seconds < TOTAL + PATIENCE


def changed(document: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {name: value for name, value in (document | members).items() if value is not ...}


def with_row(**members: Any) -> Callable[[Any], Any]:
    return lambda document: (
        document | {"observations": [changed(document["observations"][0], **members), *document["observations"][1:]]}
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda document: [],
        lambda document: None,
        lambda document: "text",
        lambda document: changed(document, observations=...),
        lambda document: changed(document, observations={}),
        lambda document: changed(document, observations=[1]),
        lambda document: changed(document, portfolio_open_date=...),
        lambda document: changed(document, portfolio_open_date="2024-02-30"),
        lambda document: changed(document, portfolio_open_date=20240226),
        lambda document: changed(document, next_page_token=7),
        lambda document: changed(document, next_page_token=""),
        lambda document: changed(document, observations=document["observations"] * 2),
        with_row(valuation_date="2026-02-22"),
        with_row(valuation_date="20260223"),
        with_row(valuation_date=...),
        with_row(beginning_market_value=...),
        with_row(beginning_market_value=None),
        with_row(beginning_market_value=True),
        with_row(beginning_market_value="NaN"),
        with_row(beginning_market_value="1_000"),
        with_row(ending_market_value="9e999"),
        with_row(ending_market_value=[]),
        with_row(cash_flows=None),
        with_row(cash_flows=[3]),
        with_row(cash_flows=[{"amount": 1, "timing": "noon"}]),
        with_row(cash_flows=[{"amount": 1, "timing": ["bod"]}]),
        with_row(cash_flows=[{"timing": "bod"}]),
    ],
)
def test_answers_that_are_not_understood_are_a_503_and_not_asked_for_again(
    client: FlaskClient, core: CoreStandIn, change: Callable[[Any], Any]
) -> None:
    core.change = lambda path, document: change(document)
    status, problem, _ = ask(client)
    assert (status, problem["code"]) == (503, "upstream_unavailable")
    assert "not understood" in problem["detail"]
    assert len(core.calls) == 1


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b'{"a": NaN}', b'{"observations": [], "observations": []}', b"[" * 5000],
    ids=["empty", "cut", "no UTF-8", "NaN", "twice", "deep"],
)
def test_texts_that_are_no_json_are_a_503(client: FlaskClient, core: CoreStandIn, text: bytes) -> None:
    core.fault = core_stand_in.saying(text)
    status, problem, _ = ask(client)
    assert (status, problem["code"]) == (503, "upstream_unavailable")


@pytest.mark.parametrize(
    ("place", "member", "value"),
    [
        ("return-series", "points", None),
        ("return-series", "points", [{"series_date": "2026-02-23"}]),
        ("return-series", "points", [{"series_date": "2026-02-23", "benchmark_return": 1e300}]),
        ("return-series", "points", [{"series_date": "2026-02-23", "benchmark_return": 0.1}] * 2),
        ("return-series", "next_page_token", "more"),
        ("benchmark-assignment", "benchmark_id", ""),
        ("benchmark-assignment", "benchmark_id", 7),
        ("risk-free-series", "points", [{"series_date": "2027-02-23", "value": 0.1}]),
    ],
)
def test_other_series_are_checked_too(
    client: FlaskClient, core: CoreStandIn, place: str, member: str, value: Any
) -> None:
    core.change = lambda path, document: document | {member: value} if path.endswith(place) else document
    selection = {"include_benchmark": True, "include_risk_free": True}
    status, problem, _ = ask(client, series_selection=selection, reporting_currency="USD")
    assert (status, problem["code"]) == (503, "upstream_unavailable")


def test_a_page_token_that_comes_again_is_refused(client: FlaskClient, core: CoreStandIn) -> None:
    core.change = lambda path, document: document | {"observations": [], "next_page_token": "0"}
    status, problem, _ = ask(client)
    assert (status, problem["code"]) == (503, "upstream_unavailable")
    assert len(core.calls) == 2


def test_pages_without_end_are_refused(core: CoreStandIn) -> None:
    core.change = lambda path, document: document | {"observations": [], "next_page_token": str(len(core.calls))}
    client = checked(create_app(settings_of(core, core_timeout_seconds=10.0)))
    status, problem, _ = ask(client)
    assert (status, problem["code"]) == (503, "upstream_unavailable")
    assert len(core.calls) == MAX_PAGES


def test_values_that_are_too_large_to_calculate_with_are_a_422(client: FlaskClient, core: CoreStandIn) -> None:
    core.portfolios["P 1/ü"].rows = [row(day, 1e-300, 1e300) for day in DATES]
    status, problem, _ = ask(client, frequency="MONTHLY")
    assert (status, problem["code"]) == (422, "not_computable.overflow")


def test_a_portfolio_without_rows_is_a_422(client: FlaskClient, core: CoreStandIn) -> None:
    core.portfolios["P 1/ü"].rows = []
    status, problem, _ = ask(client)
    assert (status, problem["code"]) == (422, "insufficient_data")
    assert problem["errors"][0]["pointer"] == "/series_selection/include_portfolio"


def test_after_failures_in_a_row_lotus_core_is_left_alone(client: FlaskClient, core: CoreStandIn) -> None:
    core.fault = core_stand_in.failing(500)
    for _ in range(FAILURES_TO_OPEN):
        ask(client)
    n_calls = len(core.calls)
    assert n_calls == FAILURES_TO_OPEN
    status, problem, seconds = ask(client)
    assert (status, problem["code"]) == (503, "upstream_unavailable")
    assert seconds < 0.2
    assert len(core.calls) == n_calls


def test_only_so_many_requests_wait_for_lotus_core(core: CoreStandIn) -> None:
    core.fault = core_stand_in.slow(60)
    app = create_app(settings_of(core, core_timeout_seconds=2.0, core_max_retries=0))
    seconds: list[float] = []
    lock = threading.Lock()

    def wait() -> None:
        took = ask(app.test_client())[2]
        with lock:
            seconds.append(took)

    threads = [threading.Thread(target=wait) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 32 wait until the time-out, 8 are told at once.
    assert sum(took < 1.0 for took in seconds) == 8
    assert max(seconds) < 2.0 + PATIENCE


# ---------------------------------------------------------------- long windows

LONG = {
    "window": {"mode": "EXPLICIT", "from_date": "2025-09-01", "to_date": "2026-02-27"},
    "data_policy": {"missing_data_policy": "ALLOW_PARTIAL"},
}
"""180 days."""


@pytest.fixture
def kept(core: CoreStandIn, tmp_path: Path) -> Iterator[Settings]:
    """Yield settings of an application that records; every connection to its database is closed after the test."""
    engines: set[sa.Engine] = set()

    def note(connection: sa.Connection) -> None:
        engines.add(connection.engine)

    settings = settings_of(core, lineage_mode="async", data_dir=tmp_path)
    sa.event.listen(sa.Engine, "engine_connect", note)
    try:
        lineage = keep(settings)
        assert lineage is not None
        lineage.executions.database.migrate()
        yield settings
    finally:
        sa.event.remove(sa.Engine, "engine_connect", note)
        for engine in engines:
            engine.dispose()


@pytest.fixture
def recording(kept: Settings) -> FlaskClient:
    return checked(create_app(kept))


def work(kept: Settings) -> Worker:
    lineage = keep(kept)
    assert lineage is not None
    return Worker(lineage, {"returns_series": returns_jobs(kept, lineage).recalculated})


def test_windows_of_180_days_are_answered_later(recording: FlaskClient, kept: Settings, core: CoreStandIn) -> None:
    answer = recording.post(PATH, json=request_of(**LONG))
    assert answer.status_code == 202
    execution_id = answer.json["execution_id"]
    assert answer.json["links"]["result"] == f"{PATH}/results/{execution_id}"
    assert answer.headers["Location"] == f"/performance/executions/{execution_id}"
    assert answer.headers["Retry-After"] == "1"
    assert core.calls == []
    assert recording.get(f"{PATH}/results/{execution_id}").status_code == 202

    worker = work(kept)
    assert worker.work_once()
    assert core_stand_in.awaited(lambda: recording.get(f"{PATH}/results/{execution_id}").status_code == 200, 10)
    result = recording.get(f"{PATH}/results/{execution_id}")
    assert list(returns_of(result.json)) == DATES
    assert result.json["metadata"]["calculation_id"] == execution_id
    assert result.headers["Cache-Control"] == "no-store"
    assert core.calls[0].headers["X-Correlation-Id"] == execution_id

    shown = recording.get(f"/performance/executions/{execution_id}").json
    assert (shown["status"], shown["execution_mode"]) == ("complete", "async")
    worker.work_once()
    artifacts = recording.get(f"/performance/lineage/{execution_id}").json["artifacts"]
    assert sorted(artifacts) == ["request.json", "response.json"]


@pytest.mark.parametrize(
    "window",
    [{"mode": "RELATIVE", "period": "SI"}, {"mode": "RELATIVE", "period": "ONE_YEAR"}],
    ids=["SI", "ONE_YEAR"],
)
def test_long_windows_are_those_that_are_resolved(recording: FlaskClient, window: Any) -> None:
    assert recording.post(PATH, json=request_of(window=window)).status_code == 202


def test_windows_of_179_days_are_answered_at_once_and_recorded(recording: FlaskClient, kept: Settings) -> None:
    window = LONG["window"] | {"from_date": "2025-09-02"}
    answer = recording.post(PATH, json=request_of(**LONG | {"window": window}))
    assert answer.status_code == 200
    execution_id = answer.json["metadata"]["calculation_id"]
    assert recording.get(f"{PATH}/results/{execution_id}").json == answer.json
    listed = recording.get("/performance/executions?analytics_type=returns_series").json["items"]
    assert [each["execution_id"] for each in listed] == [execution_id]
    assert listed[0]["input_fingerprint"] == answer.json["provenance"]["input_fingerprint"]
    # Before any worker has been there: the lineage that is asked for is written.
    assert recording.get(f"/performance/lineage/{execution_id}").json["status"] == "complete"


def test_a_result_that_was_refused_is_its_problem(recording: FlaskClient, kept: Settings) -> None:
    policy = {"missing_data_policy": "FAIL_FAST"}
    execution_id = recording.post(PATH, json=request_of(**LONG | {"data_policy": policy})).json["execution_id"]
    work(kept).work_once()
    assert core_stand_in.awaited(lambda: recording.get(f"{PATH}/results/{execution_id}").status_code == 422, 10)
    problem = recording.get(f"{PATH}/results/{execution_id}").json
    assert problem["code"] == "insufficient_data"
    assert problem["errors"][0]["date"] == "2025-09-01"


def test_the_worker_asks_again_later_while_lotus_core_is_down(
    recording: FlaskClient, kept: Settings, core: CoreStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lotus_performance.storage.executions.FIRST_RETRY_SECONDS", 0.01)
    core.fault = core_stand_in.failing(500, 3)
    execution_id = recording.post(PATH, json=request_of(**LONG)).json["execution_id"]
    worker = work(kept)

    def is_done() -> bool:
        worker.work_once()
        return recording.get(f"{PATH}/results/{execution_id}").status_code == 200

    assert core_stand_in.awaited(is_done, 10)


def test_the_worker_gives_up_in_the_end(
    recording: FlaskClient, kept: Settings, core: CoreStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lotus_performance.storage.executions.FIRST_RETRY_SECONDS", 0.01)
    core.fault = core_stand_in.failing(422)
    execution_id = recording.post(PATH, json=request_of(**LONG)).json["execution_id"]
    worker = work(kept)

    def is_done() -> bool:
        worker.work_once()
        return recording.get(f"{PATH}/results/{execution_id}").status_code == 503

    assert core_stand_in.awaited(is_done, 10)
    answer = recording.get(f"{PATH}/results/{execution_id}")
    assert answer.json["code"] == "upstream_unavailable"
    assert answer.headers["Retry-After"] == "5"


def test_a_series_from_lotus_core_is_not_replayed(recording: FlaskClient) -> None:
    execution_id = recording.post(PATH, json=request_of()).json["metadata"]["calculation_id"]
    answer = recording.post(f"/performance/lineage/{execution_id}/replay")
    assert (answer.status_code, answer.json["code"]) == (400, "not_supported")


@pytest.mark.parametrize("name", ["2f1c1c9e-7f0a-4c0e-9a51-0f1d6f0f4b3a", "x", "2F1C1C9E-7F0A-4C0E-9A51-0F1D6F0F4B3A"])
def test_unknown_results_are_not_found(recording: FlaskClient, name: str) -> None:
    answer = recording.get(f"{PATH}/results/{name}")
    assert (answer.status_code, answer.json["code"]) == (404, "resource_not_found")


def test_results_of_other_calculations_are_not_found(recording: FlaskClient, example: Any) -> None:
    execution_id = recording.post("/performance/twr", json=example("twr_five_days")).json["calculation_id"]
    assert recording.get(f"{PATH}/results/{execution_id}").status_code == 404


def test_where_nothing_is_recorded_long_windows_are_answered_at_once(core: CoreStandIn, kept: Settings) -> None:
    client = checked(create_app(replace(kept, lineage_mode="off")))
    answer = client.post(PATH, json=request_of(**LONG))
    assert answer.status_code == 200
    assert "calculation_id" not in answer.json["metadata"]
    assert client.get(f"{PATH}/results/2f1c1c9e-7f0a-4c0e-9a51-0f1d6f0f4b3a").status_code == 404


def test_more_executions_than_run_beside_are_waited_for(
    recording: FlaskClient, kept: Settings, core: CoreStandIn
) -> None:
    core.fault = core_stand_in.slow(0.2)
    ids = [recording.post(PATH, json=request_of(**LONG)).json["execution_id"] for _ in range(6)]
    worker = work(kept)
    for _ in range(5):
        assert worker.work_once()

    def are_done() -> bool:
        worker.work_once()
        return all(recording.get(f"{PATH}/results/{each}").status_code == 200 for each in ids)

    assert core_stand_in.awaited(are_done, 10)


# ---------------------------------------------------------------- our own faults


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("lotus_performance.jobs.returns_series.answer_of", fail)


@pytest.mark.usefixtures("broken")
def test_a_bug_is_a_calculation_that_failed(client: FlaskClient) -> None:
    status, problem, _ = ask(client)
    assert (status, problem["code"]) == (500, "calculation_failed")
    assert "bug" not in json.dumps(problem)


@pytest.mark.usefixtures("broken")
def test_a_bug_ends_an_execution_after_some_attempts(
    recording: FlaskClient, kept: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lotus_performance.storage.executions.FIRST_RETRY_SECONDS", 0.01)
    execution_id = recording.post(PATH, json=request_of(**LONG)).json["execution_id"]
    worker = work(kept)

    def is_done() -> bool:
        worker.work_once()
        return recording.get(f"{PATH}/results/{execution_id}").status_code == 500

    assert core_stand_in.awaited(is_done, 10)


def test_an_http_exception_raised_inside_passes_through_untouched(
    core: CoreStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise Conflict("as it is")

    monkeypatch.setattr("lotus_performance.jobs.returns_series.answer_of", fail)
    status, problem, _ = ask(create_app(settings_of(core)).test_client())
    assert (status, problem["detail"]) == (409, "as it is")


def test_a_stored_request_that_was_changed_is_answered_with_its_problem_and_the_worker_goes_on(
    recording: FlaskClient, kept: Settings
) -> None:
    execution_id = recording.post(PATH, json=request_of(**LONG)).json["execution_id"]
    good = recording.post(PATH, json=request_of(**LONG)).json["execution_id"]
    worker = work(kept)
    with worker.executions.database.writing() as connection:
        connection.execute(
            sa.update(tables.payloads)
            .where(tables.payloads.c.execution_id == execution_id)
            .values(request=b"no longer zstandard")
        )
    worker.work_once()
    worker.work_once()

    def code_of(each: str) -> int:
        return recording.get(f"{PATH}/results/{each}").status_code

    assert core_stand_in.awaited(lambda: (code_of(execution_id), code_of(good)) == (500, 200), 10)
    assert recording.get(f"{PATH}/results/{execution_id}").json["code"] == "integrity_error"


def test_what_killed_its_worker_again_and_again_is_set_aside(
    recording: FlaskClient, kept: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lotus_performance.storage.executions.LONG_LEASE_SECONDS", 0.0)
    execution_id = recording.post(PATH, json=request_of(**LONG)).json["execution_id"]
    worker = work(kept)
    for _ in range(MAX_ATTEMPTS):
        assert worker.executions.claim_next(slow=worker.others) is not None  # and nothing comes of it
    worker.work_once()
    assert core_stand_in.awaited(lambda: recording.get(f"{PATH}/results/{execution_id}").status_code == 500, 10)
    assert recording.get(f"{PATH}/results/{execution_id}").json["code"] == "calculation_failed"


def test_an_execution_whose_end_cannot_be_kept_is_taken_up_again(
    recording: FlaskClient, kept: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id = recording.post(PATH, json=request_of(**LONG)).json["execution_id"]
    worker = work(kept)
    unavailable = threading.Event()

    def fail(*arguments: Any) -> None:
        unavailable.set()
        raise StorageUnavailableError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("lotus_performance.storage.executions.LONG_LEASE_SECONDS", 0.0)
        patch.setattr(worker.executions, "complete", fail)
        worker.work_once()
        assert unavailable.wait(10)

    def is_done() -> bool:
        worker.work_once()
        return recording.get(f"{PATH}/results/{execution_id}").status_code == 200

    assert core_stand_in.awaited(is_done, 10)
