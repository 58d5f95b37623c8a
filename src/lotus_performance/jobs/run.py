"""Running one calculation: fingerprints, hashes, recording, and the one `try`."""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from werkzeug.exceptions import HTTPException

from lotus_performance.engine import ENGINE_VERSION
from lotus_performance.engine.requests import Request
from lotus_performance.errors import (
    CalculationError,
    ConflictError,
    ExecutionNotFoundError,
    LineageUnavailableError,
    PerformanceError,
    StorageUnavailableError,
)
from lotus_performance.services.result import Result
from lotus_performance.storage.executions import Execution, ExecutionMode, Executions, Status, Ticket, sha256_of
from lotus_performance.storage.tables import utc_now
from lotus_performance.strict_json import dump_json

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Request)

WAIT_SECONDS = 20.0
"""How long a request waits for another that calculates the same under the same id."""
CLAIM_SECONDS = 1.0
"""How often such a request tries to take the calculation over."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request as JSON text, the hash of its figures, and the result that it tells."""

    body: bytes
    result_hash: str
    result: Result


class Jobs:
    """Runs calculations and records them, where there is a place to record them in; one object an application.

    `write_lineage` is called with the id of each recorded calculation before its answer goes out.
    """

    def __init__(
        self, executions: Executions | None = None, write_lineage: Callable[[str], object] | None = None
    ) -> None:
        self.executions = executions
        self.write_lineage = write_lineage

    def run(self, analytics_type: str, request: R, calculate: Callable[[R], Result]) -> bytes:
        """Return the answer to a request as JSON text.

        Raises
        ------
        PerformanceError
            What the calculation refuses.
        CalculationError
            The calculation failed in a way that it does not know: our fault.
        ConflictError
            The id of the calculation stands for other data already.
        StorageUnavailableError
            The calculation cannot be recorded at the moment.
        """
        ticket = make_ticket(analytics_type, request)
        if self.executions is None:
            return calculated(ticket, request, calculate).body
        is_named = request.calculation_id is not None
        if is_named:
            stored = self._claim(self.executions, ticket, request.canonical)
            if stored is not None:
                return stored
        started = utc_now()
        try:
            answer = calculated(ticket, request, calculate)
        except CalculationError as error:
            self._record_failure(ticket, request, error, started)
            raise
        except (HTTPException, PerformanceError) as error:
            # RFC-0023: an intended 4xx never turns into a 500. What is refused does not occupy the id.
            if is_named:
                self.executions.refuse(ticket, problem_of(error))
            raise
        body = answer.body
        if not is_named:
            self.executions.record(ticket, request.canonical, body, answer.result_hash, started)
        while is_named and not self.executions.complete(ticket, body, answer.result_hash):
            # It took longer than the lease, and somebody else was first.
            stored = self._claim(self.executions, ticket, request.canonical)
            if stored is not None:
                return stored
        self._write_lineage(ticket)
        return body

    def _write_lineage(self, ticket: Ticket) -> None:
        if self.write_lineage is None:
            return
        try:
            self.write_lineage(ticket.execution_id)
        except LineageUnavailableError as error:
            raise StorageUnavailableError("The calculation cannot be recorded; try again.") from error

    def enqueue(self, analytics_type: str, request: Request) -> Execution | None:
        """Leave a request to a worker; return its execution, None where nothing is recorded.

        Raises
        ------
        ConflictError
            The id of the calculation stands for other data already.
        StorageUnavailableError
            The request cannot be kept at the moment.
        """
        if self.executions is None:
            return None
        ticket = replace(make_ticket(analytics_type, request), mode=ExecutionMode.ASYNC)
        known = self.executions.enqueue(ticket, request.canonical)
        if known is not None:
            _refuse_other_data(known, ticket)
        return self.executions.get(ticket.execution_id)

    def _claim(self, executions: Executions, ticket: Ticket, canonical: bytes) -> bytes | None:
        """Return the answer that stands under an id already, None when the id is ours to answer."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            try:
                known = executions.claim(ticket, canonical)
                if known is None:
                    return None
                _refuse_other_data(known, ticket)
                if executions.settled(ticket.execution_id, CLAIM_SECONDS).status is Status.COMPLETE:
                    self._write_lineage(ticket)
                    return executions.payload(ticket.execution_id).answer
            except ExecutionNotFoundError:
                pass  # refused in the meantime: the id is free again
        raise StorageUnavailableError("The same calculation is running; ask again for its answer.")

    def _record_failure(self, ticket: Ticket, request: Request, error: PerformanceError, started: str) -> None:
        if self.executions is None:
            return
        try:
            self.executions.fail(ticket, request.canonical, problem_of(error), started)
        except StorageUnavailableError:
            logger.warning("a failure could not be recorded", extra={"fingerprint": ticket.input_fingerprint})


def calculated(ticket: Ticket, request: R, calculate: Callable[[R], Result]) -> Answer:
    """Return the answer to a request.

    Raises
    ------
    HTTPException, PerformanceError
        What the calculation refuses, as it stands.
    CalculationError
        The calculation failed in a way that it does not know.
    """
    with unexpected_is_failed(ticket):
        return _assembled(ticket, calculate(request))


@contextmanager
def unexpected_is_failed(ticket: Ticket) -> Iterator[None]:
    """Turn what a calculation does not know into CalculationError: our fault. The one such place, see RFC-0023."""
    try:
        yield
    except (HTTPException, PerformanceError):
        raise
    except Exception as error:
        names = {"analytics_type": ticket.analytics_type, "fingerprint": ticket.input_fingerprint}
        logger.exception("calculation failed", extra=names)
        raise CalculationError("The calculation failed unexpectedly; the error has been logged.") from error


def make_ticket(analytics_type: str, request: Request) -> Ticket:
    """Return what identifies the execution of a request; an id is made where none was sent."""
    fingerprint = sha256_of(request.canonical)
    return Ticket(
        execution_id=request.calculation_id or str(uuid.uuid4()),
        analytics_type=analytics_type,
        portfolio_id=request.portfolio_id,
        requested_window=request.requested_window,
        engine_version=ENGINE_VERSION,
        input_fingerprint=fingerprint,
        calculation_hash=calculation_hash_of(fingerprint),
    )


def ticket_of(execution: Execution) -> Ticket:
    """Return the ticket under which this version of the engine answers a recorded request."""
    return Ticket(
        execution_id=execution.execution_id,
        analytics_type=execution.analytics_type,
        portfolio_id=execution.portfolio_id,
        requested_window=execution.requested_window,
        engine_version=ENGINE_VERSION,
        input_fingerprint=execution.input_fingerprint,
        calculation_hash=calculation_hash_of(execution.input_fingerprint),
    )


def problem_of(error: PerformanceError | HTTPException) -> dict[str, Any]:
    """Return an error as it is kept with a failed execution."""
    if isinstance(error, HTTPException):
        return {"code": CalculationError.code, "detail": error.description or error.name, "faults": [], "n_faults": 0}
    faults = [{"place": list(fault.place), "detail": fault.detail, "row": dict(fault.row)} for fault in error.faults]
    return {"code": error.code, "detail": error.message, "faults": faults[:100], "n_faults": len(faults)}


def calculation_hash_of(fingerprint: str, engine_version: str = ENGINE_VERSION) -> str:
    """Return the hash of a request and the version of the engine that answers it."""
    return sha256_of(f"{engine_version}\n{fingerprint}".encode())


def _refuse_other_data(known: Execution, ticket: Ticket) -> None:
    is_same: Mapping[str, bool] = {
        "analytics": known.analytics_type == ticket.analytics_type,
        "data": known.input_fingerprint == ticket.input_fingerprint,
    }
    if not all(is_same.values()):
        what = " and ".join(name for name, same in is_same.items() if not same)
        raise ConflictError(
            f"calculation_id {ticket.execution_id} stands for a calculation with other {what}; send a new id."
        )


def _assembled(ticket: Ticket, result: Result) -> Answer:
    # Written once: what is hashed is what is sent.
    figures = dump_json(result.figures)
    result_hash = sha256_of(figures)
    meta = {
        "calculation_id": ticket.execution_id,
        **result.meta,
        "input_fingerprint": ticket.input_fingerprint,
        "calculation_hash": ticket.calculation_hash,
        "result_hash": result_hash,
    }
    head = dump_json({"calculation_id": ticket.execution_id, "portfolio_id": ticket.portfolio_id})
    tail = dump_json({**result.details, "meta": meta, "diagnostics": result.diagnostics, "audit": result.audit})
    # The members of three objects, made one object without reading the long one again.
    return Answer(b"".join((head[:-1], b",", memoryview(figures)[1:-1], b",", tail[1:])), result_hash, result)
