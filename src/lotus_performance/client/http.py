"""One request and its answer: time-outs, retries, and what went wrong as an exception."""

import email.utils
import json
import random
import time
from collections.abc import Mapping
from typing import Any

import requests

from lotus_performance.client.errors import ApiError, TransportError, error_of

RETRIED = frozenset({429, 502, 503, 504})
FIRST_PAUSE_SECONDS = 0.25

_LASTING = (requests.exceptions.SSLError, ValueError)  # a certificate or an URL is wrong


class Http:
    """Sends requests to one service. All of them may be repeated: `Client` sees to that."""

    def __init__(
        self, base_url: str, timeout: tuple[float, float], retries: int, max_wait: float, session: requests.Session
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self.retries = retries
        self.max_wait = max_wait
        self.session = session

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int | None = None,
    ) -> requests.Response:
        """Return an answer of 2xx; raise `ApiError` after as many attempts as are allowed."""
        left = self.retries if retries is None else retries
        cap = FIRST_PAUSE_SECONDS
        while True:
            failure: ApiError
            try:
                answer = self.session.request(
                    method,
                    self.base_url + path,
                    params=params,
                    data=body,
                    headers={"Accept": "application/json", **(headers or {})},
                    timeout=self.timeout,
                    # A redirected POST would become a GET.
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                failure, asked = _transport_error(error, self.base_url), None
                is_temporary = not isinstance(error, _LASTING)
            else:
                if answer.ok and not answer.is_redirect:
                    return answer
                failure, asked = problem_of(answer), seconds_of(answer.headers.get("Retry-After"))
                is_temporary = answer.status_code in RETRIED
            if not is_temporary or left == 0:
                raise failure
            # By chance, so that callers who failed together do not come back together.
            pause = random.uniform(cap / 2, cap) if asked is None else asked  # noqa: S311 -- no secret
            time.sleep(min(pause, self.max_wait))
            left, cap = left - 1, cap * 2


def document_of(answer: requests.Response) -> dict[str, Any]:
    """Return the JSON object of an answer."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise TransportError(answer.status_code, "not_understood", "The answer is no JSON object: is the URL right?")
    return document


def problem_of(answer: requests.Response) -> ApiError:
    """Return the error that an answer tells."""
    try:
        problem = document_of(answer)
    except TransportError:
        problem = {}
    return error_of(answer.status_code, problem, answer.headers.get("X-Request-Id"))


def seconds_of(text: str | None) -> float | None:
    """Return the seconds of `Retry-After`, which is a number or a date; None where it is neither."""
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _transport_error(error: requests.RequestException, base_url: str) -> TransportError:
    code = "timeout" if isinstance(error, requests.Timeout) else "no_connection"
    return TransportError(None, code, f"{base_url} does not answer: {error}")
