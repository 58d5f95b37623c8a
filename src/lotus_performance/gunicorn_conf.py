"""Server settings, each with its reason; ``runbook/rfcs`` holds the measurements behind them."""

import atexit
import gc
import os
import shutil
import signal
import tempfile
import threading
from typing import Any

# One thread for linear algebra: workers are processes, and more threads than cores only wait for one another.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
# Set before the metrics are imported: prometheus-client decides at import whether it counts over processes.
_metrics_dir = tempfile.mkdtemp(prefix="lotus-metrics-")


def _remove_metrics(owner: int) -> None:
    if os.getpid() == owner:  # a worker that ends leaves its counts to the others
        shutil.rmtree(_metrics_dir, ignore_errors=True)


atexit.register(_remove_metrics, os.getpid())
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics_dir

from gunicorn.glogging import Logger  # noqa: E402
from gunicorn.workers import gthread  # noqa: E402

from lotus_performance.draining import begin_draining, is_draining  # noqa: E402
from lotus_performance.errors import PerformanceError  # noqa: E402
from lotus_performance.jobs.supervise import WorkerProcess  # noqa: E402
from lotus_performance.keep import keep  # noqa: E402
from lotus_performance.settings import read_settings, server_threads  # noqa: E402

_settings = read_settings()
# Before the application is imported, which refuses a schema that is not its own.
_keeps = keep(_settings)
if _keeps is not None:
    try:
        _keeps.prepare()
    except PerformanceError as error:
        raise SystemExit(f"lotus-performance: {error}") from None

_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host
bind = f"{_host}:{_settings.port}"
workers = _settings.workers
threads = server_threads(workers)
worker_connections = 1000
backlog = 2048
keepalive = 5
timeout = 30
# Long enough for the bytes that follow a connection at once, so that they need no second turn of the loop.
SILENT_SECONDS = 0.02
graceful_timeout = 20
# The application is imported once, before the fork: workers share its memory and start at once.
preload_app = True
# The heartbeat file of a worker must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
# No second way to control the server, and none that needs a writable folder.
control_socket_disable = True
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "lotus_performance.telemetry.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": _settings.log_level, "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
    },
}


class worker_class(gthread.ThreadWorker):  # type: ignore[misc] # noqa: N801 -- the name of the setting
    """Threads, because a slow client holds one of them and not a whole process; a silent one holds none (RFC 0024).

    Which worker accepts is the kernel's choice: without this, one of them that got most of some hundred silent
    connections had no thread left for a request until they timed out.
    """

    def handle(self, conn: Any) -> Any:
        """Handle what a connection has sent, or leave it to the loop that waits for all that have sent nothing."""
        if not conn.initialized and not conn.wait_for_data(SILENT_SECONDS):
            return gthread._DEFER  # what the class returns itself, after a wait of 5 s
        return super().handle(conn)


class logger_class(Logger):  # type: ignore[misc] # noqa: N801 -- the name of the setting
    """Log of the server itself; the application writes one line a request, with its ids."""

    def access(self, *arguments: Any) -> None:
        """Write nothing."""


_worker = WorkerProcess()


def on_exit(server: Any) -> None:
    """Stop the worker that goes with the server."""
    _worker.stop()


def when_ready(server: Any) -> None:
    """Start the worker; on SIGTERM, say "not ready" for a moment and only then stop; on a second one, stop at once."""

    def handle_term(number: int, frame: object) -> None:
        if is_draining():
            server.signal(signal.SIGQUIT, frame)
            return
        begin_draining()
        _worker.tell()  # it ends meanwhile; what is left to do is done by the next one
        timer = threading.Timer(_settings.drain_seconds, server.signal, (signal.SIGTERM, None))
        timer.daemon = True  # it must not outlive a server that was stopped before
        timer.start()

    signal.signal(signal.SIGTERM, handle_term)
    if _keeps is not None:
        _worker.start()


def pre_fork(server: Any, worker: Any) -> None:
    """Keep the collector from walking what lives as long as the worker, and from starting once in every request.

    A body of 2,520 rows is as many dicts, none of them in a cycle.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def child_exit(server: Any, worker: Any) -> None:
    """Let the metrics of a worker that has ended be kept as counters only."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
