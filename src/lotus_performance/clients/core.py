"""lotus-core over HTTP: what it knows of portfolios, benchmarks and risk-free rates, in engine types.

Everything that comes back is checked: what is not understood is refused, never guessed. `runbook/integration.md` holds
the protocol, RFC-0034 what is done when lotus-core is down, slow or wrong.
"""

import email.utils
import hashlib
import logging
import math
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import numpy as np
import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from lotus_performance.engine.returns_series import MAX_RETURN, SentReturns
from lotus_performance.engine.series import DailyValues, Day, order_by_date
from lotus_performance.errors import ResourceNotFoundError, UpstreamUnavailableError
from lotus_performance.strict_json import DECIMAL_TEXT, MalformedJsonError, load_json

logger = logging.getLogger(__name__)

T = TypeVar("T")

WINDOW_DAYS = 365
"""Windows are asked for in pieces of so many days, at the same time."""
PAGE_SIZE = 500
MAX_PAGES = 100
MAX_TOKEN_LENGTH = 4_096
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_TOTAL_SECONDS = 45.0
"""Longest that one request waits for lotus-core altogether: less than the lease of an execution that waits for it."""
FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 5.0
FAILURES_TO_OPEN = 5
OPEN_SECONDS = 10.0

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Snapshot(NamedTuple):
    """One call as it was answered: what was asked, and fingerprints of the question and of the answer."""

    operation: str
    request_fingerprint: str
    response_fingerprint: str


@dataclass
class Session:
    """What the calls for one request share: their headers, the time when all must have ended, and their snapshots."""

    headers: Mapping[str, str]
    deadline: float
    snapshots: list[Snapshot] = field(default_factory=list)

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Asked:
    """What is wanted of one portfolio."""

    portfolio_id: str
    as_of: Day
    consumer_system: str
    currency: str | None

    def body(self, window: tuple[Day, Day]) -> dict[str, Any]:
        """Return what all questions about a window hold."""
        body = {
            "as_of_date": str(self.as_of),
            "window": {"start_date": str(window[0]), "end_date": str(window[1])},
            "frequency": "daily",
            "consumer_system": self.consumer_system,
        }
        return body | ({"reporting_currency": self.currency} if self.currency else {})


@dataclass(frozen=True)
class PortfolioValues:
    """Daily values of a portfolio and the day on which it was opened."""

    opened: Day
    values: DailyValues


class _Page(NamedTuple):
    opened: Day
    rows: list[tuple[Day, float, float, float, float]]
    token: str | None


class _TemporaryError(Exception):
    """Worth another attempt, after `pause` seconds where lotus-core has said so."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class Breaker:
    """Keeps from asking what has failed again and again: after some seconds one call may try, and the others wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_again = 0.0

    def refuse_open(self) -> None:
        """Raise UpstreamUnavailableError while calls are not to be made."""
        with self._lock:
            if self._failures < FAILURES_TO_OPEN:
                return
            if self._clock() < self._closed_again:
                raise UpstreamUnavailableError("lotus-core has failed repeatedly; it is asked again in some seconds.")
            # This call tries; until it has ended, or for as long again, the others do not.
            self._closed_again = self._clock() + OPEN_SECONDS

    def note(self, *, is_success: bool) -> None:
        """Take down how a call has ended."""
        with self._lock:
            self._failures = 0 if is_success else self._failures + 1
            if self._failures >= FAILURES_TO_OPEN:
                self._closed_again = self._clock() + OPEN_SECONDS


class CoreClient:
    """Asks lotus-core; one object a process, used by all of its threads.

    Parameters
    ----------
    base_url : str
        Where lotus-core is, without a slash at the end.
    timeout : float
        Seconds to wait for a connection, and for each part of an answer.
    max_retries : int
        Attempts after the first, of each call.
    n_calls : int
        Calls that are made at the same time.
    n_requests : int
        Requests that may wait for lotus-core at the same time; others are refused at once, so that there are always
        threads for what does not need it.
    """

    def __init__(self, base_url: str, timeout: float, max_retries: int, n_calls: int = 8, n_requests: int = 32) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self.max_retries = max_retries
        self.breaker = Breaker()
        self._requests = threading.BoundedSemaphore(n_requests)
        # Threads and connections are made when they are first needed: after the server's fork.
        self._pool = ThreadPoolExecutor(n_calls, thread_name_prefix="core")
        self._http = requests.Session()
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._http.trust_env = False  # no proxy, no .netrc: what is asked is in the settings alone
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=n_calls, max_retries=0)
        self._http.mount("http://", adapter)
        self._http.mount("https://", adapter)

    @property
    def total_seconds(self) -> float:
        """Seconds after which a request has its answer, whatever lotus-core does."""
        return min(MAX_TOTAL_SECONDS, self.timeout * (self.max_retries + 1))

    @contextmanager
    def session(self, headers: Mapping[str, str]) -> Iterator[Session]:
        """Give what the calls for one request share; raise UpstreamUnavailableError when too many wait already."""
        if not self._requests.acquire(blocking=False):
            raise UpstreamUnavailableError("Too many requests are waiting for lotus-core.")
        try:
            yield Session(headers, time.monotonic() + self.total_seconds)
        finally:
            self._requests.release()

    # ------------------------------------------------------------------ questions
    #
    # Each is asked at once, and returns a function that waits for the answer: so all are under way at the same time.
    # That function raises ResourceNotFoundError where lotus-core does not know the portfolio or has no benchmark for
    # it, and UpstreamUnavailableError where it does not answer, or not as it should.

    def portfolio_values(
        self, session: Session, asked: Asked, windows: Sequence[tuple[Day, Day]]
    ) -> Callable[[], PortfolioValues]:
        """Ask for the daily values of a portfolio."""
        path = f"/integration/portfolios/{_quoted(asked.portfolio_id)}/analytics/portfolio-timeseries"
        calls = [self._later(self._all_pages, session, path, asked, each) for each in windows]
        return lambda: _portfolio_of(self._together(session, calls), path)

    def benchmark_id(self, session: Session, asked: Asked) -> Callable[[], str]:
        """Ask for the benchmark that a portfolio is compared with."""
        path = f"/integration/portfolios/{_quoted(asked.portfolio_id)}/benchmark-assignment"
        body: dict[str, Any] = {"as_of_date": str(asked.as_of), "consumer_system": asked.consumer_system}
        if asked.currency:
            body["reporting_currency"] = asked.currency
        calls = [self._later(self._ask, session, path, body, "a benchmark of the portfolio")]
        return lambda: _benchmark_of(self._together(session, calls)[0], path)

    def benchmark_returns(
        self, session: Session, asked: Asked, benchmark_id: str, windows: Sequence[tuple[Day, Day]]
    ) -> Callable[[], SentReturns]:
        """Ask for the returns of a benchmark."""
        path = f"/integration/benchmarks/{_quoted(benchmark_id)}/return-series"
        names, place = ("series_date", "benchmark_return"), ("series_selection", "include_benchmark")
        calls = [self._later(self._points, session, path, asked.body(each), each, names) for each in windows]
        return lambda: _joined(self._together(session, calls), path, place)

    def risk_free_returns(
        self, session: Session, asked: Asked, windows: Sequence[tuple[Day, Day]]
    ) -> Callable[[], SentReturns]:
        """Ask for the risk-free returns of a currency."""
        path = "/integration/reference/risk-free-series"
        names, place = ("series_date", "value"), ("series_selection", "include_risk_free")
        more = {"currency": asked.currency, "series_mode": "return_series"}
        calls = [self._later(self._points, session, path, asked.body(each) | more, each, names) for each in windows]
        return lambda: _joined(self._together(session, calls), path, place)

    # ------------------------------------------------------------------ many calls at the same time

    def _later(self, call: Callable[..., T], *arguments: Any) -> "Future[T]":
        # With the id of the request, for the lines of the log.
        return self._pool.submit(copy_context().run, call, *arguments)

    @staticmethod
    def _together(session: Session, calls: "Sequence[Future[T]]") -> list[T]:
        """Return what calls give that are under way; none of them is waited for beyond the deadline."""
        try:
            return [call.result(max(0.0, session.seconds_left)) for call in calls]
        except FutureTimeoutError:
            raise _too_late() from None
        finally:
            for call in calls:
                call.cancel()

    # ------------------------------------------------------------------ one window

    def _all_pages(self, session: Session, path: str, asked: Asked, window: tuple[Day, Day]) -> _Page:
        """Return a window of a portfolio, all of its pages as one."""
        rows: list[tuple[Day, float, float, float, float]] = []
        token: str | None = None
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            page: dict[str, Any] = {"page_size": PAGE_SIZE}
            body = asked.body(window) | {"page": page | ({"page_token": token} if token else {})}
            found = _page_of(self._ask(session, path, body, "the portfolio"), path, window)
            rows += found.rows
            token = found.token
            if token is None:
                return _Page(found.opened, rows, None)
            if token in seen:
                raise _not_understood(path, "a page token is there again")
            seen.add(token)
        raise _not_understood(path, f"a window of a year has more than {MAX_PAGES} pages")

    def _points(
        self, session: Session, path: str, body: Mapping[str, Any], window: tuple[Day, Day], names: tuple[str, str]
    ) -> list[tuple[Day, float]]:
        """Return a window of a series of returns."""
        document = self._ask(session, path, body, "the series")
        if document.get("next_page_token") is not None:
            raise _not_understood(path, "a part of a series is answered where the whole is asked for")
        date_name, value_name = names
        return [
            (_date_in(row, date_name, window, path), _number_in(row, value_name, path, MAX_RETURN))
            for row in _rows_in(document, "points", path)
        ]

    # ------------------------------------------------------------------ one call

    def _ask(self, session: Session, path: str, body: Mapping[str, Any], what: str) -> dict[str, Any]:
        """Return the answer to a question, after as many attempts as are allowed and as there is time for."""
        text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
        reason = ""
        for attempt in range(self.max_retries + 1):
            self.breaker.refuse_open()
            try:
                status, answer = self._attempt(session, path, text)
            except _TemporaryError as error:
                self.breaker.note(is_success=False)
                reason = str(error)
                names = {"operation": path[:256], "attempt": attempt + 1, **_correlation(session)}
                logger.warning("lotus-core: %s", reason, extra=names)
                pause = _pause(attempt) if error.pause is None else error.pause
                if attempt == self.max_retries or pause >= session.seconds_left:
                    break
                time.sleep(pause)
                continue
            self.breaker.note(is_success=True)
            fingerprint = _sha256(path.encode() + b"\n" + text)
            if status == 404:
                raise ResourceNotFoundError(f"lotus-core does not know {what}.")
            if status != 200:
                names = {"operation": path[:256], "status": status, **_correlation(session)}
                logger.warning("lotus-core: the question is refused", extra=names)
                raise UpstreamUnavailableError(f"lotus-core refuses the question with status {status}.")
            session.snapshots.append(Snapshot(path, fingerprint, _sha256(answer)))
            return _document(answer, path)
        raise UpstreamUnavailableError(f"lotus-core is not available: {reason}.")

    def _attempt(self, session: Session, path: str, text: bytes) -> tuple[int, bytes]:
        """Return status and body of one answer."""
        seconds = min(self.timeout, session.seconds_left)
        if seconds <= 0:
            raise _too_late()
        headers = {**session.headers, "Content-Type": "application/json", "Accept": "application/json"}
        try:
            with self._http.post(
                self.base_url + path,
                data=text,
                headers={**headers, "Accept-Encoding": "identity"},
                timeout=seconds,
                stream=True,
                allow_redirects=False,
            ) as answer:
                status = answer.status_code
                if status == 429 or status >= 500:
                    pause = _seconds_of(answer.headers.get("Retry-After")) if status in (429, 503) else None
                    raise _TemporaryError(f"it answers with status {status}", pause)
                return status, self._body(session, answer)
        except requests.Timeout:
            raise _TemporaryError("it does not answer in time") from None
        except (requests.RequestException, HTTPError, OSError):
            raise _TemporaryError("the connection fails") from None

    def _body(self, session: Session, answer: requests.Response) -> bytes:
        """Return the body of an answer; neither its size nor its slowness is without bounds."""
        parts, size = [], 0
        give_up = min(time.monotonic() + self.timeout, session.deadline)
        while part := answer.raw.read1(65_536):
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise UpstreamUnavailableError("lotus-core answers with more than is taken.")
            if time.monotonic() > give_up:
                raise _TemporaryError("it does not end its answer in time")
        return b"".join(parts)


# ---------------------------------------------------------------------- windows


def windows_of(start: Day, end: Day) -> list[tuple[Day, Day]]:
    """Return a window in pieces of a year."""
    starts = np.arange(start, end + 1, WINDOW_DAYS)
    return [(first, min(first + WINDOW_DAYS - 1, end)) for first in starts]


# ---------------------------------------------------------------------- answers


def _document(text: bytes, path: str) -> dict[str, Any]:
    try:
        document = load_json(text)
    except MalformedJsonError:
        raise _not_understood(path, "it is no JSON document") from None
    if not isinstance(document, dict):
        raise _not_understood(path, "it is no object")
    return document


def _portfolio_of(parts: Sequence[_Page], path: str) -> PortfolioValues:
    """Return the windows of a portfolio as one."""
    if len({part.opened for part in parts}) != 1:
        raise _not_understood(path, "portfolio_open_date differs from window to window")
    rows = [row for part in parts for row in part.rows]
    dates = np.array([row[0] for row in rows], dtype="datetime64[D]")
    if len(np.unique(dates)) != len(dates):
        raise _not_understood(path, "a valuation_date is there twice")
    names = ("begin_mv", "end_mv", "bod_cf", "eod_cf")
    money = {name: np.array([row[i] for row in rows], dtype=np.float64) for i, name in enumerate(names, start=1)}
    money["mgmt_fees"] = np.zeros(len(rows))
    return PortfolioValues(parts[0].opened, order_by_date(dates, money, ("series_selection", "include_portfolio")))


def _benchmark_of(document: Mapping[str, Any], path: str) -> str:
    found = document.get("benchmark_id")
    if type(found) is not str or not found.strip() or len(found) > MAX_TOKEN_LENGTH:
        raise _not_understood(path, "benchmark_id is no text")
    return found


def _page_of(document: Mapping[str, Any], path: str, window: tuple[Day, Day]) -> _Page:
    opened = _date(document.get("portfolio_open_date"))
    if opened is None:
        raise _not_understood(path, "portfolio_open_date is no date")
    token = document.get("next_page_token")
    if token is not None and (type(token) is not str or not 0 < len(token) <= MAX_TOKEN_LENGTH):
        raise _not_understood(path, "next_page_token is no text")
    rows = []
    for row in _rows_in(document, "observations", path):
        bod, eod = _flows(row, path)
        begin_mv, end_mv = (_number_in(row, f"{when}_market_value", path) for when in ("beginning", "ending"))
        rows.append((_date_in(row, "valuation_date", window, path), begin_mv, end_mv, bod, eod))
    return _Page(opened, rows, token)


def _flows(row: Mapping[str, Any], path: str) -> tuple[float, float]:
    """Return the flows of a day, before trading and after."""
    sums = {"bod": 0.0, "eod": 0.0}
    for flow in _rows_in(row, "cash_flows", path) if "cash_flows" in row else ():
        timing = flow.get("timing")
        if type(timing) is not str or timing not in sums:
            raise _not_understood(path, "timing is neither bod nor eod")
        sums[timing] += _number_in(flow, "amount", path)
    return sums["bod"], sums["eod"]


def _rows_in(document: Mapping[str, Any], name: str, path: str) -> list[dict[str, Any]]:
    rows = document.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _not_understood(path, f"{name} is no list of objects")
    return rows


def _date_in(row: Mapping[str, Any], name: str, window: tuple[Day, Day], path: str) -> Day:
    date = _date(row.get(name))
    if date is None or not window[0] <= date <= window[1]:
        raise _not_understood(path, f"{name} is no date of the window")
    return date


def _date(text: Any) -> Day | None:
    if type(text) is not str or not _DATE.fullmatch(text) or text < "0001":
        return None
    try:
        return np.datetime64(text, "D")
    except ValueError:
        return None


def _number_in(row: Mapping[str, Any], name: str, path: str, most: float = math.inf) -> float:
    """Return a number, which lotus-core may write as text to keep all of its digits."""
    value = row.get(name)
    if type(value) is str and DECIMAL_TEXT.fullmatch(value):
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= most or math.isinf(value):
        raise _not_understood(path, f"{name} is no number")
    return float(value)


def _joined(parts: Sequence[list[tuple[Day, float]]], path: str, place: tuple[str, ...]) -> SentReturns:
    rows = sorted(row for part in parts for row in part)
    date = np.array([row[0] for row in rows], dtype="datetime64[D]")
    if (date[1:] == date[:-1]).any():
        raise _not_understood(path, "a series_date is there twice")
    return SentReturns(date, np.array([row[1] for row in rows], dtype=np.float64), place)


def _not_understood(path: str, why: str) -> UpstreamUnavailableError:
    logger.warning("lotus-core: an answer is not understood: %s", why, extra={"operation": path[:256]})
    return UpstreamUnavailableError(f"lotus-core answers in a form that is not understood: {why}.")


def _too_late() -> UpstreamUnavailableError:
    return UpstreamUnavailableError("lotus-core does not answer in time.")


def _quoted(identity: str) -> str:
    """Return an id as one step of a path, whatever it holds."""
    step = quote(identity, safe="")
    # Dots stand for steps up; HTTP libraries resolve them, written as %2E or not.
    if not step.strip("."):
        raise ResourceNotFoundError("lotus-core knows nothing under this id.")
    return step


def _correlation(session: Session) -> dict[str, str | None]:
    return {"correlation_id": session.headers.get("X-Correlation-Id")}


def _sha256(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def _pause(attempt: int) -> float:
    """Return the seconds before the next attempt: twice as many each time, less up to all of them by chance."""
    return random.random() * min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**attempt)  # noqa: S311 -- no secret


def _seconds_of(text: str | None) -> float | None:
    """Return the seconds of `Retry-After`, which is a number or a date; None where it is neither."""
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 9:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
