"""Real servers on loopback: gunicorn with the shipped settings, and what changes of them."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BACKLOG = 2048
STOP_SECONDS = 30
OWN_SETTINGS = ("LOTUS_", "GUNICORN_")
SHIPPED = ("HOST", "PORT", "LOG_LEVEL", "WEB_CONCURRENCY", "MAX_BODY_BYTES")
TICKS = os.sysconf("SC_CLK_TCK")

LOTUS, ECHO = "lotus_performance.wsgi:app", "echo_app:app"


@dataclass(frozen=True)
class Server:
    """A running server."""

    address: tuple[str, int]
    process: subprocess.Popen[bytes]
    data: Path

    def cpu_seconds(self) -> float:
        """Return the CPU time that its workers have used so far."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return sum(map(_cpu_seconds, children))


@contextmanager
def running(app: str, options: Sequence[str] = ("--workers", "2"), lineage: str = "off") -> Iterator[Server]:
    """Start gunicorn with its shipped settings but for some options, yield it, stop it at the end.

    The socket listens before the server does, so that no port is guessed, and clients only wait until it is up.
    """
    shipped = ["--config", "python:lotus_performance.gunicorn_conf", "--chdir", str(HERE)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*OWN_SETTINGS, *SHIPPED))}
    with socket.socket() as listener, tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as folder:
        listener.bind(("127.0.0.1", 0))
        listener.listen(BACKLOG)
        address = listener.getsockname()
        bound = ["--bind", f"fd://{listener.fileno()}"]
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *shipped, *bound, *options, app],
            env=kept | {"DATA_DIR": folder, "LINEAGE_MODE": lineage},
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=log,
        )
        listener.close()
        try:
            yield Server(address, process, Path(folder))
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read()[-4000:].decode(errors="replace"))
            raise
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its workers end when they miss it
        process.wait(STOP_SECONDS)


def _cpu_seconds(pid: str) -> float:
    # The second field, the name, is in brackets and may hold blanks; user and system time are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
