"""Requests a second of the service over those of an echo application, under the same server settings."""

from collections.abc import Iterator
from statistics import median

import orjson
from bodies import ten_years
from load import Load, measure, post_request
from measuring import Bound, Row
from servers import ECHO, LOTUS, Server, running

ROUNDS, SECONDS, CLIENTS = 7, 3.0, 8


def throughput_rows() -> Iterator[Row]:
    """Yield the ratio for monthly breakdowns of ten years, the two servers loaded in turns."""
    body = orjson.dumps(ten_years("monthly"))
    with running(LOTUS) as lotus, running(ECHO) as echo:
        pairs = [(_loaded(lotus, "/performance/twr", body), _loaded(echo, "/echo", body)) for _ in range(ROUNDS)]
    ratio = median(ours.requests_a_second / theirs.requests_a_second for (ours, _), (theirs, _) in pairs)
    rates = [median(load.requests_a_second for load, _ in side) for side in zip(*pairs, strict=True)]
    costs = [1000 * min(cost for _, cost in side) for side in zip(*pairs, strict=True)]
    detail = f"{rates[0]:.0f} / {rates[1]:.0f} rps"
    yield Row("requests a second / echo: monthly", ratio, Bound(at_least=0.6, aim=0.75), detail)
    detail = f"{costs[1]:.2f} / {costs[0]:.2f} ms"
    yield Row("CPU of a request, echo's / ours: monthly", costs[1] / costs[0], detail=detail)


def _loaded(server: Server, path: str, body: bytes) -> tuple[Load, float]:
    """Return the load of one round, and the server's CPU time a request."""
    before = server.cpu_seconds()
    load = measure(server.address, post_request(path, body), clients=CLIENTS, seconds=SECONDS)
    return load, (server.cpu_seconds() - before) / load.answered
