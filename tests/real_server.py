"""The real server, started by its command."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

START_SECONDS = 30.0
STOP_SECONDS = 30.0


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End the server if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def start_server(log: Path, *arguments: str, **environment: str) -> Server:
    """Return a server that may not be ready yet."""
    port = free_port()
    command = [sys.executable, "-m", "lotus_performance.cli", "serve", "--port", str(port), *arguments]
    environment.setdefault("TMPDIR", str(log.parent))  # one that is killed leaves its temporary files
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, env=os.environ | environment, stderr=stderr)  # noqa: S603
    return Server(process, port, log)


def await_ready(server: Server) -> None:
    await_true(
        lambda: server.process.poll() is not None or status_of(f"{server.url}/health/ready") == 200, START_SECONDS
    )
    assert server.process.poll() is None, server.log.read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_true(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true")
        time.sleep(0.02)


def status_of(url: str) -> int:
    try:
        return requests.get(url, timeout=5).status_code
    except requests.ConnectionError:
        return 0
