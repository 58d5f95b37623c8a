"""Real processes on one storage: killed, stopped and restarted under load, two at once."""

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from databases import PostgreSql
from lotus_performance.storage.executions import Status
from real_server import Server, await_ready, await_true, start_server, status_of
from stored import ASYNC, PATHS, Stored, example, new_id

N_KILLS = 50 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 10
"""In each of the two databases."""
END_SECONDS = 60.0
"""A lease, and what a worker needs for all that waits."""

BODIES = {name: example(name) for name in ("mwr_one_year", "twr_five_days")}
Start = Callable[..., Server]


@pytest.fixture
def start(stored: Stored, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a server on the storage; whatever still runs at the end is killed."""
    started: list[Server] = []

    def begin(*arguments: str, **environment: str) -> Server:
        log = tmp_path / f"server-{len(started)}.log"
        server = start_server(log, *arguments, LOG_LEVEL="WARNING", **stored.environment(), **environment)
        started.append(server)
        await_ready(server)
        return server

    yield begin
    for server in started:
        server.kill()


class Load:
    """Clients that post as fast as they are answered, and remember what they were promised."""

    def __init__(self, servers: list[Server], n_clients: int, pause: float = 0.0) -> None:
        self.servers = servers
        self.promised: dict[str, str] = {}
        self.statuses: Counter[int] = Counter()
        self.slowest: dict[int, float] = {}
        self.pause = pause
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(n_clients)
        self._clients = [self._pool.submit(self._run, i) for i in range(n_clients)]

    def _run(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 -- no secret
        while not self._stop.is_set():
            self._post(self.servers[number % len(self.servers)], chance)
            self._stop.wait(self.pause)

    def _post(self, server: Server, chance: random.Random) -> None:
        name = chance.choice(sorted(BODIES))
        body = BODIES[name] | ({"calculation_id": new_id()} if chance.random() < 0.5 else {})
        headers = ASYNC if chance.random() < 0.3 else {}
        began = time.monotonic()
        try:
            answer = requests.post(server.url + PATHS[name.split("_")[0]], json=body, headers=headers, timeout=15)
        except requests.RequestException:
            self.statuses[0] += 1
            time.sleep(0.05)
            return
        self.statuses[answer.status_code] += 1
        self.slowest[answer.status_code] = max(self.slowest.get(answer.status_code, 0.0), time.monotonic() - began)
        if answer.status_code == 200:
            self.promised[answer.json()["calculation_id"]] = hashlib.sha256(answer.content).hexdigest()
        elif answer.status_code == 202:
            self.promised[answer.json()["execution_id"]] = ""

    def stop(self) -> None:
        self._stop.set()
        for client in self._clients:
            client.result()
        self._pool.shutdown()


def children_of(pid: int) -> list[int]:
    # Listed by the thread that started them.
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


def all_is_done(stored: Stored) -> bool:
    return all(kept.status is Status.COMPLETE and kept.lineage_status is Status.COMPLETE for kept in stored.all())


def assert_kept(stored: Stored, load: Load) -> None:
    """Fail unless all that was promised is there, whole, and nothing is left half."""
    kept = {each.execution_id: each for each in stored.all()}
    assert load.promised
    assert load.promised.keys() <= kept.keys()
    for calculation_id, digest in load.promised.items():
        assert stored.lineage.faults(calculation_id) == []
        response = stored.executions.payload(calculation_id).response
        assert response is not None
        assert digest in ("", hashlib.sha256(response).hexdigest())


def test_processes_may_be_killed_under_load(stored: Stored, start: Start) -> None:
    server = start("--workers", "2")
    load = Load([server], n_clients=4, pause=0.01)
    chance = random.Random(1)  # noqa: S311 -- no secret
    for _ in range(N_KILLS):
        time.sleep(chance.uniform(0.2, 0.6))
        victims = children_of(server.process.pid)
        if victims:
            os.kill(chance.choice(victims), signal.SIGKILL)
    load.stop()
    await_true(lambda: len(children_of(server.process.pid)) == 3, 10)
    await_true(lambda: all_is_done(stored), END_SECONDS)
    assert_kept(stored, load)
    assert load.statuses.keys() <= {0, 200, 202}
    assert load.statuses[200] > N_KILLS
    assert server.stop() == 0


def test_fifty_parallel_posts_with_one_id_are_calculated_once(stored: Stored, start: Start) -> None:
    server = start("--workers", "2")
    body = example("twr_monthly_ten_years", calculation_id=new_id())
    barrier = threading.Barrier(50)

    def post(_: int) -> tuple[int, bytes]:
        barrier.wait()
        answer = requests.post(server.url + PATHS["twr"], json=body, timeout=30)
        return answer.status_code, answer.content

    with ThreadPoolExecutor(50) as pool:
        answers = set(pool.map(post, range(50)))
    assert len(answers) == 1
    assert answers.pop()[0] == 200
    (kept,) = stored.all()
    assert kept.status is Status.COMPLETE
    assert requests.post(server.url + PATHS["twr"], json=body | {"portfolio_id": "B"}, timeout=5).status_code == 409


def test_a_stop_under_load_loses_nothing(stored: Stored, start: Start) -> None:
    server = start("--workers", "2", LOTUS_DRAIN_SECONDS="0.5")
    load = Load([server], n_clients=4)
    time.sleep(1.5)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 20
    load.stop()
    assert load.statuses.keys() <= {0, 200, 202}
    successor = start("--workers", "1")
    await_true(lambda: all_is_done(stored), END_SECONDS)
    assert_kept(stored, load)
    assert successor.stop() == 0
    assert "Traceback" not in server.log.read_text()


def test_a_restart_of_the_database_under_load_is_survived(stored: Stored, start: Start, postgresql: PostgreSql) -> None:
    if stored.executions.database.is_sqlite:
        pytest.skip("SQLite has no server")
    server = start("--workers", "2")
    load = Load([server], n_clients=4, pause=0.01)
    for _ in range(3):
        time.sleep(1.0)
        postgresql.stop_at_once()
        await_true(lambda: status_of(f"{server.url}/health/ready") == 503, 2.5)
        began = time.monotonic()
        assert requests.post(server.url + PATHS["mwr"], json=BODIES["mwr_one_year"], timeout=5).status_code == 503
        assert time.monotonic() - began < 1
        assert status_of(f"{server.url}/health/live") == 200
        postgresql.start()
        await_true(lambda: status_of(f"{server.url}/health/ready") == 200, 5)
        began = time.monotonic()
        while requests.post(server.url + PATHS["mwr"], json=BODIES["mwr_one_year"], timeout=5).status_code != 200:
            assert time.monotonic() - began < 5
    load.stop()
    stored.executions.database.close()
    await_true(lambda: all_is_done(stored), END_SECONDS)
    assert_kept(stored, load)
    assert load.statuses.keys() <= {200, 202, 503}
    assert load.slowest[503] < 2
    assert server.stop() == 0


def test_two_servers_write_to_one_storage(stored: Stored, start: Start) -> None:
    servers = [start("--workers", "1"), start("--workers", "1")]
    load = Load(servers, n_clients=8)
    time.sleep(6)
    load.stop()
    assert load.statuses.keys() == {200, 202}
    await_true(lambda: all_is_done(stored), END_SECONDS)
    assert_kept(stored, load)
    for server in servers:
        assert server.stop() == 0
        assert "locked" not in server.log.read_text()
        assert "Traceback" not in server.log.read_text()
    if stored.executions.database.is_sqlite:
        with sqlite3.connect(stored.settings.data_dir / "lotus.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


def test_the_worker_of_a_server_ends_with_it_even_when_it_is_killed(stored: Stored, start: Start) -> None:
    server = start("--workers", "1")
    (worker,) = [pid for pid in children_of(server.process.pid) if "worker" in command_of(pid)]
    server.process.kill()
    server.process.wait()
    await_true(lambda: not Path(f"/proc/{worker}/cmdline").exists(), 10)


def command_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")


def test_no_connection_goes_through_the_fork(start: Start) -> None:
    server = start("--workers", "1")
    opened = [os.readlink(path) for path in Path(f"/proc/{server.process.pid}/fd").iterdir()]
    assert not [name for name in opened if "lotus.db" in name]
    # One of its own is for listening, the heartbeat and the log are none of a database's.
    assert len([name for name in opened if name.startswith("socket:")]) <= 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_of_its_own_ends_when_it_is_told_to(stored: Stored, number: signal.Signals) -> None:
    left = [stored.post("mwr_one_year", headers=ASYNC).get_json()["execution_id"] for _ in range(3)]
    worker = subprocess.Popen(
        [sys.executable, "-m", "lotus_performance.cli", "worker"],
        env=os.environ | stored.environment() | {"LOG_LEVEL": "WARNING"},
        stderr=subprocess.PIPE,
    )
    try:
        await_true(lambda: all_is_done(stored), 20)
        worker.send_signal(number)
        assert worker.wait(5) == 0
        assert worker.stderr is not None
        assert worker.stderr.read() == b""
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()
        if worker.stderr is not None:
            worker.stderr.close()
    assert all(stored.executions.get(each).status is Status.COMPLETE for each in left)
