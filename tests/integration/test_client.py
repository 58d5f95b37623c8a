"""The client against the running service, and against servers that fail: each method, each error, each retry."""

import email.utils
import json
import pickle
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import requests
from flask import Flask

from core_stand_in import CoreStandIn, Portfolio, running
from lotus_performance.client import (
    ApiError,
    Client,
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotComputableError,
    NotFoundError,
    StillRunningError,
    TransportError,
    UnavailableError,
)
from lotus_performance.client import inputs as members
from lotus_performance.client.http import seconds_of
from lotus_performance.schemas.attribution import AttributionRequestSchema
from lotus_performance.schemas.contribution import ContributionRequestSchema
from lotus_performance.schemas.mwr import MwrRequestSchema
from lotus_performance.schemas.returns_series import ReturnsSeriesRequestSchema
from lotus_performance.schemas.twr import TwrRequestSchema
from real_server import Server, await_ready, start_server

ROOT = Path(__file__).resolve().parents[2]
UNKNOWN = "00000000-0000-4000-8000-000000000000"
HALF_UNIT = 0.5e-6
"""Figures are rounded to six decimals one by one."""


@pytest.fixture(scope="module")
def core() -> Iterator[CoreStandIn]:
    values = {"beginning_market_value": "100.0", "ending_market_value": "101.0", "cash_flows": []}
    rows = [{"valuation_date": f"2026-{month:02d}-02", **values} for month in range(1, 8)]
    with running(CoreStandIn(portfolios={"P1": Portfolio("2026-01-02", rows)})) as core:
        yield core


@pytest.fixture(scope="module")
def server(core: CoreStandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    server = start_server(
        folder / "server.log", DATA_DIR=str(folder), WEB_CONCURRENCY="1", CORE_QUERY_BASE_URL=core.url
    )
    try:
        await_ready(server)
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.log.read_text()
    finally:
        server.kill()


@pytest.fixture
def service(server: Server) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


# ---------------------------------------------------------------- a server that fails


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: ClassVar["StandIn"]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.stand_in.calls.append(body)
        self.stand_in.steps[min(len(self.stand_in.calls), len(self.stand_in.steps)) - 1](self, body)

    do_POST = do_GET  # noqa: N815 -- the name is http.server's

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Write nothing."""


Step = Callable[[Handler, bytes], None]


@dataclass
class StandIn:
    """Answers each call with the next step, and every further one with the last."""

    steps: list[Step]
    calls: list[bytes] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments: Any) -> None:
        """Write nothing: connections are dropped on purpose."""


@contextmanager
def standing_in(*steps: Step) -> Iterator[StandIn]:
    stand_in = StandIn(list(steps))
    server = QuietServer(("127.0.0.1", 0), type("OneHandler", (Handler,), {"stand_in": stand_in}))
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def answering(status: int, body: bytes = b'{"status": "ok"}', **headers: str) -> Step:
    return lambda handler, _: handler.send(status, body, **headers)


def dropping(handler: Handler, _: bytes) -> None:
    handler.close_connection = True


def silent(handler: Handler, _: bytes) -> None:
    handler.stand_in.ended.wait()
    handler.close_connection = True


def passing_on(server: Server, change: Callable[[bytes], bytes] | None = None) -> Step:
    """Answer what the real server answers; without `change` nothing is answered, though it has been asked."""

    def step(handler: Handler, body: bytes) -> None:
        typed = {"Content-Type": "application/json"}
        answer = requests.request(handler.command, server.url + handler.path, data=body, headers=typed, timeout=20)
        if change is None:
            handler.close_connection = True
        else:
            handler.send(answer.status_code, change(answer.content))

    return step


# ---------------------------------------------------------------- every method


def series_of(n_months: int) -> dict[str, Any]:
    return {
        "portfolio_id": "P1",
        "as_of_date": date(2026, 7, 31),
        "window": {"mode": "EXPLICIT", "from_date": "2026-01-01", "to_date": f"2026-{n_months:02d}-28"},
        "data_policy": {"missing_data_policy": "ALLOW_PARTIAL"},
        "input_mode": "stateful",
        "stateful_input": {},
    }


def test_every_route_of_data_has_a_method_that_is_answered(
    server: Server, service: Client, example: Any, app: Flask
) -> None:
    assert (service.health(), service.live(), service.ready()) == ("ok", "live", True)
    assert re.fullmatch(r"\d+\.\d+\.\d+", service.version())
    assert service.capabilities(consumer_system="UI").features.loc["pa.analytics.twr", "enabled"]

    twr = service.twr(**example("twr_five_days"))
    assert service.mwr(**example("mwr_one_year")).method == "XIRR"
    assert service.contribution(**example("contribution_three_days")).results_by_period
    assert service.attribution(**example("attribution_four_quarters")).results_by_period

    accepted = service.submit("twr", **example("twr_five_days"))
    assert service.wait(accepted.execution_id).document["results_by_period"] == twr.document["results_by_period"]
    assert service.execution(accepted.execution_id).execution_mode == "async"
    assert service.execution_result(accepted.execution_id) is not None
    newest = service.executions(analytics_type="twr", limit=1)
    assert [each.execution_id for each in newest.items] == [accepted.execution_id]
    assert newest.next_cursor is not None
    assert service.executions(cursor=newest.next_cursor).items[0].execution_id != accepted.execution_id

    assert service.replay(twr.calculation_id).identical
    assert "response.json" in service.lineage(twr.calculation_id).artifacts
    workings = pd.read_csv(BytesIO(service.artifact(twr.calculation_id, "twr_calculation_details.csv")))
    days = twr.results_by_period["ITD"].breakdowns["daily"].index
    assert workings["perf_date"].tolist() == days.strftime("%Y-%m-%d").tolist()

    later = service.returns_series(**series_of(7))
    assert later.series["portfolio_returns"].tolist() == [0.01] * 7
    again = service.returns_series_result(later.metadata["calculation_id"])
    assert again is not None
    assert again.document == later.document

    metrics = requests.get(f"{server.url}/metrics", timeout=5).text
    answered = re.findall(r'_requests_total\{.*route="(\S+?)",status="20[02]"', metrics)
    pages = ("/docs", "/openapi.json", "/metrics", "/static")
    assert {rule.rule for rule in app.url_map.iter_rules() if not rule.rule.startswith(pages)} <= set(answered)


@pytest.mark.parametrize(
    ("typed", "schema"),
    [
        (members.TwrRequest, TwrRequestSchema),
        (members.MwrRequest, MwrRequestSchema),
        (members.ContributionRequest, ContributionRequestSchema),
        (members.AttributionRequest, AttributionRequestSchema),
        (members.ReturnsSeriesRequest, ReturnsSeriesRequestSchema),
    ],
    ids=lambda kind: kind.__name__,
)
def test_keywords_are_the_members_of_the_request(typed: Any, schema: Any) -> None:
    fields = schema().fields
    assert set(fields) == typed.__required_keys__ | typed.__optional_keys__
    assert {name for name, each in fields.items() if each.required} == typed.__required_keys__


def test_client_alone_is_imported_and_no_server() -> None:
    code = (
        "import sys, lotus_performance.client;"
        "print(*{name.split('.')[1] for name in sys.modules if name.startswith('lotus_performance.')},"
        "*({'flask', 'marshmallow', 'orjson', 'sqlalchemy'} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout.split() == ["client"]


# ---------------------------------------------------------------- input


FIVE_DAYS = json.loads((ROOT / "examples" / "twr_five_days.json").read_text())
ROWS = FIVE_DAYS["valuation_points"]
FRAME = pd.DataFrame(ROWS).fillna(0.0)
DAYS = pd.to_datetime(FRAME["perf_date"])


@pytest.mark.parametrize(
    "points",
    [
        ROWS[::-1],
        FRAME.to_dict("records"),
        FRAME.to_dict("list"),
        {name: column.to_numpy() for name, column in FRAME.items()},
        {**FRAME, "perf_date": DAYS.to_numpy()},
        {**FRAME, "perf_date": [day.date() for day in DAYS]},
        {**FRAME, "bod_cf": [Decimal(str(cell)) for cell in FRAME["bod_cf"]]},
        FRAME,
        FRAME.assign(perf_date=DAYS),
        FRAME.assign(perf_date=DAYS.dt.tz_localize("America/New_York")),
        FRAME.assign(perf_date=DAYS).set_index("perf_date"),
        FRAME.convert_dtypes(),
        FRAME.set_axis(range(7, 12)),
    ],
    ids=[
        "rows",
        "records",
        "lists",
        "arrays",
        "datetime64",
        "dates",
        "decimals",
        "frame",
        "timestamps",
        "zone",
        "indexed",
        "nullable",
        "gaps",
    ],
)
def test_frames_columns_and_rows_are_the_same_request(service: Client, points: Any) -> None:
    expected = service.twr(**FIVE_DAYS).meta["input_fingerprint"]
    assert service.twr(**{**FIVE_DAYS, "valuation_points": points}).meta["input_fingerprint"] == expected


def test_one_long_frame_is_the_same_request_as_positions(service: Client, example: Any) -> None:
    request = example("contribution_by_sector")
    long = pd.concat(
        pd.DataFrame(each["valuation_points"]).assign(position_id=each["position_id"], sector=each["meta"]["sector"])
        for each in request["positions_data"]
    ).fillna({"bod_cf": 0.0})
    expected = service.contribution(**request).meta["input_fingerprint"]
    assert service.contribution(**{**request, "positions_data": long}).meta["input_fingerprint"] == expected


def test_one_long_frame_is_the_same_request_as_groups(service: Client, example: Any) -> None:
    request = example("attribution_four_quarters")
    sides = ("portfolio_groups_data", "benchmark_groups_data")
    frames = {
        side: pd.concat(
            pd.DataFrame(each["observations"]).assign(region=each["key"]["region"]) for each in request[side]
        )
        for side in sides
    }
    expected = service.attribution(**request).meta["input_fingerprint"]
    assert service.attribution(**{**request, **frames}).meta["input_fingerprint"] == expected


def test_rows_of_unlike_members_stay_rows_and_none_is_left_out() -> None:
    with standing_in(answering(500, b"{}")) as stand_in, Client(stand_in.url) as client, pytest.raises(ApiError):
        client.twr(**{**FIVE_DAYS, "currency": None})
    sent = json.loads(stand_in.calls[0])
    assert sent["valuation_points"] == ROWS
    assert "currency" not in sent


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("end_mv", np.nan, "not_finite"),
        ("end_mv", np.inf, "not_finite"),
        ("end_mv", None, "not_finite"),
        ("end_mv", Decimal("1.23456789012345678901"), "out_of_range"),
        ("end_mv", [1.0], "wrong_type"),
        ("perf_date", pd.NaT, "null"),
        ("perf_date", datetime(2012, 12, 31, 16, 0), "not_a_date"),  # noqa: DTZ001 -- a time of day is the point
    ],
)
def test_cell_that_cannot_be_sent_is_refused_by_its_row(column: str, cell: Any, code: str) -> None:
    frame = FRAME.assign(perf_date=DAYS)
    frame[column] = [*frame[column][:3], cell, *frame[column][4:]]
    with Client("http://127.0.0.1:9") as client, pytest.raises(InvalidInputError) as caught:
        client.twr(**{**FIVE_DAYS, "valuation_points": frame})
    (fault,) = caught.value.errors
    assert (fault.pointer, fault.code) == (f"/valuation_points/3/{column}", code)
    assert fault.perf_date == (None if column == "perf_date" else "2012-12-31")
    assert fault.pointer in str(caught.value)


def test_all_cells_that_cannot_be_sent_are_told_at_once_with_the_rows_of_a_long_frame(example: Any) -> None:
    long = pd.concat([FRAME.assign(position_id=name) for name in ("A", "B")], ignore_index=True)
    long.loc[[2, 7], "begin_mv"] = np.nan
    request = {**example("contribution_three_days"), "positions_data": long, "rounding_precision": np.nan}
    with Client("http://127.0.0.1:9") as client, pytest.raises(InvalidInputError) as caught:
        client.contribution(**request)
    assert {fault.pointer for fault in caught.value.errors} == {
        "/positions_data/2/begin_mv",
        "/positions_data/7/begin_mv",
        "/rounding_precision",
    }
    assert "nothing was" in str(caught.value)


# ---------------------------------------------------------------- output


def test_buckets_are_indexed_by_time(service: Client, example: Any) -> None:
    request = example("twr_daily_ten_years")
    frequencies = ["daily", "weekly", "monthly", "quarterly", "yearly"]
    request["analyses"] = [{"period": "YTD", "frequencies": frequencies}]
    period = service.twr(**request, reset_policy={"emit": True}).results_by_period["YTD"]
    assert list(period.breakdowns) == frequencies
    assert period.breakdowns["weekly"].index[0] == pd.Timestamp("2022-01-07")
    assert period.breakdowns["quarterly"].index[-1] == pd.Period("2022Q4", "Q")
    months = period.breakdowns["monthly"]["period_return_pct"]
    assert months.index[0] == pd.Period("2022-01", "M")
    assert ((1 + months / 100).prod() - 1) * 100 == pytest.approx(period.portfolio_return.base, abs=1e-4)
    assert period.reset_events.empty


def test_contributions_sum_to_the_return(service: Client, example: Any) -> None:
    request = example("contribution_by_sector")
    request["emit"]["by_position_timeseries"] = True
    levels = service.contribution(**request).results_by_period["QTD"]
    del request["hierarchy"], request["emit"]["threshold_weight"]
    flat = service.contribution(**request).results_by_period["QTD"]
    positions = flat.position_contributions["total_contribution"]
    assert positions.sum() == pytest.approx(flat.total_portfolio_return, abs=20 * HALF_UNIT)
    assert levels.levels["sector"]["contribution"].sum() == pytest.approx(levels.total_contribution, abs=7 * HALF_UNIT)
    assert levels.levels["position_id"].loc[("Energy", "XOM"), "contribution"] == positions["XOM"]
    assert set(flat.by_position_timeseries.columns) == set(positions.index)
    by_day = flat.by_position_timeseries.sum(axis="columns")
    assert by_day.tolist() == pytest.approx(flat.timeseries["total_contribution"].tolist(), abs=20 * HALF_UNIT)


def test_effects_sum_to_the_active_return(service: Client, example: Any) -> None:
    request = example("attribution_two_currencies")
    period = service.attribution(**request).results_by_period["QTD"]
    active = period.reconciliation.total_active_return
    deepest = period.levels["currency -> sector"]
    assert deepest.index.names == ["currency", "sector"]
    assert deepest["total_effect"].sum() == pytest.approx(active, abs=8 * HALF_UNIT)
    assert period.currency_attribution["total_effect"].sum() == pytest.approx(active, abs=3 * HALF_UNIT)
    assert period.linking_comparison.loc["menchero", "total_effect"] == active


def test_top_down_has_the_groups_of_all_parents_in_one_frame(service: Client, example: Any) -> None:
    request = example("attribution_two_currencies") | {"hierarchy_method": "top_down"}
    period = service.attribution(**request).results_by_period["QTD"]
    assert set(period.levels["currency -> sector"].index.get_level_values("currency")) == {"EUR", "USD"}
    assert len(period.totals.loc["currency -> sector"]) == 2


# ---------------------------------------------------------------- errors


def test_refusal_names_its_rows(service: Client) -> None:
    points = {**FRAME, "end_mv": [*FRAME["end_mv"][:4], "x"]}
    with pytest.raises(InvalidInputError) as caught:
        service.twr(**{**FIVE_DAYS, "valuation_points": points})
    error = caught.value
    assert (error.status, error.code) == (422, "validation_failed")
    assert [(each.pointer, each.code, each.perf_date) for each in error.errors] == [
        ("/valuation_points/4/end_mv", "wrong_type", "2013-01-02")
    ]
    assert "/valuation_points/4/end_mv (2013-01-02): must be a number" in str(error)
    assert error.request_id is not None
    assert error.request_id in str(error)


def test_errors_go_through_a_process_pool(service: Client) -> None:
    with pytest.raises(InvalidInputError) as caught:
        service.twr(**{**FIVE_DAYS, "metric_basis": "net", "valuation_points": ROWS + ROWS})
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 -- of our own
    assert (type(copy), str(copy)) == (InvalidInputError, str(caught.value))


@pytest.mark.parametrize(
    ("ask", "kind", "code"),
    [
        (
            lambda client: client.twr(**{**FIVE_DAYS, "valuation_points": [{**ROWS[0], "begin_mv": 0, "end_mv": 10}]}),
            NotComputableError,
            "not_computable.no_capital",
        ),
        (
            lambda client: client.twr(**{**FIVE_DAYS, "report_end_date": "2001-01-01"}),
            InvalidInputError,
            "no_resolved_period",
        ),
        (lambda client: client.lineage(UNKNOWN), NotFoundError, "lineage_not_found"),
        (lambda client: client.wait(UNKNOWN), NotFoundError, "lineage_not_found"),
        (lambda client: client.execution("../../health"), NotFoundError, "not_found"),
        (lambda client: client.lineage(".."), InvalidInputError, "invalid"),
        (lambda client: client.executions(status="done"), InvalidInputError, "validation_failed"),
    ],
    ids=["no-capital", "no-period", "lineage", "wait", "path", "dots", "query"],
)
def test_each_error_has_its_kind_and_code(
    service: Client, ask: Callable[[Client], Any], kind: type[ApiError], code: str
) -> None:
    with pytest.raises(kind) as caught:
        ask(service)
    assert caught.value.code == code


def test_id_of_other_data_is_a_conflict_and_of_the_same_data_the_stored_answer(service: Client) -> None:
    identified = {**FIVE_DAYS, "calculation_id": str(uuid.uuid4())}
    assert service.twr(**identified).document == service.twr(**identified).document
    with pytest.raises(ConflictError):
        service.twr(**{**identified, "metric_basis": "GROSS"})


def test_what_a_worker_cannot_answer_is_raised_by_waiting_for_it(service: Client) -> None:
    accepted = service.submit("twr", **{**FIVE_DAYS, "report_end_date": "2001-01-01"})
    with pytest.raises(InvalidInputError) as caught:
        service.wait(accepted.execution_id)
    assert caught.value.code == "no_resolved_period"


def test_execution_that_does_not_end_is_not_waited_for_for_ever() -> None:
    names = "execution_id analytics_type portfolio_id execution_mode requested_window engine_version input_fingerprint"
    known = dict.fromkeys([*names.split(), "calculation_hash", "stages", "created_at_utc"], "")
    running = json.dumps({**known, "status": "running"}).encode()
    with (
        standing_in(answering(200, running)) as stand_in,
        Client(stand_in.url) as client,
        pytest.raises(StillRunningError, match=UNKNOWN),
    ):
        client.wait(UNKNOWN, timeout=0)


def test_nothing_can_be_left_to_a_worker_where_nothing_is_kept() -> None:
    with (
        standing_in(answering(200)) as stand_in,
        Client(stand_in.url) as client,
        pytest.raises(UnavailableError, match="not_kept"),
    ):
        client.submit("twr", **FIVE_DAYS)


@pytest.mark.parametrize("url", ["no-url", "http://"])
def test_url_that_is_none_is_not_tried_again(url: str) -> None:
    with Client(url, max_wait=0) as client, pytest.raises(TransportError):
        client.health()


def test_result_that_is_not_there_yet_is_none() -> None:
    with standing_in(answering(202)) as stand_in, Client(stand_in.url) as client:
        assert client.execution_result(UNKNOWN) is None
        assert client.returns_series_result(UNKNOWN) is None


def test_artifact_that_is_not_what_was_written_is_refused(server: Server, service: Client) -> None:
    calculation_id = service.twr(**FIVE_DAYS).calculation_id
    honest, tampering = passing_on(server, lambda body: body), passing_on(server, lambda body: body.replace(b"9", b"8"))
    with (
        standing_in(honest, tampering) as stand_in,
        Client(stand_in.url) as client,
        pytest.raises(IntegrityError, match="twr_calculation_details"),
    ):
        client.artifact(calculation_id, "twr_calculation_details.csv")
    with pytest.raises(NotFoundError):
        service.artifact(calculation_id, "other.csv")


# ---------------------------------------------------------------- retries and time-outs


@pytest.mark.parametrize(
    "failure",
    [answering(429, Retry_After="0"), answering(502), answering(503, Retry_After="0"), answering(504), dropping],
    ids=["429", "502", "503", "504", "dropped"],
)
def test_what_passes_is_asked_again(failure: Step) -> None:
    with standing_in(failure, failure, answering(200)) as stand_in, Client(stand_in.url) as client:
        assert client.health() == "ok"
        assert len(stand_in.calls) == 3


@pytest.mark.parametrize("status", [302, 400, 404, 409, 422, 500])
def test_what_stays_is_not_asked_again(status: int) -> None:
    with standing_in(answering(status, b"<html>", Location="/")) as stand_in, Client(stand_in.url) as client:
        with pytest.raises(ApiError) as caught:
            client.health()
        assert len(stand_in.calls) == 1
    assert (caught.value.status, caught.value.code) == (status, f"http_{status}")


@pytest.mark.parametrize(
    "body",
    [
        b'{"errors":[{"message":"bad gateway"}]}',
        b'{"errors":["no key"]}',
        b'{"errors":null}',
        b'{"errors":{"a":1}}',
        b'{"code":"storage_unavailable","errors_total":"many"}',
        b"[]",
    ],
)
def test_problems_of_what_stands_in_between_are_asked_again(body: bytes) -> None:
    with standing_in(answering(502, body), answering(200)) as stand_in, Client(stand_in.url) as client:
        assert client.health() == "ok"
    with (
        standing_in(answering(502, body)) as stand_in,
        Client(stand_in.url, retries=0) as client,
        pytest.raises(UnavailableError),
    ):
        client.health()


def test_retry_after_is_honoured() -> None:
    with standing_in(answering(503, Retry_After="1"), answering(200)) as stand_in, Client(stand_in.url) as client:
        began = time.monotonic()
        assert client.health() == "ok"
        assert time.monotonic() - began >= 1


def test_retry_after_is_capped() -> None:
    failure = answering(503, Retry_After="86400")
    with standing_in(failure, answering(200)) as stand_in, Client(stand_in.url, max_wait=0.01) as client:
        assert client.health() == "ok"


def test_retry_after_is_seconds_or_a_date() -> None:
    assert seconds_of("7") == 7
    assert seconds_of(email.utils.formatdate(time.time() + 100, usegmt=True)) == pytest.approx(99, abs=3)
    assert seconds_of(email.utils.formatdate(0, usegmt=True)) == 0
    assert seconds_of("soon") is None
    assert seconds_of(None) is None


def test_retries_are_bounded() -> None:
    failure = answering(503, b'{"code": "not_ready", "detail": "draining"}', Retry_After="0")
    with standing_in(failure) as stand_in, Client(stand_in.url, retries=2) as client:
        with pytest.raises(UnavailableError) as caught:
            client.twr(**FIVE_DAYS)
        assert len(stand_in.calls) == 3
        assert client.ready() is False
        assert len(stand_in.calls) == 4
    assert caught.value.code == "not_ready"


def test_slow_answer_is_a_time_out() -> None:
    with standing_in(silent) as stand_in, Client(stand_in.url, timeout=(5, 0.2), retries=1, max_wait=0) as client:
        with pytest.raises(TransportError) as caught:
            client.health()
        assert (caught.value.status, caught.value.code) == (None, "timeout")
        assert len(stand_in.calls) == 2


def test_no_server_is_a_transport_error() -> None:
    with standing_in(answering(200)) as stand_in:
        url = stand_in.url
    with Client(url, retries=1, max_wait=0) as client, pytest.raises(TransportError, match="does not answer") as caught:
        client.twr(**FIVE_DAYS)
    assert caught.value.code == "no_connection"


def test_answer_of_something_else_is_a_transport_error() -> None:
    with (
        standing_in(answering(200, b"<html>")) as stand_in,
        Client(stand_in.url) as client,
        pytest.raises(TransportError, match="is the URL right"),
    ):
        client.health()


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.health(),
        lambda client: client.version(),
        lambda client: client.executions(),
        lambda client: client.capabilities(),
        lambda client: client.twr(**FIVE_DAYS),
    ],
)
def test_answer_of_another_service_is_a_transport_error(ask: Callable[[Client], object]) -> None:
    with (
        standing_in(answering(200, b'{"other": 1}')) as stand_in,
        Client(stand_in.url) as client,
        pytest.raises(TransportError, match="is the URL right"),
    ):
        ask(client)


@pytest.mark.parametrize(
    "twice",
    [
        lambda frame: pd.concat([frame, frame[["end_mv"]] + 1], axis="columns"),
        lambda frame: frame.set_index("end_mv", drop=False),
    ],
)
def test_a_column_that_is_there_twice_is_refused(twice: Callable[[Any], Any]) -> None:
    frame = twice(pd.DataFrame(FIVE_DAYS["valuation_points"]))
    for name in ("valuation_points", "positions_data"):
        with Client("http://127.0.0.1:1") as client, pytest.raises(InvalidInputError) as caught:
            client.twr(**FIVE_DAYS | {name: frame})
        assert [(fault.pointer, fault.code) for fault in caught.value.errors] == [
            (f"/{name}/end_mv", "duplicate_member")
        ]


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": (5, 0)}, {"retries": -1}, {"max_wait": -1}])
def test_time_outs_and_bounds_are_never_none(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Client("http://127.0.0.1", **options)


def test_session_of_the_caller_is_used_and_not_closed() -> None:
    with standing_in(answering(200)) as stand_in, requests.Session() as session:
        for _ in range(2):
            with Client(f"{stand_in.url}/", session=session) as client:
                assert client.health() == "ok"
        assert len(session.adapters["http://"].poolmanager.pools) == 1


def test_retried_calculation_is_calculated_once(server: Server, service: Client) -> None:
    portfolio_id = f"ONCE-{uuid.uuid4()}"
    asked, answered = passing_on(server), passing_on(server, lambda body: body)
    with standing_in(asked, answered) as stand_in, Client(stand_in.url) as client:
        answer = client.twr(**{**FIVE_DAYS, "portfolio_id": portfolio_id})
    assert len(stand_in.calls) == 2
    kept = service.executions(portfolio_id=portfolio_id).items
    assert [each.execution_id for each in kept] == [answer.calculation_id]


# ---------------------------------------------------------------- documentation

PROGRAM = re.compile(r"^```python\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^```sh\npython (examples/.*?)\n```\n+```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPTS = COMMAND.findall((ROOT / "examples" / "README.md").read_text())


def test_programs_of_the_page_print_what_it_shows(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    programs = PROGRAM.findall((ROOT / "runbook" / "client.md").read_text())
    assert programs
    for code, shown in programs:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(code.replace("http://127.0.0.1:8000", server.url), names)  # noqa: S102 -- our own page
        assert printed.getvalue() == shown


@pytest.mark.parametrize(("command", "shown"), SCRIPTS, ids=[command for command, _ in SCRIPTS])
def test_script_prints_what_the_page_shows(server: Server, command: str, shown: str) -> None:
    arguments = ["-W", "error", *command.split(), "--url", server.url]
    ran = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)  # noqa: S603
    assert (ran.stderr, ran.returncode, ran.stdout) == ("", 0, shown)


def test_every_script_of_the_folder_is_shown() -> None:
    shown = {command.split()[0].partition("/")[2] for command, _ in SCRIPTS}
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == shown | {"build_portfolio.py"}


@pytest.mark.parametrize(
    ("claimed", "sentence", "status"),
    [
        ("10.34", "is right: 10.339793 %, rate 1 of 2: 10.339793 %, 19.258579 %.", 0),
        ("10.3", "is right: 10.339793 %, rate 1 of 2: 10.339793 %, 19.258579 %.", 0),
        ("10.343", "is wrong: the rate is 10.339793 %, 19.258579 %.", 1),
        ("0.00", "is wrong: the rate is 10.339793 %, 19.258579 %.", 1),
    ],
)
def test_checking_a_spreadsheet_tells_which_rate_it_has_found(
    server: Server, tmp_path: Path, claimed: str, sentence: str, status: int
) -> None:
    table = tmp_path / "two.csv"
    table.write_text("date,amount\n2020-01-01,-100\n2021-01-01,230\n2022-01-01,-132\n")
    script = [str(ROOT / "examples" / "check_xirr.py"), str(table), claimed, "--url", server.url]
    ran = subprocess.run([sys.executable, *script], capture_output=True, text=True)  # noqa: S603
    assert ran.stdout.endswith(f"{claimed} % {sentence}\n")
    assert ran.returncode == status
