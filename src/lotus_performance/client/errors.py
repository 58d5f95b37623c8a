"""What the client raises: `ApiError`, and kinds of it that callers tell apart.

ApiError
    InvalidInputError     the request is wrong: 400, 413, 415, 422, or found before it was sent
    NotComputableError    the request is right and has no answer: 422
    ConflictError         the `calculation_id` stands for other data: 409
    NotFoundError         no such calculation, artifact or route, or it is switched off: 404
    UnavailableError      the service does not answer now: 429, 502, 503, 504, after all retries
    StillRunningError     an execution has not ended in the time that it was given
    IntegrityError        an artifact is not what was written
    TransportError        no answer came, or none that is understood
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SHOWN_FAULTS = 10


@dataclass(frozen=True)
class Fault:
    """One member or cell at fault, as the service names it.

    Parameters
    ----------
    pointer : str
        JSON pointer into the request; ``/valuation_points/17/end_mv`` is a cell of row 17, counted from 0.
    code : str
        Stable code, see the faults of members in `runbook/errors.md`.
    detail : str
        What is wrong, in words that follow the member's name.
    perf_date, date : str, optional
        Date of the row, by the name that the row has for it.
    """

    pointer: str
    code: str
    detail: str
    perf_date: str | None = None
    date: str | None = None

    def __str__(self) -> str:
        day = self.perf_date or self.date
        return f"{self.pointer}{f' ({day})' if day else ''}: {self.detail} [{self.code}]"


class ApiError(Exception):
    """A refusal or failure; its text names the rows at fault.

    Parameters
    ----------
    status : int or None
        HTTP status; None where no answer of the service is the reason.
    code : str
        Stable code of the problem: decide by this one. `runbook/errors.md` has them all.
    detail : str
        What happened in this case.
    errors : sequence of Fault
        Members at fault; the service lists at most 100.
    errors_total : int
        How many there are, listed or not.
    request_id : str or None
        Under which the log of the service has more.
    """

    def __init__(
        self,
        status: int | None,
        code: str,
        detail: str,
        errors: Sequence[Fault] = (),
        errors_total: int = 0,
        request_id: str | None = None,
    ) -> None:
        # In this order, which is how exceptions are pickled: they cross the borders of process pools.
        super().__init__(status, code, detail, errors, errors_total, request_id)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.errors_total = max(errors_total, len(self.errors))
        self.request_id = request_id

    def __str__(self) -> str:
        head = f"{self.code}: {self.detail}" if self.status is None else f"{self.status} {self.code}: {self.detail}"
        lines = [head, *(f"  {fault}" for fault in self.errors[:SHOWN_FAULTS])]
        if self.errors_total > SHOWN_FAULTS:
            lines.append(f"  and {self.errors_total - SHOWN_FAULTS} more")
        if self.request_id:
            lines.append(f"  request_id {self.request_id}")
        return "\n".join(lines)


class InvalidInputError(ApiError):
    """The request is wrong; `errors` names each member and row. Status None: it was not sent."""


class NotComputableError(ApiError):
    """The request is right, and what it asks for has no answer; `detail` says why."""


class ConflictError(ApiError):
    """The `calculation_id` stands for other data."""


class NotFoundError(ApiError):
    """There is no such calculation or artifact, or the operator has switched the route off."""


class UnavailableError(ApiError):
    """The service does not answer now, and did not at any retry."""


class StillRunningError(ApiError):
    """An execution has not ended in the time that it was given; it goes on, and `detail` names it."""


class IntegrityError(ApiError):
    """An artifact is not what was written; do not use it."""


class TransportError(ApiError):
    """No answer came at any retry, or none that is understood."""


_BY_STATUS: dict[int, type[ApiError]] = {
    **dict.fromkeys((400, 413, 415, 422), InvalidInputError),
    404: NotFoundError,
    409: ConflictError,
    **dict.fromkeys((429, 502, 503, 504), UnavailableError),
}
_BY_CODE: dict[str, type[ApiError]] = {"insufficient_data": NotComputableError, "integrity_error": IntegrityError}


def error_of(status: int, problem: Mapping[str, Any], request_id: str | None) -> ApiError:
    """Return the error of an answer; `problem` is empty where something in between has answered."""
    code = str(problem.get("code", f"http_{status}"))
    kind = _BY_CODE.get(code, _BY_STATUS.get(status, ApiError))
    if code.startswith("not_computable."):
        kind = NotComputableError
    # What stands in between has problems of other forms; only what ours are made of is taken.
    listed, total = problem.get("errors"), problem.get("errors_total")
    names = Fault.__dataclass_fields__
    return kind(
        status,
        code,
        str(problem.get("detail", "The answer is no problem document of the service.")),
        [
            Fault(**{name: str(fault[name]) for name in names if name in fault})
            for fault in (listed if isinstance(listed, list) else ())
            if isinstance(fault, Mapping) and {"pointer", "code", "detail"} <= fault.keys()
        ],
        total if isinstance(total, int) else 0,
        problem.get("request_id", request_id),
    )
