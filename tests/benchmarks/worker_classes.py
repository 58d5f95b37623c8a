"""Measure worker classes of the server, for RFC 0024: ``python worker_classes.py [--rounds N] [--seconds S]``.

Prints one table: requests a second and latencies of a small and of a large calculation with 16 clients, requests a
second of the echo application, and whether a calculation is answered while slow clients are held. A tool, no gate.
"""

import argparse
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from statistics import median

import orjson
from bodies import example, ten_years
from load import Address, BadAnswerError, Client, Load, measure, post_request, wait_until_up
from measuring import table
from servers import ECHO, LOTUS, Server, running

CLIENTS = 16
HEADERS_HELD, IDLE_HELD, ANSWER_SECONDS, ANSWERS = 100, 200, 3.0, 6
SETTLE_SECONDS = 1.0
CONNECT_SECONDS = 30.0

SYNC, GTHREAD, GEVENT = "--worker-class=sync", "--worker-class=gthread", "--worker-class=gevent"
CLASSES: dict[str, tuple[str, ...]] = {
    "sync 2": (SYNC, "--workers=2", "--threads=1"),
    "sync 4": (SYNC, "--workers=4", "--threads=1"),
    "gthread 2 x 16": (GTHREAD, "--workers=2", "--threads=16"),
    "gthread 2 x 64": (GTHREAD, "--workers=2", "--threads=64"),
    "gthread 2 x 128": (GTHREAD, "--workers=2", "--threads=128"),
    "gevent 2 x 500": (GEVENT, "--workers=2", "--threads=1", "--worker-connections=500"),
}
HEADER = (
    "workers",
    "five days: rps",
    "p50 ms",
    "p99 ms",
    "ten years, monthly: rps",
    "p50 ms",
    "p99 ms",
    "CPU ms",
    "echo of ten years: rps",
    "CPU ms",
    "rps / echo's",
    "100 half-sent headers",
    "200 idle",
)

FIVE_DAYS = post_request("/performance/twr", orjson.dumps(example("twr_five_days")))
TEN_YEARS = post_request("/performance/twr", orjson.dumps(ten_years("monthly")))
ECHO_OF_TEN_YEARS = post_request("/echo", orjson.dumps(ten_years("monthly")))
LATENCY = ("p50", "p99")
Measured = tuple[Load, float]
Loads = Mapping[str, list[Measured]]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Compare worker classes of the server.")
    parser.add_argument("--rounds", type=int, default=5, help="of all classes in turns; medians are shown (5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (2)")
    options = parser.parse_args()
    classes = {name: args for name, args in CLASSES.items() if GEVENT not in args or find_spec("gevent")}
    slow = {name: slow_client_cells(args) for name, args in classes.items()}
    loads: dict[str, dict[str, list[Measured]]] = {name: {"five": [], "ten": [], "echo": []} for name in classes}
    for number in range(options.rounds):
        for name, args in classes.items():
            print(f"round {number + 1}: {name} ...", file=sys.stderr, flush=True)
            with running(LOTUS, args) as lotus, running(ECHO, args) as echo:
                for part, server, request in (
                    ("five", lotus, FIVE_DAYS),
                    ("ten", lotus, TEN_YEARS),
                    ("echo", echo, ECHO_OF_TEN_YEARS),
                ):
                    loads[name][part].append(cpu_of_load(server, request, options.seconds))
    print(table(HEADER, ([name, *load_cells(loads[name]), *slow[name]] for name in classes)))
    print(f"\nload average {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    failures = {name: sum(load.failures for part in loads[name].values() for load, _ in part) for name in classes}
    print(f"failed requests: {', '.join(f'{name} {count}' for name, count in failures.items())}")
    return 0


def cpu_of_load(server: Server, request: bytes, seconds: float) -> Measured:
    """Return one measurement, and the server's milliseconds of CPU a request."""
    before = server.cpu_seconds()
    load = measure(server.address, request, clients=CLIENTS, seconds=seconds)
    return load, 1000 * (server.cpu_seconds() - before) / max(1, load.answered)


def load_cells(loads: Loads) -> Iterator[str]:
    """Yield the medians over the rounds; of CPU times the least, which others disturb least."""
    for part, members in (("five", LATENCY), ("ten", LATENCY), ("echo", ())):
        for member in ("requests_a_second", *members):
            yield f"{median(getattr(load, member) for load, _ in loads[part]):.0f}"
        if part != "five":
            yield f"{min(cpu for _, cpu in loads[part]):.1f}"
    pairs = zip(loads["ten"], loads["echo"], strict=True)
    yield f"{median(ten.requests_a_second / echo.requests_a_second for (ten, _), (echo, _) in pairs):.2f}"


def slow_client_cells(args: tuple[str, ...]) -> list[str]:
    """Return what becomes of a calculation while slow clients are held; a server of its own for each kind."""
    cells = []
    for count, sent in ((HEADERS_HELD, b"POST /performance/twr HTTP/1.1\r\nHost: x\r\nX-A: a"), (IDLE_HELD, b"")):
        with running(LOTUS, args) as server:
            wait_until_up(server.address, FIVE_DAYS)
            with held(server.address, count, sent):
                cells.append(slowest_answer(server.address))
    return cells


@contextmanager
def held(address: Address, count: int, sent: bytes) -> Iterator[None]:
    """Hold connections that have sent something, or nothing, and then rest."""
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(address, CONNECT_SECONDS))
            connection.sendall(sent)
        time.sleep(SETTLE_SECONDS)
        yield


def slowest_answer(address: Address) -> str:
    """Return the longest of a few calculations, each on its own connection, or that one is not answered in time."""
    times = []
    for _ in range(ANSWERS):  # connections spread over the workers by chance
        client, start = Client(address, ANSWER_SECONDS), time.monotonic()
        try:
            client.exchange(FIVE_DAYS)
        except (OSError, BadAnswerError):
            return "starves"
        finally:
            client.close()
        times.append(time.monotonic() - start)
    return f"{1000 * max(times):.0f} ms" if max(times) <= ANSWER_SECONDS else "starves"


if __name__ == "__main__":
    sys.exit(main())
