"""Series of returns: those of the request at once, those of lotus-core recorded, long ones left to the worker."""

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lotus_performance.clients.core import Asked, CoreClient, PortfolioValues, Session, Snapshot, windows_of
from lotus_performance.engine import ENGINE_VERSION
from lotus_performance.engine.returns_series import (
    Points,
    RelativePeriod,
    ResolvedWindow,
    ReturnsRequest,
    SeriesName,
    WindowMode,
    compounded,
    portfolio_points,
    resolve_window,
)
from lotus_performance.errors import (
    ExecutionNotFoundError,
    Fault,
    InvalidRequestError,
    ResourceNotFoundError,
    UpstreamUnavailableError,
)
from lotus_performance.jobs.run import calculation_hash_of, ticket_of, unexpected_is_failed
from lotus_performance.schemas.limits import Limits
from lotus_performance.schemas.returns_series import ReturnsSeriesRequestSchema
from lotus_performance.services.returns_series import answer_of, stateless_answer
from lotus_performance.storage.executions import Execution, ExecutionMode, Executions, Payload, Ticket, sha256_of
from lotus_performance.storage.tables import utc_now
from lotus_performance.strict_json import dump_json, load_json

logger = logging.getLogger(__name__)

ANALYTICS_TYPE = "returns_series"
ASYNC_DAYS = 180
"""Windows of so many days and more are left to the worker."""


@dataclass(frozen=True)
class Sourced:
    """What lotus-core had to tell, as series at the requested frequency."""

    window: ResolvedWindow
    points: list[Points]
    snapshots: list[Snapshot]


class ReturnsJobs:
    """Answers requests for series of returns; one object a process."""

    def __init__(self, limits: Limits, core: CoreClient | None = None, executions: Executions | None = None) -> None:
        self.core = core
        self.executions = executions
        self.schema = ReturnsSeriesRequestSchema(limits=limits)

    def answer(self, request: ReturnsRequest, headers: Mapping[str, str]) -> bytes | Execution:
        """Return the answer as JSON text, or the execution in which a worker will find it.

        Raises
        ------
        PerformanceError
            What the calculation refuses.
        UpstreamUnavailableError
            lotus-core is not configured, or does not answer as it should.
        StorageUnavailableError
            The calculation cannot be recorded.
        """
        ticket = _ticket(request)
        if not request.is_stateful:
            return self._body(request, ticket, headers)
        if not is_since_inception(request):
            refuse_long(resolve_window(request.window, request.as_of), request.max_dates)
        self._core()
        if self.executions is None:
            return self._body(request, ticket, headers)
        if is_asynchronous(request):
            self.executions.enqueue(replace(ticket, mode=ExecutionMode.ASYNC), request.canonical)
            return self.executions.get(ticket.execution_id)
        started = utc_now()
        body = self._body(request, ticket, headers)
        self.executions.record(ticket, request.canonical, body, sha256_of(body), started)
        return body

    def found(self, execution_id: str) -> Execution:
        """Return the execution of an earlier answer; raises ResourceNotFoundError."""
        try:
            found = self._kept().get(execution_id)
        except ExecutionNotFoundError:
            found = None
        if found is None or found.analytics_type != ANALYTICS_TYPE:
            raise ResourceNotFoundError("There is no series of returns under this id.")
        return found

    # ------------------------------------------------------------------ in the worker

    def recalculated(self, execution: Execution, payload: Payload) -> tuple[bytes, str]:
        """Return the answer to a stored request, and its hash; raises what `answer` raises."""
        request: ReturnsRequest = self.schema.load(load_json(payload.request))
        body = self._body(request, ticket_of(execution), {"X-Correlation-Id": execution.execution_id})
        return body, sha256_of(body)

    # ------------------------------------------------------------------ answers

    def _body(self, request: ReturnsRequest, ticket: Ticket, headers: Mapping[str, str]) -> bytes:
        with unexpected_is_failed(ticket):
            sourced = self._sourced(request, headers) if request.is_stateful else None
            told = stateless_answer(request) if sourced is None else answer_of(request, sourced.window, sourced.points)
        provenance: dict[str, Any] = {
            "input_mode": "stateless" if sourced is None else "stateful",
            "input_fingerprint": ticket.input_fingerprint,
            "calculation_hash": ticket.calculation_hash,
        }
        if sourced is not None:
            provenance["upstream"] = [
                {"service": "lotus-core", **snapshot._asdict()} for snapshot in sorted(sourced.snapshots)
            ]
            if self.executions is not None:
                told["metadata"]["calculation_id"] = ticket.execution_id
        return dump_json({**told, "provenance": provenance})

    # ------------------------------------------------------------------ what lotus-core has

    def _kept(self) -> Executions:
        if self.executions is None:
            raise ExecutionNotFoundError("Nothing is recorded here.")
        return self.executions

    def _core(self) -> CoreClient:
        if self.core is None:
            raise UpstreamUnavailableError("No lotus-core is configured here: CORE_QUERY_BASE_URL is not set.")
        return self.core

    def _sourced(self, request: ReturnsRequest, headers: Mapping[str, str]) -> Sourced:
        core = self._core()
        asked = Asked(request.portfolio_id, request.as_of, request.consumer_system or "", request.currency)
        with core.session(headers) as session:
            opened = None
            if is_since_inception(request):
                opened = core.portfolio_values(session, asked, [(request.as_of, request.as_of)])().opened
            window = resolve_window(request.window, request.as_of, opened)
            refuse_long(window, request.max_dates)
            waiting = [_question(core, session, asked, request, name, window) for name in request.selected]
            return Sourced(window, [points() for points in waiting], list(session.snapshots))


def _question(
    core: CoreClient, session: Session, asked: Asked, request: ReturnsRequest, name: SeriesName, window: ResolvedWindow
) -> Callable[[], Points]:
    """Ask for one series, and return a function that waits for it and returns it at the requested frequency."""
    windows = windows_of(window.start, window.end)
    if name is SeriesName.PORTFOLIO:
        values = core.portfolio_values(session, asked, windows)
        return lambda: _portfolio_points(values(), request, window)
    if name is SeriesName.RISK_FREE:
        risk_free = core.risk_free_returns(session, asked, windows)
        return lambda: compounded(name, risk_free(), request.frequency, window)
    assigned = core.benchmark_id(session, asked)
    return lambda: compounded(
        name, core.benchmark_returns(session, asked, assigned(), windows)(), request.frequency, window
    )


def _portfolio_points(found: PortfolioValues, request: ReturnsRequest, window: ResolvedWindow) -> Points:
    return portfolio_points(found.values, found.opened, request.basis, request.frequency, window)


def is_asynchronous(request: ReturnsRequest) -> bool:
    """Return whether a window is so long that nobody is to wait for it; of one since inception nobody knows."""
    if is_since_inception(request):
        return True
    return _n_days(resolve_window(request.window, request.as_of)) >= ASYNC_DAYS


def is_since_inception(request: ReturnsRequest) -> bool:
    """Return whether the window starts on a day that lotus-core has to tell."""
    return request.window.mode is WindowMode.RELATIVE and request.window.period is RelativePeriod.SI


def refuse_long(window: ResolvedWindow, max_days: int) -> None:
    """Refuse a window of more days than lotus-core is asked for."""
    if _n_days(window) > max_days:
        raise InvalidRequestError(
            f"The window {window.start} to {window.end} is {_n_days(window)} days long; lotus-core is asked for at "
            f"most {max_days}.",
            faults=[Fault(("window",), f"is {_n_days(window)} days long; at most {max_days} are allowed")],
        )


def _n_days(window: ResolvedWindow) -> int:
    return int((window.end - window.start).astype(np.int64)) + 1


def _ticket(request: ReturnsRequest) -> Ticket:
    """Return what identifies the execution of a request."""
    fingerprint = sha256_of(request.canonical)
    window = {"from_date": request.window.start, "to_date": request.window.end, "as_of_date": request.as_of}
    return Ticket(
        execution_id=str(uuid.uuid4()),
        analytics_type=ANALYTICS_TYPE,
        portfolio_id=request.portfolio_id,
        requested_window={name: str(day) for name, day in window.items() if day is not None},
        engine_version=ENGINE_VERSION,
        input_fingerprint=fingerprint,
        calculation_hash=calculation_hash_of(fingerprint),
    )
