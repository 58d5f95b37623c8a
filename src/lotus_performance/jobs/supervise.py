"""The worker process that goes with a server: started, started again when it ends, stopped with the server."""

import os
import signal
import sys
import threading
import time

COMMAND = [sys.executable, "-m", "lotus_performance.cli", "worker", "--parent"]
CHECK_SECONDS = 1.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02


class WorkerProcess:
    """One process of `lotus-performance worker`, a child of this one, which may collect the ends of its children."""

    def __init__(self) -> None:
        self._pid: int | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the process, and a thread that starts it again whenever it ends."""
        self._spawn()
        threading.Thread(target=self._watch, name="worker-watch", daemon=True).start()

    def tell(self) -> None:
        """Ask the process to end after the piece of work it is at."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """End the process, with patience for the piece of work it is at."""
        self.tell()
        end = time.monotonic() + STOP_SECONDS
        while self._is_alive():
            if time.monotonic() > end:
                self._signal(signal.SIGKILL)
                return
            time.sleep(POLL_SECONDS)

    def _spawn(self) -> None:
        # Not by `subprocess`, which waits for the other end of a pipe: a server's worker that is forked meanwhile
        # would hold that end for as long as it lives.
        self._pid = os.posix_spawn(COMMAND[0], [*COMMAND, str(os.getpid())], os.environ)

    def _watch(self) -> None:
        while not self._stopping.wait(CHECK_SECONDS):
            if not self._is_alive():
                self._spawn()

    def _signal(self, number: signal.Signals) -> None:
        if self._is_alive() and self._pid is not None:
            os.kill(self._pid, number)

    def _is_alive(self) -> bool:
        if self._pid is None:
            return False
        try:
            # Leaves the end of the process to whoever collects it; one that is collected already is no child.
            return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False
