"""The real server: started by the command, asked over sockets, stopped by signals."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from real_server import STOP_SECONDS, Server, await_ready, await_true, start_server, status_of

HEAD = b"POST /performance/twr HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts the service; whatever still runs at the end is killed."""
    started: list[Server] = []

    def start(*arguments: str, **environment: str) -> Server:
        server = start_server(tmp_path / f"server-{len(started)}.log", *arguments, **environment)
        started.append(server)
        await_ready(server)
        return server

    yield start
    for server in started:
        server.kill()


def test_two_workers_answer_and_their_metrics_add_up(serve: Callable[..., Server], example: Any) -> None:
    server = serve("--workers", "2")
    body = example("twr_five_days")

    def post(_: int) -> int:
        return requests.post(f"{server.url}/performance/twr", json=body, timeout=10).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(post, range(40))) == [200] * 40
    text = requests.get(f"{server.url}/metrics", timeout=5).text
    counted = re.search(r'lotus_http_requests_total\{.*route="/performance/twr".*status="200".*\} (\S+)', text)
    assert counted is not None
    assert float(counted[1]) == 40
    assert server.stop() == 0


def test_more_silent_connections_than_threads_hold_up_no_request(serve: Callable[..., Server], example: Any) -> None:
    server = serve("--workers", "1")
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=15))
        answer = requests.post(f"{server.url}/performance/twr", json=example("twr_five_days"), timeout=3)
        assert answer.status_code == 200


def test_on_sigterm_readiness_turns_503_first_and_a_request_in_flight_is_answered(
    serve: Callable[..., Server], example: Any
) -> None:
    server = serve("--workers", "1", LOTUS_DRAIN_SECONDS="1")
    body = requests.Request("POST", "http://x/", json=example("twr_five_days")).prepare().body
    assert isinstance(body, bytes)
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as slow:
        slow.sendall(HEAD + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:100])
        server.process.send_signal(signal.SIGTERM)
        await_true(lambda: status_of(f"{server.url}/health/ready") == 503, 5)
        assert status_of(f"{server.url}/health/live") == 200
        slow.sendall(body[100:])
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert server.process.wait(STOP_SECONDS) == 0


def test_a_second_sigterm_ends_the_service_at_once(serve: Callable[..., Server]) -> None:
    server = serve("--workers", "1", LOTUS_DRAIN_SECONDS="60")
    server.process.send_signal(signal.SIGTERM)
    await_true(lambda: status_of(f"{server.url}/health/ready") == 503, 5)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "rest",
    [b"2\r\n{}\r\n", b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n"],
    ids=["no-end", "no-size", "no-line-end"],
)
def test_a_body_in_broken_chunks_is_a_400(serve: Callable[..., Server], rest: bytes) -> None:
    server = serve("--workers", "1")
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as client:
        client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + rest)
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"malformed_json" in answer
    assert status_of(f"{server.url}/health") == 200


def test_a_body_over_the_limit_in_chunks_is_refused(serve: Callable[..., Server]) -> None:
    server = serve("--workers", "1", MAX_BODY_BYTES="10000")
    chunks = (b" " * 1000 for _ in range(20))
    answer = requests.post(
        f"{server.url}/performance/twr", data=chunks, headers={"Content-Type": "application/json"}, timeout=10
    )
    assert answer.status_code == 413


def test_settings_that_cannot_be_used_are_told_in_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "lotus_performance.cli", "serve", "--port", "x", "--workers", "0"],
        env=os.environ | {"LOTUS_MAX_ROWZ": "5"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    for name in ("PORT", "WEB_CONCURRENCY", "LOTUS_MAX_ROWZ"):
        assert name in ended.stderr
