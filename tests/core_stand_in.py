"""A lotus-core for tests: the part of its protocol that this service uses, over real HTTP, and ways in which it fails.

It doubles as the description of what is expected of the real one; `runbook/integration.md` says it in words.
"""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Row = dict[str, Any]


@dataclass
class Portfolio:
    """Daily rows as lotus-core has them: values, and flows with their timing."""

    opened: str
    rows: list[Row]
    benchmark_id: str | None = None


@dataclass
class Call:
    """One question as it came in."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class CoreStandIn:
    portfolios: dict[str, Portfolio] = field(default_factory=dict)
    benchmarks: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)
    risk_free: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)
    max_page: int = 1_000
    fault: Callable[["_Handler", int], bool] | None = None
    """Answers in place of the stand-in; gets the number of the call, and returns whether it has answered."""
    change: Callable[[str, Any], Any] | None = None
    """Changes an answer before it goes out; gets the path and the document."""
    calls: list[Call] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    """Ends every wait when the stand-in stops."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        """Return status and document of an answer."""
        for pattern, view in (
            (r"/integration/portfolios/([^/]+)/analytics/portfolio-timeseries", self._timeseries),
            (r"/integration/portfolios/([^/]+)/benchmark-assignment", self._assignment),
            (r"/integration/benchmarks/([^/]+)/return-series", self._benchmark),
            (r"/integration/reference/(risk-free-series)", self._risk_free),
        ):
            found = re.fullmatch(pattern, path)
            if found:
                return view(unquote(found[1]), body)
        return 404, {"detail": "Not Found"}

    def _timeseries(self, portfolio_id: str, body: Any) -> tuple[int, Any]:
        portfolio = self.portfolios.get(portfolio_id)
        if portfolio is None:
            return 404, {"detail": "no such portfolio"}
        rows = [row for row in portfolio.rows if _is_inside(row["valuation_date"], body)]
        first = int(body["page"].get("page_token", "0"))
        stop = first + min(self.max_page, body["page"]["page_size"])
        return 200, {
            "portfolio_id": portfolio_id,
            "portfolio_open_date": portfolio.opened,
            "observations": rows[first:stop],
            "next_page_token": str(stop) if stop < len(rows) else None,
        }

    def _assignment(self, portfolio_id: str, body: Any) -> tuple[int, Any]:
        portfolio = self.portfolios.get(portfolio_id)
        if portfolio is None or portfolio.benchmark_id is None:
            return 404, {"detail": "no benchmark"}
        return 200, {"benchmark_id": portfolio.benchmark_id, "effective_from": portfolio.opened}

    def _benchmark(self, benchmark_id: str, body: Any) -> tuple[int, Any]:
        if benchmark_id not in self.benchmarks:
            return 404, {"detail": "no such benchmark"}
        points = [{"series_date": d, "benchmark_return": v} for d, v in self.benchmarks[benchmark_id]]
        return 200, {"points": [point for point in points if _is_inside(point["series_date"], body)]}

    def _risk_free(self, _: str, body: Any) -> tuple[int, Any]:
        points = [{"series_date": d, "value": v} for d, v in self.risk_free.get(body["currency"], [])]
        return 200, {"points": [point for point in points if _is_inside(point["series_date"], body)]}


def _is_inside(day: str, body: Any) -> bool:
    window = {name: date.fromisoformat(text) for name, text in body["window"].items()}
    return window["start_date"] <= date.fromisoformat(day) <= window["end_date"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    core: CoreStandIn

    def do_POST(self) -> None:
        core = self.core
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with core.lock:
            core.calls.append(Call(self.path, dict(self.headers.items()), body))
            number = len(core.calls)
        if core.fault is not None and core.fault(self, number):
            return
        status, document = core.answer(self.path, body)
        if core.change is not None and status == 200:
            document = core.change(self.path, document)
        self.send(status, json.dumps(document).encode())

    def send(self, status: int, text: bytes, n_more: int = 0, **headers: str) -> None:
        """Answer; `n_more` bytes are promised and never sent."""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text) + n_more))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)
        self.close_connection = n_more > 0

    def log_message(self, *arguments: Any) -> None:
        """Write nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *arguments: Any) -> None:
        """Write nothing: callers hang up on purpose."""


@contextmanager
def running(core: CoreStandIn) -> Iterator[CoreStandIn]:
    """Serve a stand-in on a free port of this machine."""
    handler = type("Handler", (_Handler,), {"core": core})
    server = _Server(("127.0.0.1", 0), handler)
    core.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield core
    finally:
        core.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


# ---------------------------------------------------------------------- faults


def slow(seconds: float) -> Callable[[_Handler, int], bool]:
    """Wait before each answer."""

    def fault(handler: _Handler, number: int) -> bool:
        handler.core.released.wait(seconds)
        return False

    return fault


def dripping(seconds: float) -> Callable[[_Handler, int], bool]:
    """Send a byte now and then, and never the last one."""

    def fault(handler: _Handler, number: int) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not handler.core.released.wait(seconds):
            try:
                handler.wfile.write(b" ")
            except OSError:
                break
        handler.close_connection = True
        return True

    return fault


def dripping_head(seconds: float) -> Callable[[_Handler, int], bool]:
    """Send a header now and then, and never the last one."""

    def fault(handler: _Handler, number: int) -> bool:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for i in range(90):
            if handler.core.released.wait(seconds):
                break
            try:
                handler.wfile.write(b"X-%d: 1\r\n" % i)
            except OSError:
                break
        handler.close_connection = True
        return True

    return fault


def dropping(times: int = 1_000_000) -> Callable[[_Handler, int], bool]:
    """Reset the connection in place of an answer, so many times."""

    def fault(handler: _Handler, number: int) -> bool:
        if number > times:
            return False
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        return True

    return fault


def half(times: int = 1_000_000) -> Callable[[_Handler, int], bool]:
    """Break off in the middle of an answer, so many times."""

    def fault(handler: _Handler, number: int) -> bool:
        if number > times:
            return False
        handler.send(200, b'{"portfolio_open_date": "2020-01-01", "observations": [', n_more=1_000)
        return True

    return fault


def failing(status: int, times: int = 1_000_000, **headers: str) -> Callable[[_Handler, int], bool]:
    """Answer with a status of failure, so many times."""

    def fault(handler: _Handler, number: int) -> bool:
        if number > times:
            return False
        handler.send(status, b'{"detail": "secret of lotus-core"}', **headers)
        return True

    return fault


def saying(text: bytes) -> Callable[[_Handler, int], bool]:
    """Answer 200 with this text, whatever was asked."""

    def fault(handler: _Handler, number: int) -> bool:
        handler.send(200, text)
        return True

    return fault


def awaited(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether a condition comes true within some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
