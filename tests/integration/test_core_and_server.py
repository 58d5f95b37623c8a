"""The real server beside a lotus-core that is up, slow or gone: it stays ready, and nothing waits for lotus-core."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import core_stand_in
from core_stand_in import CoreStandIn, Portfolio, running
from real_server import Server, await_ready, await_true, start_server

SERIES = "/integration/returns/series"
TIMEOUT = 2.0
N_REQUESTS = 150
"""More than a worker has threads."""
HEALTH_SECONDS = 1.0


@pytest.fixture
def core() -> Iterator[CoreStandIn]:
    values = {"beginning_market_value": "100.0", "ending_market_value": "101.0", "cash_flows": []}
    rows = [{"valuation_date": f"2026-{month:02d}-02", **values} for month in range(1, 8)]
    with running(CoreStandIn(portfolios={"P1": Portfolio("2026-01-02", rows)})) as core:
        yield core


@pytest.fixture
def server(core: CoreStandIn, tmp_path: Path) -> Iterator[Server]:
    server = start_server(
        tmp_path / "server.log",
        DATA_DIR=str(tmp_path),
        WEB_CONCURRENCY="1",
        CORE_QUERY_BASE_URL=core.url,
        CORE_TIMEOUT_SECONDS=str(TIMEOUT),
        CORE_MAX_RETRIES="0",
    )
    try:
        await_ready(server)
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.log.read_text()
    finally:
        server.kill()


def request_of(n_months: int) -> dict[str, Any]:
    return {
        "portfolio_id": "P1",
        "as_of_date": "2026-07-31",
        "window": {"mode": "EXPLICIT", "from_date": "2026-01-01", "to_date": f"2026-{n_months:02d}-28"},
        "data_policy": {"missing_data_policy": "ALLOW_PARTIAL"},
        "input_mode": "stateful",
        "stateful_input": {},
    }


def timed(url: str) -> tuple[int, float]:
    began = time.monotonic()
    status = requests.get(url, timeout=10).status_code
    return status, time.monotonic() - began


def test_a_long_window_is_answered_by_the_worker_of_the_server(server: Server) -> None:
    accepted = requests.post(server.url + SERIES, json=request_of(7), timeout=5)
    assert accepted.status_code == 202
    result = server.url + accepted.json()["links"]["result"]
    await_true(lambda: requests.get(result, timeout=5).status_code == 200, 20)
    assert len(requests.get(result, timeout=5).json()["series"]["portfolio_returns"]) == 7


def test_health_and_calculations_never_wait_behind_a_slow_lotus_core(
    server: Server, core: CoreStandIn, example: Any
) -> None:
    core.fault = core_stand_in.slow(60)
    answers: list[tuple[int, str, float]] = []
    lock = threading.Lock()

    def wait() -> None:
        began = time.monotonic()
        answer = requests.post(server.url + SERIES, json=request_of(1), timeout=30)
        with lock:
            answers.append((answer.status_code, answer.json()["code"], time.monotonic() - began))

    threads = [threading.Thread(target=wait) for _ in range(N_REQUESTS)]
    for thread in threads:
        thread.start()
    # Four wait in the worker, too.
    for _ in range(4):
        assert requests.post(server.url + SERIES, json=request_of(7), timeout=5).status_code == 202
    health: list[tuple[int, float]] = []
    while any(thread.is_alive() for thread in threads):
        health += [timed(f"{server.url}/health/{each}") for each in ("live", "ready")]
        twr = requests.post(f"{server.url}/performance/twr", json=example("twr_five_days"), timeout=5)
        assert twr.status_code == 200
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert {status for status, _ in health} == {200}
    assert max(seconds for _, seconds in health) < HEALTH_SECONDS
    assert {answer[:2] for answer in answers} == {(503, "upstream_unavailable")}
    assert max(seconds for _, _, seconds in answers) < TIMEOUT + 2.0


def test_work_of_the_worker_does_not_wait_behind_a_slow_lotus_core(
    server: Server, core: CoreStandIn, example: Any
) -> None:
    core.fault = core_stand_in.slow(60)
    for _ in range(4):
        assert requests.post(server.url + SERIES, json=request_of(7), timeout=5).status_code == 202
    await_true(lambda: len(core.calls) == 4, 5)
    began = time.monotonic()
    headers = {"Prefer": "respond-async"}
    accepted = requests.post(f"{server.url}/performance/twr", json=example("twr_five_days"), headers=headers, timeout=5)
    result = server.url + accepted.json()["links"]["result"]
    await_true(lambda: requests.get(result, timeout=5).status_code == 200, 10)
    assert time.monotonic() - began < TIMEOUT


def test_the_server_starts_and_is_ready_without_lotus_core(tmp_path: Path) -> None:
    server = start_server(tmp_path / "server.log", DATA_DIR=str(tmp_path), CORE_QUERY_BASE_URL="http://127.0.0.1:1")
    try:
        await_ready(server)
        answer = requests.post(server.url + SERIES, json=request_of(1), timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable")
        assert timed(f"{server.url}/health/ready")[0] == 200
        assert server.stop() == 0
    finally:
        server.kill()
