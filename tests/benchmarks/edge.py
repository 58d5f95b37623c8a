"""The edge: everything between receiving a body and handing over the answer, against JSON alone."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import echo_app
import orjson
from bodies import columnar, of_length, sixty_flows, ten_years
from measuring import Row, cpu_seconds
from werkzeug.test import EnvironBuilder

from lotus_performance.app import create_app
from lotus_performance.jobs.run import Jobs
from lotus_performance.schemas.twr import TwrRequestSchema
from lotus_performance.services.twr import calculate_twr
from lotus_performance.settings import Settings
from lotus_performance.strict_json import load_json
from lotus_performance.telemetry import JsonFormatter

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LENGTHS = (2_520, 5_040, 10_080, 20_160, 40_000)
REQUESTS_A_ROUND = 20
EXTRAS = ("annualization", "fee_effect", "output")

_schema = TwrRequestSchema()
_jobs = Jobs()


def answer(body: bytes) -> bytes:
    """Return the answer to a time-weighted request: parse, validate, compute, shape and dump."""
    return _jobs.run("twr", _schema.load(load_json(body)), calculate_twr)


def edge_rows() -> Iterator[Row]:
    """Yield the ratio to JSON alone of each form and breakdown, and the columnar form's to the rows form."""
    calls: dict[str, Callable[[], object]] = {}
    plain = {name: value for name, value in ten_years("daily", "monthly").items() if name not in EXTRAS}
    requests = {
        "daily and monthly": ten_years("daily", "monthly"),
        "monthly": ten_years("monthly"),
        "daily and monthly, no extras": plain,
    }
    for name, request in requests.items():
        for form, body in (("rows", orjson.dumps(request)), ("columns", orjson.dumps(columnar(request)))):
            calls[f"{name}, {form}"] = partial(answer, body)
            calls[f"{name}, JSON of {form}"] = partial(json_alone, body, orjson.loads(answer(body)))
    least = cpu_seconds(calls, rounds=100)
    for name in requests:
        rows_form, columns_form = least[f"{name}, rows"], least[f"{name}, columns"]
        at_most, aim = (4.0, 3.0) if name == "daily and monthly" else (None, None)
        yield _ratio(f"edge / JSON alone: {name}, rows", rows_form, least[f"{name}, JSON of rows"], at_most, aim)
        yield _ratio(f"edge / JSON alone: {name}, columns", columns_form, least[f"{name}, JSON of columns"])
        yield _ratio(f"columns / rows: {name}", columns_form, rows_form, 0.6 if at_most else None)


def json_alone(body: bytes, document: Any) -> bytes:
    """Parse the body and dump the answer's document: the floor."""
    orjson.loads(body)
    return orjson.dumps(document)


def growth_rows() -> Iterator[Row]:
    """Yield the time a row of the longest series over that of the shortest, rows form."""
    request = ten_years("daily", "monthly")
    bodies = {n: orjson.dumps(of_length(request, n)) for n in LENGTHS}
    least = cpu_seconds({str(n): partial(answer, body) for n, body in bodies.items()}, rounds=15)
    a_row = {n: least[str(n)] / n for n in LENGTHS}
    detail = ", ".join(f"{n:,}: {1e6 * seconds:.2f}" for n, seconds in a_row.items())
    growth = a_row[LENGTHS[-1]] / a_row[LENGTHS[0]]
    yield Row(
        f"growth: a row of {LENGTHS[-1]:,} / of {LENGTHS[0]:,}", growth, at_most=2.0, detail=f"µs a row: {detail}"
    )


def mwr_rows() -> Iterator[Row]:
    """Yield the CPU time of a money-weighted request of 60 flows through the application, and against an echo's."""
    body = orjson.dumps(sixty_flows())
    ours = create_app(Settings())
    with open(os.devnull, "w") as nowhere:
        logs = logging.StreamHandler(nowhere)
        logs.setFormatter(JsonFormatter())
        logging.basicConfig(level=Settings().log_level, handlers=[logs], force=True)
        least = cpu_seconds(
            {
                "ours": partial(post_often, ours, "/performance/mwr", body),
                "echo": partial(post_often, echo_app.app, "/echo", body),
            },
            rounds=100,
        )
        logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    milliseconds, echoed = (1000 * least[name] / REQUESTS_A_ROUND for name in ("ours", "echo"))
    yield Row("MWR of 60 flows: ms of CPU a request", milliseconds, at_most=1.5)
    yield Row("MWR of 60 flows / echo", milliseconds / echoed, detail=f"{milliseconds:.2f} / {echoed:.2f} ms")


def post_often(app: "WSGIApplication", path: str, body: bytes) -> None:
    """Send one request some times to a WSGI application, without a socket."""
    builder = EnvironBuilder(path, method="POST", data=body, content_type="application/json")
    environ = builder.get_environ()
    for _ in range(REQUESTS_A_ROUND):
        statuses: list[str] = []

        def start(status: str, headers: Any, exc_info: Any = None, statuses: list[str] = statuses) -> Any:
            statuses.append(status)

        chunks: Iterable[bytes] = app({**environ, "wsgi.input": BytesIO(body)}, start)
        b"".join(chunks)
        if statuses != ["200 OK"]:
            raise SystemExit(f"{path} answered {statuses}")


def _ratio(what: str, ours: float, theirs: float, at_most: float | None = None, aim: float | None = None) -> Row:
    return Row(what, ours / theirs, at_most=at_most, aim=aim, detail=f"{1000 * ours:.2f} / {1000 * theirs:.2f} ms")
