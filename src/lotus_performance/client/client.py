"""The client: one method for each endpoint."""

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast
from urllib.parse import quote

import requests

from lotus_performance.client import answers
from lotus_performance.client.answers import (
    Accepted,
    Attribution,
    Capabilities,
    Contribution,
    Execution,
    ExecutionPage,
    Lineage,
    Mwr,
    Replay,
    ReturnsSeries,
    Twr,
)
from lotus_performance.client.errors import (
    IntegrityError,
    InvalidInputError,
    StillRunningError,
    TransportError,
    UnavailableError,
)
from lotus_performance.client.http import Http, document_of
from lotus_performance.client.inputs import (
    AnalyticsType,
    AttributionRequest,
    ContributionRequest,
    MwrRequest,
    ReturnsSeriesRequest,
    TwrRequest,
)
from lotus_performance.client.tables import encode

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
PAUSE_SECONDS = 0.05

T = TypeVar("T")
Result = Twr | Mwr | Contribution | Attribution | ReturnsSeries


class Client:
    """Asks one lotus-performance; a context manager, and not for several threads at the same time.

    Keyword arguments of the methods are the members of the request by exactly the wire's names, and `runbook/api.md`
    describes them. Tables may be frames, columns or rows, and are sent as columns. A calculation without a
    `calculation_id` gets one here, so that a retry is answered with what the first attempt has calculated.

    Every method raises an `ApiError`: `UnavailableError` or `TransportError` after all retries, and those it names.

    Parameters
    ----------
    base_url : str
        Where the service is, such as ``http://127.0.0.1:8000``.
    timeout : float or (float, float)
        Seconds to wait for a connection and for each part of an answer; one number is both.
    retries : int
        Attempts after the first: when the connection fails or no answer comes in time, and after 429, 502, 503 and
        504. The pauses between them double from a quarter of a second on, up to half of each less by chance; where the
        service sends `Retry-After`, it is that long.
    max_wait : float
        Longest of these pauses in seconds, whatever `Retry-After` says.
    session : requests.Session, optional
        For headers, certificates or proxies of your own; it is not closed here.

    Raises
    ------
    ValueError
        A time-out is not positive, or `retries` or `max_wait` is negative.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float | tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
        retries: int = 4,
        max_wait: float = 30.0,
        session: requests.Session | None = None,
    ) -> None:
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        if not (connect > 0 and read > 0 and retries >= 0 and max_wait >= 0):
            raise ValueError("time-outs must be positive, retries and max_wait not negative")
        self._closes = session is None
        self._http = Http(base_url, (connect, read), retries, max_wait, session or requests.Session())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, unless the session is the caller's."""
        if self._closes:
            self._http.session.close()

    # ------------------------------------------------------------------ calculations

    def twr(self, **request: Unpack[TwrRequest]) -> Twr:
        """Return time-weighted returns, in percent.

        Raises `InvalidInputError`, `NotComputableError`, `ConflictError`.
        """
        return _read(answers.read_twr, self._calculate("twr", request))

    def mwr(self, **request: Unpack[MwrRequest]) -> Mwr:
        """Return the money-weighted return of a period and its rate per year, in percent.

        Raises `InvalidInputError`, `NotComputableError`, `ConflictError`.
        """
        return _read(answers.read_mwr, self._calculate("mwr", request))

    def contribution(self, **request: Unpack[ContributionRequest]) -> Contribution:
        """Return what positions and groups added to the return, in percent.

        Raises `InvalidInputError`, `NotComputableError`, `ConflictError`.
        """
        return _read(answers.read_contribution, self._calculate("contribution", request))

    def attribution(self, **request: Unpack[AttributionRequest]) -> Attribution:
        """Return the effects that make the difference to a benchmark, in percent; weights and returns in are fractions.

        Raises `InvalidInputError`, `NotComputableError`, `ConflictError`.
        """
        return _read(answers.read_attribution, self._calculate("attribution", request))

    def returns_series(self, *, timeout: float = 60.0, **request: Unpack[ReturnsSeriesRequest]) -> ReturnsSeries:
        """Return series of returns on common dates, as **fractions**.

        Long windows of lotus-core are answered later by the service; those are waited for, up to `timeout` seconds.

        Raises `InvalidInputError`, `NotComputableError`, `NotFoundError`; `StillRunningError`, whose `detail` names the
        execution: ask `returns_series_result` for it later.
        """
        document = self._post("/integration/returns/series", request)
        if "execution_id" not in document:
            return _read(answers.read_returns_series, document)
        return cast(ReturnsSeries, self.wait(document["execution_id"], timeout=timeout))

    def returns_series_result(self, execution_id: str) -> ReturnsSeries | None:
        """Return a series of returns that is answered later; None while there is none."""
        document = self._result(f"/integration/returns/series/results/{_step(execution_id)}")
        return None if document is None else _read(answers.read_returns_series, document)

    # ------------------------------------------------------------------ answered by a worker

    def submit(self, analytics_type: AnalyticsType, /, **request: Any) -> Accepted:
        """Leave a calculation to a worker (`Prefer: respond-async`) and return its `execution_id`.

        Raises `InvalidInputError`, `ConflictError`; what is wrong beyond the form of a request comes with its result.
        Raises `UnavailableError` where the service keeps nothing, and so answers at once.
        """
        answer = self._send_calculation(analytics_type, request, {"Prefer": "respond-async"})
        if answer.status_code != 202:
            raise UnavailableError(answer.status_code, "not_kept", "The service keeps nothing; ask it directly.")
        return _read(partial(answers.read, Accepted), document_of(answer))

    def wait(self, execution_id: str, *, timeout: float = 60.0) -> Result:
        """Return the answer of an execution as soon as it has ended.

        Raises `StillRunningError` after `timeout` seconds, `NotFoundError`, or the error with which it failed.
        """
        deadline = time.monotonic() + timeout
        while True:
            # The service answers this question when the execution ends, or after a second.
            execution = self.execution(execution_id)
            if execution.has_ended:
                return cast(Result, self.execution_result(execution_id))
            if time.monotonic() > deadline:
                detail = f"Execution {execution_id} has not ended after {timeout:g} seconds."
                raise StillRunningError(202, "still_running", detail)
            time.sleep(PAUSE_SECONDS)

    def execution(self, execution_id: str) -> Execution:
        """Return how an execution stands, after up to a second for one that has not ended. Raises `NotFoundError`."""
        return _read(partial(answers.read, Execution), self._get(f"/performance/executions/{_step(execution_id)}"))

    def executions(
        self,
        *,
        portfolio_id: str | None = None,
        analytics_type: str | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ExecutionPage:
        """Return a page of executions, the newest first. Raises `InvalidInputError`."""
        params = {
            "portfolio_id": portfolio_id,
            "analytics_type": analytics_type,
            "status": status,
            "limit": limit,
            "cursor": cursor,
        }
        return _read(answers.read_executions, self._get("/performance/executions", params))

    def execution_result(self, execution_id: str) -> Result | None:
        """Return the answer of an execution as it was or would have been sent; None while there is none.

        Raises `NotFoundError`, or the error with which the execution failed.
        """
        document = self._result(f"/performance/executions/{_step(execution_id)}/result")
        if document is None:
            return None
        return _read(answers.READERS[self.execution(execution_id).analytics_type], document)

    # ------------------------------------------------------------------ what is kept

    def lineage(self, calculation_id: str) -> Lineage:
        """Return what is kept of a calculation. Raises `NotFoundError`."""
        return _read(partial(answers.read, Lineage), self._get(f"/performance/lineage/{_step(calculation_id)}"))

    def artifact(self, calculation_id: str, name: str) -> bytes:
        """Return an artifact after comparing it with its checksum.

        Raises `NotFoundError`, or `IntegrityError` where it is not what was written.
        """
        listed = self.lineage(calculation_id).artifacts.get(name, {})
        content = self._http.send("GET", f"/lineage/{_step(calculation_id)}/{_step(name)}").content
        if hashlib.sha256(content).hexdigest() != listed.get("sha256"):
            detail = f"{name} of {calculation_id} is not what its manifest says: {len(content)} bytes came."
            raise IntegrityError(None, "integrity_error", detail)
        return content

    def replay(self, calculation_id: str) -> Replay:
        """Calculate anew from the stored request and compare. Raises `NotFoundError`, `InvalidInputError`."""
        answer = self._http.send("POST", f"/performance/lineage/{_step(calculation_id)}/replay")
        return _read(partial(answers.read, Replay), document_of(answer))

    # ------------------------------------------------------------------ the service

    def capabilities(
        self,
        *,
        consumer_system: str | None = None,
        tenant_id: str | None = None,
        feature_limit: int | None = None,
        workflow_limit: int | None = None,
    ) -> Capabilities:
        """Return what is open at the service. Raises `InvalidInputError`."""
        params = {
            "consumer_system": consumer_system,
            "tenant_id": tenant_id,
            "feature_limit": feature_limit,
            "workflow_limit": workflow_limit,
        }
        return _read(answers.read_capabilities, self._get("/integration/capabilities", params))

    def health(self) -> str:
        """Return ``ok`` from a service that runs."""
        return str(_read(itemgetter("status"), self._get("/health")))

    def live(self) -> str:
        """Return ``live`` from a service that runs, whatever its storage does."""
        return str(_read(itemgetter("status"), self._get("/health/live")))

    def ready(self) -> bool:
        """Return whether the service takes calculations; asked once, without retries.

        Raises `TransportError` where nothing answers.
        """
        try:
            self._http.send("GET", "/health/ready", retries=0)
        except UnavailableError:
            return False
        return True

    def version(self) -> str:
        """Return the version of the service."""
        return str(_read(itemgetter("version"), self._get("/")))

    # ------------------------------------------------------------------ requests

    def _calculate(self, analytics_type: AnalyticsType, request: Mapping[str, Any]) -> dict[str, Any]:
        return document_of(self._send_calculation(analytics_type, request))

    def _send_calculation(
        self, analytics_type: AnalyticsType, request: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        identified = {**request, "calculation_id": request.get("calculation_id") or str(uuid.uuid4())}
        return self._send_json(f"/performance/{_step(analytics_type)}", identified, headers)

    def _post(self, path: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return document_of(self._send_json(path, request))

    def _send_json(
        self, path: str, request: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        typed = {"Content-Type": "application/json", **(headers or {})}
        return self._http.send("POST", path, body=encode(request), headers=typed)

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return document_of(self._http.send("GET", path, params=params))

    def _result(self, path: str) -> dict[str, Any] | None:
        answer = self._http.send("GET", path)
        return None if answer.status_code == 202 else document_of(answer)


def _read(reader: Callable[[dict[str, Any]], T], document: dict[str, Any]) -> T:
    """Return an answer as an object; what is no answer of the service is told so."""
    try:
        return reader(document)
    except (LookupError, TypeError, ValueError) as error:
        detail = "The answer is not one of lotus-performance: is the URL right?"
        raise TransportError(200, "not_understood", detail) from error


def _step(text: object) -> str:
    """Return an id or a name as one step of a path."""
    step = quote(str(text), safe="")
    # Dots stand for steps up, which HTTP libraries take.
    if not step.strip("."):
        raise InvalidInputError(None, "invalid", f"{text!r} is no id or name.")
    return step
