"""The worker: answers what was left to it, and writes lineage behind the answers."""

import logging
import threading
from collections.abc import Callable, Mapping

from lotus_performance.errors import (
    CalculationError,
    ExecutionNotFoundError,
    IntegrityError,
    LineageUnavailableError,
    PerformanceError,
    StorageError,
    StorageUnavailableError,
    UpstreamUnavailableError,
)
from lotus_performance.jobs.lineage import Lineage, recalculated
from lotus_performance.jobs.run import problem_of, ticket_of
from lotus_performance.storage.executions import MAX_ATTEMPTS, Execution, Payload, Status

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.05
FAULT_SECONDS = 1.0
N_BESIDE = 4
"""Executions that wait for others and are answered beside the other work; with more the worker waits itself."""
GIVEN_UP = "The calculation failed unexpectedly; the error has been logged."

Calculate = Callable[[Execution, Payload], tuple[bytes, str]]
"""From an execution and its stored request to the answer as JSON text, and its result hash."""


class Worker:
    """One process that does what waits in the database; any number of them may run, on any machine."""

    def __init__(self, lineage: Lineage, others: Mapping[str, Calculate] | None = None) -> None:
        self.lineage = lineage
        self.others = others or {}
        """What answers executions that wait for others, by their `analytics_type`."""
        self.executions = lineage.executions
        self._beside = threading.BoundedSemaphore(N_BESIDE)

    def work_until(self, stop: threading.Event) -> None:
        """Work until told to stop; what was begun is ended first."""
        self._sweep()
        while not stop.is_set():
            try:
                if not self.work_once():
                    stop.wait(IDLE_SECONDS)
            except ExecutionNotFoundError:
                pass  # refused or removed while it was being claimed
            except (StorageUnavailableError, LineageUnavailableError) as error:
                logger.warning("storage is not available: %s", error.message)
                stop.wait(FAULT_SECONDS)

    def work_once(self) -> bool:
        """Do the oldest piece of work; return whether there was any."""
        try:
            execution = self.executions.claim_next(slow=self.others.keys())
        except IntegrityError as error:
            logger.error("set aside: %s", error.message)
            return True
        if execution is None:
            return False
        if execution.status is Status.COMPLETE:
            self.lineage.materialise(execution)
        elif execution.analytics_type not in self.others:
            self._calculate(execution, _again)
        elif self._beside.acquire(blocking=False):
            threading.Thread(target=self._calculate_beside, args=(execution,), name=execution.analytics_type).start()
        else:
            self._calculate(execution, self.others[execution.analytics_type])
        return True

    def _calculate_beside(self, execution: Execution) -> None:
        try:
            self._calculate(execution, self.others[execution.analytics_type])
        except ExecutionNotFoundError:
            pass  # removed in the meantime
        except StorageUnavailableError as error:
            # The lease runs out, and the execution is taken up again.
            logger.warning("storage is not available: %s", error.message)
        finally:
            self._beside.release()

    def _sweep(self) -> None:
        try:
            self.lineage.artifacts.sweep()
        except LineageUnavailableError as error:
            logger.warning("left-overs could not be removed: %s", error.message)

    def _calculate(self, execution: Execution, calculate: Calculate) -> None:
        ticket = ticket_of(execution)
        if execution.attempts > MAX_ATTEMPTS:  # whoever was at it was killed, again and again
            self.executions.fail(ticket, None, problem_of(CalculationError(GIVEN_UP)), execution.created_at_utc)
            return
        try:
            payload = self.executions.payload(execution.execution_id)
            body, result_hash = calculate(execution, payload)
        except (StorageUnavailableError, ExecutionNotFoundError):
            raise
        except Exception as error:
            refusal = error if isinstance(error, PerformanceError) else CalculationError(GIVEN_UP)
            if refusal is not error:
                logger.exception("a stored request could not be read", extra={"execution_id": execution.execution_id})
            may_pass = isinstance(refusal, CalculationError | UpstreamUnavailableError)
            if may_pass and execution.attempts < MAX_ATTEMPTS:
                self.executions.postpone(execution, refusal.message)  # for want of memory or time, perhaps
            elif may_pass or isinstance(refusal, StorageError):
                self.executions.fail(ticket, None, problem_of(refusal), execution.created_at_utc)
            else:
                self.executions.refuse(ticket, problem_of(refusal))
        else:
            self.executions.complete(ticket, body, result_hash)


def _again(execution: Execution, payload: Payload) -> tuple[bytes, str]:
    answer = recalculated(execution, payload)
    return answer.body, answer.result_hash
