"""Lineage of a calculation: its artifacts, written once and checked whenever they are read, and its replay."""

import logging
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from lotus_performance.engine import ENGINE_VERSION
from lotus_performance.errors import (
    ArtifactNotFoundError,
    ExecutionNotFoundError,
    IntegrityError,
    LineageUnavailableError,
    NotReadyError,
    PerformanceError,
    StorageSetupError,
    StorageUnavailableError,
)
from lotus_performance.jobs.analytics import ANALYTICS, stored_request
from lotus_performance.jobs.run import WAIT_SECONDS, Answer, calculated, calculation_hash_of, ticket_of
from lotus_performance.storage.artifacts import Artifacts
from lotus_performance.storage.executions import (
    MAX_ATTEMPTS,
    POLL_SECONDS,
    Execution,
    Executions,
    Payload,
    Status,
    sha256_of,
)
from lotus_performance.strict_json import dump_json

logger = logging.getLogger(__name__)

REQUEST, RESPONSE = "request.json", "response.json"
RELATIVE_TOLERANCE = 1e-9
CHECK_SECONDS = 1.0
PATIENCE_SECONDS = 1.0


class Lineage:
    """Artifacts of recorded calculations."""

    def __init__(self, executions: Executions, artifacts: Artifacts) -> None:
        self.executions = executions
        self.artifacts = artifacts
        self._checked = -CHECK_SECONDS - 1.0
        self._reason: str | None = None

    def prepare(self) -> None:
        """Make the places where calculations are kept, of this version; no connection stays open.

        Raises
        ------
        StorageSetupError, StorageUnavailableError
            They cannot be made or written.
        """
        try:
            self.artifacts.probe()
        except LineageUnavailableError:
            raise StorageSetupError(
                f"The folder {self.artifacts.root} cannot be written, or its disk is full."
            ) from None
        self.executions.database.migrate()
        self.executions.database.probe()
        self.executions.database.close()

    def ensure(self, execution_id: str) -> None:
        """Have the artifacts of an answered calculation written before this returns.

        Raises
        ------
        ExecutionNotFoundError
            There is no such calculation.
        LineageUnavailableError
            The disk does not take them.
        """
        end = time.monotonic() + WAIT_SECONDS
        while (execution := self.written(execution_id)).lineage_status is not Status.COMPLETE:
            if execution.lineage_status is Status.FAILED or time.monotonic() > end:
                raise LineageUnavailableError("The artifacts of this calculation are not written.")
            time.sleep(POLL_SECONDS)

    def written(self, execution_id: str) -> Execution:
        """Return an execution after its artifacts were written, unless it has no answer.

        Somebody else who is at them is waited for, a second at most: that is far longer than writing takes.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            execution = self.executions.get(execution_id)
            is_open = execution.lineage_status in (Status.PENDING, Status.RUNNING)
            if execution.status is not Status.COMPLETE or not is_open or time.monotonic() > end:
                return execution
            if self.executions.claim_lineage(execution_id):
                self.materialise(self.executions.get(execution_id))
                return self.executions.get(execution_id)
            time.sleep(POLL_SECONDS)

    def materialise(self, execution: Execution) -> None:
        """Write the artifacts of a calculation that this process has claimed.

        A disk that does not take them is asked again for as long as it needs; what cannot be made is set aside after
        some attempts.
        """
        try:
            files = self._files(execution, self.executions.payload(execution.execution_id))
        except (StorageUnavailableError, ExecutionNotFoundError):
            raise
        except Exception as error:
            logger.exception("lineage failed", extra={"execution_id": execution.execution_id})
            reason = error.message if isinstance(error, PerformanceError) else "The artifacts could not be made."
            if isinstance(error, IntegrityError) or execution.attempts >= MAX_ATTEMPTS:
                self.executions.give_up_lineage(execution.execution_id, reason)
            else:
                self.executions.postpone(execution, reason)
            return
        try:
            digest = self.artifacts.write(execution.execution_id, files, _about(execution))
        except LineageUnavailableError as error:
            self.executions.put_back(execution.execution_id, error.message)
            raise
        self.executions.finish_lineage(execution.execution_id, digest)

    def _files(self, execution: Execution, payload: Payload) -> dict[str, bytes]:
        if execution.attempts > MAX_ATTEMPTS:  # whoever was at it was killed, again and again
            raise IntegrityError("The artifacts could not be made.")
        files = {REQUEST: payload.request, RESPONSE: payload.answer}
        if execution.analytics_type not in ANALYTICS:
            return files
        again = recalculated(execution, payload)
        if again.result_hash == execution.result_hash:
            return files | again.result.workings()
        # Another version of the engine: its workings would not be those of the figures that were sent.
        return files

    def refuse_unready(self) -> None:
        """Raise NotReadyError when calculations cannot be recorded; asked of the system once a second at most."""
        now = time.monotonic()
        if now - self._checked > CHECK_SECONDS:
            self._reason, self._checked = self._fault(), now
        if self._reason:
            raise NotReadyError(self._reason)

    def _fault(self) -> str | None:
        try:
            self.executions.database.probe()
            self.artifacts.probe()
        except (StorageUnavailableError, LineageUnavailableError) as error:
            return f"Storage is not available: {error.message}"
        return None

    def view(self, execution_id: str) -> dict[str, Any]:
        """Return the manifest view of a calculation; what is pending is written now.

        Raises
        ------
        ExecutionNotFoundError, ManifestMissingError
            There is no such calculation; its manifest is not there.
        LineageUnavailableError, IntegrityError
            The disk does not answer; the manifest is broken.
        """
        execution = self.written(execution_id)
        status = execution.status if execution.status is not Status.COMPLETE else execution.lineage_status
        shown: dict[str, Any] = {
            "calculation_id": execution_id,
            "calculation_type": execution.analytics_type,
            "timestamp_utc": execution.completed_at_utc or execution.created_at_utc,
            "status": Status.PENDING if status is Status.RUNNING else status,
            "artifacts": {},
        }
        if status is Status.COMPLETE:
            listed = self.artifacts.listed(execution_id, execution.manifest_sha256)
            shown["artifacts"] = {
                name: {"url": f"/lineage/{execution_id}/{name}", **entry} for name, entry in listed.items()
            }
        elif status is Status.FAILED:
            problem = execution.problem or {}
            shown["error_message"] = execution.lineage_error or problem.get("detail", "The calculation failed.")
        return shown

    def artifact(self, execution_id: str, name: str) -> tuple[bytes, str]:
        """Return one artifact, found to be what was written, and its checksum; raises what `view` does, and
        ArtifactNotFoundError."""
        execution = self.written(execution_id)
        if execution.lineage_status is not Status.COMPLETE:
            raise ArtifactNotFoundError("The calculation has no artifacts, or not yet.")
        return self.artifacts.artifact(execution_id, name, execution.manifest_sha256)

    def faults(self, execution_id: str) -> list[str]:
        """Return what of a calculation is not as it was written, a sentence each.

        Payload and artifacts are hashed anew; row, payload and manifest must say the same.
        """
        try:
            execution = self.executions.get(execution_id)
        except ExecutionNotFoundError:
            return []  # removed in the meantime
        except IntegrityError as error:
            return [error.message]
        try:
            found = list(_contradictions(execution, self.executions.payload(execution_id)))
        except (IntegrityError, ExecutionNotFoundError) as error:
            found = [error.message]
        if execution.lineage_status is Status.COMPLETE:
            found += self.artifacts.verify(execution_id, execution.manifest_sha256) or self._other_artifacts(execution)
        elif execution.status is Status.COMPLETE and execution.lineage_status is Status.FAILED:
            found.append(f"It has no artifacts: {execution.lineage_error} `lineage rebuild` writes them.")
        return found

    def _other_artifacts(self, execution: Execution) -> list[str]:
        """Return that a manifest, whole as it is, is not about what the row says."""
        manifest = self.artifacts.manifest(execution.execution_id)
        digests = {name: f"sha256:{entry['sha256']}" for name, entry in manifest["artifacts"].items()}
        kept = {REQUEST: execution.input_fingerprint, RESPONSE: execution.response_sha256}
        is_same = manifest.items() >= _about(execution).items() and digests.items() >= kept.items()
        return [] if is_same else ["Its manifest is about something else than its row."]

    def rebuild(self, execution_id: str) -> None:
        """Write the artifacts of an answered calculation anew, where they are not whole.

        Raises
        ------
        ExecutionNotFoundError, LineageUnavailableError
            There is no such calculation; its artifacts cannot be written.
        """
        if not self.executions.reopen_lineage(execution_id):
            raise ExecutionNotFoundError("There is no answered calculation with this id.")
        self.ensure(execution_id)

    def replay(self, execution_id: str) -> dict[str, Any]:
        """Return how a calculation made anew from its stored request compares with its stored answer."""
        execution = self.executions.get(execution_id)
        payload = self.executions.payload(execution_id)
        stored = _parsed(payload.answer)
        if _hash_of(execution, payload) != execution.result_hash:
            raise IntegrityError("The answer of this calculation does not match its hash.")
        again = recalculated(execution, payload)
        unit = 10.0 ** -int(_parsed(payload.request)["rounding_precision"])
        is_match, difference = _compared(_figures(stored), _figures(_parsed(again.body)), unit)
        return {
            "match": is_match,
            "identical": again.result_hash == execution.result_hash,
            # Answers with other members have no difference of figures.
            **({"max_difference": difference} if math.isfinite(difference) else {}),
            "engine_version": ENGINE_VERSION,
            "stored_engine_version": execution.engine_version,
        }


def recalculated(execution: Execution, payload: Payload) -> Answer:
    """Return the answer made anew from a stored request."""
    request = stored_request(execution, payload.request)
    return calculated(ticket_of(execution), request, ANALYTICS[execution.analytics_type].calculate)


def _about(execution: Execution) -> dict[str, Any]:
    """Return what a manifest says of its calculation."""
    return {
        "calculation_id": execution.execution_id,
        "calculation_type": execution.analytics_type,
        "timestamp_utc": execution.completed_at_utc,
        "status": Status.COMPLETE,
        "engine_version": execution.engine_version,
        "input_fingerprint": execution.input_fingerprint,
        "result_hash": execution.result_hash,
    }


def _contradictions(execution: Execution, payload: Payload) -> Iterator[str]:
    """Yield where the row of a calculation does not say what its payload does."""
    if _parsed(payload.request)["portfolio_id"] != execution.portfolio_id:
        yield "Its row names another portfolio than its request."
    if execution.calculation_hash != calculation_hash_of(execution.input_fingerprint, execution.engine_version):
        yield "Its calculation_hash is not that of its request and its version of the engine."
    if execution.status is Status.COMPLETE and _hash_of(execution, payload) != execution.result_hash:
        yield "The answer does not match its hash."
    if execution.status is not Status.COMPLETE and payload.response is not None:
        yield f"It has an answer, and its row says {execution.status}."


def _hash_of(execution: Execution, payload: Payload) -> str:
    """Return the hash of a stored answer's figures, of the whole of it where it is no calculation of ours."""
    is_ours = execution.analytics_type in ANALYTICS
    return sha256_of(dump_json(_figures(_parsed(payload.answer))) if is_ours else payload.answer)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise IntegrityError("What was kept of this calculation is no document.")
    return document


def _figures(answer: Mapping[str, Any]) -> Any:
    """Return what `result_hash` is taken over."""
    names = ("results_by_period", "money_weighted_return", "mwr_annualized", "method")
    return {name: answer[name] for name in names if name in answer}


def _compared(stored: Any, made: Any, unit: float) -> tuple[bool, float]:
    """Return whether two answers have the same members and nearly the same numbers, and the largest difference."""
    if type(stored) is not type(made) and not (_is_number(stored) and _is_number(made)):
        return False, math.inf
    if isinstance(stored, dict):
        if stored.keys() != made.keys():
            return False, math.inf
        return _worst([_compared(value, made[name], unit) for name, value in stored.items()])
    if isinstance(stored, list):
        if len(stored) != len(made):
            return False, math.inf
        return _worst([_compared(*pair, unit) for pair in zip(stored, made, strict=True)])
    if _is_number(stored):
        difference = abs(float(stored) - float(made))
        return difference <= max(RELATIVE_TOLERANCE * abs(float(stored)), 1.000001 * unit), difference
    return (True, 0.0) if stored == made else (False, math.inf)


def _worst(parts: list[tuple[bool, float]]) -> tuple[bool, float]:
    return all(is_match for is_match, _ in parts), max((difference for _, difference in parts), default=0.0)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
