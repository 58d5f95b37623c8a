"""Run schemathesis with a fixed seed against a server of our own; further arguments go to schemathesis."""

import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

SCRIPTS = Path(sysconfig.get_path("scripts"))
START_SECONDS = 30
OPTIONS = [
    "--seed=20260223",  # the same cases on every machine; a later --seed wins
    "--phases=examples,coverage,fuzzing",
    "--max-examples=100",
    "--checks=all",
    # A document that fits the schema may still be refused: its values can contradict each other.
    "--exclude-checks=positive_data_acceptance",
    "--generation-database=none",
    "--no-color",
]


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_server() -> Iterator[str]:
    """Start the server with its shipped settings, yield its address once it is ready, stop it at the end."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(SCRIPTS / "lotus-performance"), "serve", "--port", str(port)]
    data = tempfile.TemporaryDirectory(prefix="lotus-fuzz-")
    # There is no lotus-core to ask: what would be 503 on every such request is switched off.
    changed = {"LOG_LEVEL": "ERROR", "DATA_DIR": data.name, "PLATFORM_INPUT_MODE_STATEFUL_ENABLED": "false"}
    server = subprocess.Popen(command, env={**os.environ, **changed})  # noqa: S603
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready(url):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server is not ready (exit code {server.returncode})")
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(START_SECONDS)
        data.cleanup()


def is_ready(url: str) -> bool:
    """Tell whether the server answers that it is ready."""
    try:
        return requests.get(f"{url}/health/ready", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def main() -> int:
    """Return the exit status of schemathesis."""
    with running_server() as url:
        command = [str(SCRIPTS / "schemathesis"), "run", f"{url}/openapi.json", *OPTIONS, *sys.argv[1:]]
        return subprocess.run(command, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
