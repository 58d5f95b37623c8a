"""Load on one server: clients that keep their connection and post one body over and over."""

import multiprocessing
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

PROCESSES = 2
TIMEOUT_SECONDS = 30.0
WARM_UP_SECONDS = 0.5
BUFFER_BYTES = 1 << 20
MAX_FAILURES = 1000

Address = tuple[str, int]


@dataclass(frozen=True)
class Load:
    """What the clients saw in one measurement; latencies in milliseconds; `answered` counts the warm-up, too."""

    requests_a_second: float
    p50: float
    p99: float
    answered: int
    failures: int


class Seen(NamedTuple):
    """What some clients saw: latencies after the warm-up in seconds, and counts of all of it."""

    latencies: list[float]
    answered: int
    failures: int


def _together(parts: Iterable[Seen]) -> Seen:
    latencies, answered, failures = zip(*parts, strict=True)
    return Seen(list(chain(*latencies)), sum(answered), sum(failures))


class BadAnswerError(Exception):
    """The answer is not a whole 200."""


def post_request(path: str, body: bytes) -> bytes:
    """Return the bytes of a request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: loopback\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    return head.encode() + b"\r\n" + body


class Client:
    """One connection, made again after the server has closed it."""

    def __init__(self, address: Address, timeout: float = TIMEOUT_SECONDS) -> None:
        self.address, self.timeout = address, timeout
        self.socket: socket.socket | None = None
        self.buffer = memoryview(bytearray(BUFFER_BYTES))

    def exchange(self, request: bytes) -> None:
        """Send a request and read its answer, which must be a 200."""
        if self.socket is None:
            self.socket = socket.create_connection(self.address, self.timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(request)
        if self._read_answer(self.socket):
            self.close()

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _read_answer(self, connection: socket.socket) -> bool:
        """Return whether the server is about to close the connection."""
        n_read = 0
        while (end := bytes(self.buffer[: min(n_read, 4096)]).find(b"\r\n\r\n")) < 0:
            n_read += self._receive(connection, self.buffer[n_read:])
        head = bytes(self.buffer[:end]).lower()
        if not head.startswith(b"http/1.1 200"):
            raise BadAnswerError(head.decode(errors="replace"))
        missing = end + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n")[0]) - n_read
        while missing > 0:
            missing -= self._receive(connection, self.buffer[:missing])
        return b"connection: close" in head

    @staticmethod
    def _receive(connection: socket.socket, buffer: memoryview) -> int:
        size = connection.recv_into(buffer)
        if size == 0:
            raise ConnectionError("closed by the server")
        return size


def measure(address: Address, request: bytes, *, clients: int, seconds: float) -> Load:
    """Return what some clients see while they post a request for some seconds, after a short warm-up."""
    wait_until_up(address, request)
    begin = time.monotonic() + WARM_UP_SECONDS
    each = (address, request, clients // PROCESSES, begin, begin + seconds)
    # Forked, so that a start costs nothing; threads of one process would take turns at the interpreter.
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        seen = _together(pool.starmap(_post_from_threads, [each] * PROCESSES))
    p50, p99 = 1000.0 * np.percentile(seen.latencies or [np.nan], [50, 99])
    return Load(len(seen.latencies) / seconds, float(p50), float(p99), seen.answered, seen.failures)


def wait_until_up(address: Address, request: bytes) -> None:
    """Post one request, which the listening socket holds until the server is up."""
    client = Client(address)
    client.exchange(request)
    client.close()


def _post_from_threads(address: Address, request: bytes, threads: int, begin: float, end: float) -> Seen:
    with ThreadPoolExecutor(threads) as pool:
        return _together(pool.map(lambda _: _post_until(address, request, begin, end), range(threads)))


def _post_until(address: Address, request: bytes, begin: float, end: float) -> Seen:
    client, latencies, answered, failures = Client(address), [], 0, 0
    while (start := time.monotonic()) < end and failures < MAX_FAILURES:
        try:
            client.exchange(request)
        except (OSError, BadAnswerError):
            client.close()
            failures += 1
            continue
        stop = time.monotonic()
        answered += 1
        if begin <= stop <= end:
            latencies.append(stop - start)
    client.close()
    return Seen(latencies, answered, failures)
