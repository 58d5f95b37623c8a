"""The edge: everything between receiving a body and handing over the answer, against JSON alone."""

import logging
import os
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import echo_app
import orjson
from bodies import columnar, of_length, sixty_flows, ten_years, with_every_member
from measuring import NONE, Bound, Row, cpu_seconds

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
BOUND_ON = "daily and monthly"
EXTRAS = ("annualization", "fee_effect", "output")

_schema = TwrRequestSchema()
_jobs = Jobs()


def answer(body: bytes) -> bytes:
    """Return the answer to a time-weighted request: parse, validate, compute, shape and dump."""
    return _jobs.run("twr", _schema.load(load_json(body)), calculate_twr)


def edge_rows() -> Iterator[Row]:
    """Yield the ratio to JSON alone of the rows form, and that of the columnar form to the rows form."""
    main = ten_years("daily", "monthly")
    requests = {
        "daily and monthly": main,
        "monthly": ten_years("monthly"),
        "no extras": {name: value for name, value in main.items() if name not in EXTRAS},
        "every member in every row": with_every_member(main),
    }
    calls: dict[str, Callable[[], object]] = {}
    for name, request in requests.items():
        rows, columns = orjson.dumps(request), orjson.dumps(columnar(request))
        calls[f"{name}: JSON alone"] = partial(json_alone, rows, orjson.loads(answer(rows)))
        for form, body in (("rows", rows), ("columns", columns)):
            calls[f"{name}: {form}"] = partial(answer, body)
            calls[f"{name}: {form} in"] = partial(read, body)
    least = cpu_seconds(calls, rounds=100)
    for name in requests:
        rows_form, columns_form = least[f"{name}: rows"], least[f"{name}: columns"]
        edge, columns_bound = (Bound(at_most=4.0, aim=3.0), Bound(at_most=0.6)) if name == BOUND_ON else (NONE, NONE)
        yield _ratio(f"edge / JSON alone: {name}", rows_form, least[f"{name}: JSON alone"], edge)
        yield _ratio(f"columns / rows: {name}", columns_form, rows_form, columns_bound)
        if name == BOUND_ON:
            yield _ratio("columns / rows: reading alone", least[f"{name}: columns in"], least[f"{name}: rows in"])


def read(body: bytes) -> object:
    """Parse and validate a body."""
    return _schema.load(load_json(body))


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
    longest, shortest = LENGTHS[-1], LENGTHS[0]
    what = f"growth: a row of {longest:,} / of {shortest:,}"
    yield Row(what, a_row[longest] / a_row[shortest], Bound(at_most=2.0), f"µs a row: {detail}")


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
                "ours": partial(post, ours, "/performance/mwr", body),
                "echo": partial(post, echo_app.app, "/echo", body),
            },
            rounds=3000,
            budget=10.0,
        )
        logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    milliseconds, echoed = (1000 * least[name] for name in ("ours", "echo"))
    yield Row("MWR of 60 flows: ms of CPU a request", milliseconds, Bound(at_most=1.5))
    yield Row("MWR of 60 flows / echo", milliseconds / echoed, detail=f"{milliseconds:.2f} / {echoed:.2f} ms")


def post(app: "WSGIApplication", path: str, body: bytes) -> None:
    """Send a request to a WSGI application, without a socket."""
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "SERVER_NAME": "loopback",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
    }
    statuses: list[str] = []

    def start(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)

    b"".join(app(environ, start))
    if statuses != ["200 OK"]:
        raise SystemExit(f"{path} answered {statuses}")


def _ratio(what: str, ours: float, theirs: float, bound: Bound = NONE) -> Row:
    return Row(what, ours / theirs, bound, f"{1000 * ours:.2f} / {1000 * theirs:.2f} ms")
