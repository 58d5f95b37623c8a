"""Sends the requests of cases: over HTTP, or over a socket what no client library would send."""

import http.client
import re
import select
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict

from hostile.bodies import base, body_of, growing, text_of

PATHS = {
    "twr": "/performance/twr",
    "mwr": "/performance/mwr",
    "contribution": "/performance/contribution",
    "attribution": "/performance/attribution",
    "returns": "/integration/returns/series",
    "lineage": "/performance/lineage",
    "executions": "/performance/executions",
    "capabilities": "/integration/capabilities",
}
CLOSED, TIMED_OUT = "closed", "timeout"
JSON_HEAD = f"POST {PATHS['twr']} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()


@dataclass
class Answer:
    """`status` is a text where there was no answer: "closed", "timeout", or what was found meanwhile."""

    status: int | str
    headers: Mapping[str, str] = field(default_factory=CaseInsensitiveDict)
    body: bytes = b""


@dataclass
class Sender:
    port: int
    case_id: str
    timeout: float
    is_fine: Callable[[], bool]
    """Whether a calculation is still answered, and rightly."""
    saved: Mapping[str, str] = field(default_factory=dict)
    """Values of earlier answers, whose names in braces stand for them in paths and headers."""

    def send(self, how: dict[str, Any]) -> Answer:
        name = how.get("body_gen", {}).get("name")
        if how.get("stream"):
            return self._streamed(how["body_gen"]["params"])
        if how["method"] == "RAW":
            return SOCKET_REQUESTS[name](self, how["body_gen"]["params"])
        headers = {member: self._filled(value) for member, value in how.get("headers", {}).items()}
        path = self._filled(how["path"]) if "path" in how else self._made_path(how["path_gen"])
        body = body_of(how, self.case_id)
        # Client libraries refuse or rewrite such paths and headers.
        if how.get("transport") == "raw" or any(re.search(r"[\x00-\x1f]", value) for value in headers.values()):
            return self._plainly(how["method"], path, headers, body)
        return self._by_library(how["method"], path, headers, body)

    def _filled(self, text: str) -> str:
        for name, value in self.saved.items():
            text = text.replace(f"{{{name}}}", str(value))
        return with_paths(text)

    @staticmethod
    def _made_path(made: dict[str, Any]) -> str:
        return str(made["prefix"] + made["s"] * made["n"])

    def _by_library(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        root = f"http://127.0.0.1:{self.port}"
        # A server may close the connection after it refused a body without reading it.
        prepared = requests.Request(method, root, headers={"Connection": "close", **headers}, data=body).prepare()
        prepared.url = root + path
        try:
            with requests.Session() as session:
                answer = session.send(prepared, timeout=self.timeout, allow_redirects=False)
        except requests.Timeout:
            return Answer(TIMED_OUT)
        except requests.RequestException:
            return Answer(CLOSED)
        return Answer(answer.status_code, answer.headers, answer.content)

    # ------------------------------------------------------------------ over a socket

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout)

    def _plainly(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        members = {"Host": "x", "Connection": "close", **headers}
        if body is not None:
            members["Content-Length"] = str(len(body))
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in members.items())
        return self.exchange(f"{head}\r\n".encode("utf-8", "surrogateescape") + (body or b""))

    def exchange(self, data: bytes, *, shutdown: bool = False) -> Answer:
        """Send bytes and read the first answer; `shutdown` tells the server that nothing follows."""
        with self.connected() as connection:
            is_sent = _sent(connection, data)
            if shutdown and is_sent:
                try:
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    return Answer(CLOSED)
            return _answer_of(connection)

    def _streamed(self, params: dict[str, Any]) -> Answer:
        """Send a good body in chunks with blanks after it, until all is sent or an answer is there."""
        block = b" " * (1 << 16)
        with self.connected() as connection:
            _sent(connection, JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk_of(text_of(base("twr"))))
            for _ in range(params["size"] // len(block)):
                if select.select([connection], [], [], 0)[0] or not _sent(connection, chunk_of(block)):
                    break
            else:
                _sent(connection, b"0\r\n\r\n")
            return _answer_of(connection)

    def hold(self, params: dict[str, Any]) -> Answer:
        """Hold many slow or idle connections, and ask for a calculation meanwhile."""
        first, drip = _opening_of(params["kind"])
        with ExitStack() as stack:
            held = [stack.enter_context(self.connected()) for _ in range(params["conns"])]
            for connection in held:
                _sent(connection, first)
            deadline = time.monotonic() + params["seconds"]
            while self.is_fine():
                if time.monotonic() >= deadline:
                    return Answer("held")
                for connection in held:
                    _sent(connection, drip)
                time.sleep(0.2)
        return Answer("no calculation was answered while connections were held")


def with_paths(text: str) -> str:
    for name, path in PATHS.items():
        text = text.replace(f"{{{name}}}", path)
    return text


def chunk_of(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _sent(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def _answer_of(connection: socket.socket) -> Answer:
    try:
        response = http.client.HTTPResponse(connection)
        response.begin()
        body = response.read()
    except TimeoutError:
        return Answer(TIMED_OUT)
    except (OSError, http.client.HTTPException, ValueError):
        return Answer(CLOSED)
    return Answer(response.status, CaseInsensitiveDict(response.getheaders()), body)


def _opening_of(kind: str) -> tuple[bytes, bytes]:
    """Return what a held connection sends first, and then again and again."""
    if kind == "slow_read_big":
        large = text_of(growing(5000, 1.0001, 1e6) | {"output": {"include_timeseries": True}})
        return JSON_HEAD + f"Content-Length: {len(large)}\r\n\r\n".encode() + large, b""
    return {
        "slowloris": (f"POST {PATHS['twr']} HTTP/1.1\r\nHost: x\r\nX-A: ".encode(), b"a"),
        "slow_read": (b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * 20, b""),
        "idle": (b"", b""),
    }[kind]


def _written(sender: Sender, params: dict[str, Any]) -> Answer:
    data = with_paths(params["head"]).encode("latin-1")
    if params.get("close"):
        with sender.connected() as connection:
            _sent(connection, data)
        return Answer(CLOSED)
    return sender.exchange(data, shutdown=params.get("shutdown", False))


def _chunked(sender: Sender, params: dict[str, Any]) -> Answer:
    body, size = text_of(base(params["base"])), params["size"]
    chunks = b"".join(chunk_of(body[i : i + size]) for i in range(0, len(body), size))
    head = JSON_HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    return sender.exchange(head + chunks + b"0\r\n\r\n")


def _of_another_length(sender: Sender, params: dict[str, Any]) -> Answer:
    body = text_of(base(params["base"]))
    head = JSON_HEAD + f"Connection: close\r\nContent-Length: {len(body) + params['delta']}\r\n\r\n".encode()
    return sender.exchange(head + body, shutdown=params["delta"] > 0)


SOCKET_REQUESTS: dict[str, Callable[[Sender, dict[str, Any]], Answer]] = {
    "raw_head": _written,
    "chunked_valid": _chunked,
    "cl_mismatch": _of_another_length,
    "pipeline": lambda sender, params: sender.exchange(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * params["n"]),
    "held": Sender.hold,
}
