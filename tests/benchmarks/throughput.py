"""Requests a second of the service over those of an echo application, under the same server settings."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import orjson
from bodies import ten_years
from load import measure, post_request
from measuring import Bound, Row
from servers import ECHO, LOTUS, Server, running

ROUNDS, SECONDS, CLIENTS = 12, 1.5, 8
A_MINUTE = 60.0


def throughput_rows() -> Iterator[Row]:
    """Yield the ratio for monthly breakdowns of ten years, the two servers loaded in turns.

    Of each server the best round counts: the one that other processes disturbed least.
    """
    body = orjson.dumps(ten_years("monthly"))
    with running(LOTUS) as lotus, running(ECHO) as echo:
        rounds = [(*_loaded(lotus, "/performance/twr", body), *_loaded(echo, "/echo", body)) for _ in range(ROUNDS)]
    our_rates, our_costs, their_rates, their_costs = zip(*rounds, strict=True)
    detail = f"{max(our_rates):.0f} / {max(their_rates):.0f} rps"
    ratio = max(our_rates) / max(their_rates)
    yield Row("requests a second / echo: monthly", ratio, Bound(at_least=0.6, aim=0.75), detail)
    detail = f"{min(their_costs):.2f} / {min(our_costs):.2f} ms"
    yield Row("CPU of a request, echo's / ours: monthly", min(their_costs) / min(our_costs), detail=detail)


def kept_rows() -> Iterator[Row]:
    """Yield the same over a minute in which every answer is kept, and artifacts are written behind the answers.

    Once as fast as clients can, and once the rate of those answers whose artifacts were written within the minute.
    """
    body = orjson.dumps(ten_years("monthly"))
    with running(ECHO) as echo:
        their_rate = measure(echo.address, post_request("/echo", body), clients=CLIENTS, seconds=10).requests_a_second
    with running(LOTUS, lineage="async") as lotus:
        load = measure(lotus.address, post_request("/performance/twr", body), clients=CLIENTS, seconds=A_MINUTE)
        with closing(sqlite3.connect(lotus.data / "lotus.db")) as database:
            count = "SELECT count(*) FROM executions WHERE lineage_status = 'complete'"
            (n_written,) = database.execute(count).fetchone()
    ratio = load.requests_a_second / their_rate
    detail = f"{load.requests_a_second:.0f} / {their_rate:.0f} rps"
    yield Row("lineage on, requests a second over a minute / echo", ratio, detail=detail)
    ratio = n_written / load.answered * ratio
    detail = f"{n_written} of {load.answered} written"
    yield Row("the same, artifacts written within the minute", ratio, Bound(at_least=0.25), detail)


def _loaded(server: Server, path: str, body: bytes) -> tuple[float, float]:
    """Return requests a second of one round, and the server's milliseconds of CPU a request."""
    before = server.cpu_seconds()
    load = measure(server.address, post_request(path, body), clients=CLIENTS, seconds=SECONDS)
    if load.failures:
        raise SystemExit(f"{load.failures} requests to {path} failed")
    return load.requests_a_second, 1000 * (server.cpu_seconds() - before) / max(1, load.answered)
