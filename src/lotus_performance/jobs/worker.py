"""The worker: answers what was left to it, and writes lineage behind the answers."""

import logging
import threading
from collections.abc import Callable, Mapping

from lotus_performance.errors import (
    CalculationError,
    ExecutionNotFoundError,
    LineageUnavailableError,
    PerformanceError,
    StorageError,
    StorageUnavailableError,
)
from lotus_performance.jobs.lineage import Lineage, recalculated
from lotus_performance.jobs.run import problem_of, ticket_of
from lotus_performance.storage.executions import MAX_ATTEMPTS, Execution, Status

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.05
FAULT_SECONDS = 1.0
GIVEN_UP = "The calculation failed unexpectedly; the error has been logged."


class Worker:
    """One process that does what waits in the database; any number of them may run, on any machine."""

    def __init__(self, lineage: Lineage, others: Mapping[str, Callable[[Execution], None]] | None = None) -> None:
        self.lineage = lineage
        self.others = others or {}
        """What answers executions of further kinds, by their `analytics_type`."""
        self.executions = lineage.executions

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
        execution = self.executions.claim_next()
        if execution is None:
            return False
        if execution.status is Status.COMPLETE:
            self.lineage.materialise(execution)
        elif execution.analytics_type in self.others:
            self.others[execution.analytics_type](execution)
        else:
            self._calculate(execution)
        return True

    def _sweep(self) -> None:
        try:
            self.lineage.artifacts.sweep()
        except LineageUnavailableError as error:
            logger.warning("left-overs could not be removed: %s", error.message)

    def _calculate(self, execution: Execution) -> None:
        ticket = ticket_of(execution)
        if execution.attempts > MAX_ATTEMPTS:  # whoever was at it was killed, again and again
            self.executions.fail(ticket, None, problem_of(CalculationError(GIVEN_UP)), execution.created_at_utc)
            return
        try:
            payload = self.executions.payload(execution.execution_id)
            answer = recalculated(execution, payload)
        except (StorageUnavailableError, ExecutionNotFoundError):
            raise
        except Exception as error:
            refusal = error if isinstance(error, PerformanceError) else CalculationError(GIVEN_UP)
            if refusal is not error:
                logger.exception("a stored request could not be read", extra={"execution_id": execution.execution_id})
            if isinstance(refusal, CalculationError) and execution.attempts < MAX_ATTEMPTS:
                self.executions.postpone(execution, refusal.message)  # for want of memory or time, perhaps
            elif isinstance(refusal, CalculationError | StorageError):
                self.executions.fail(ticket, None, problem_of(refusal), execution.created_at_utc)
            else:
                self.executions.refuse(ticket, problem_of(refusal))
        else:
            self.executions.complete(ticket, answer.body, answer.result_hash)
