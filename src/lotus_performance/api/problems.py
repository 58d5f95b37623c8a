"""Every problem that the service answers with, in one table: status, title, when it comes and what helps."""

from dataclasses import dataclass

from lotus_performance import errors
from lotus_performance.errors import PerformanceError
from lotus_performance.strict_json import MAX_NESTING, MAX_NUMBER_LENGTH


@dataclass(frozen=True)
class Problem:
    """One kind of problem; `code` is stable, and the anchor of its explanation at ``/docs/problems``."""

    code: str
    status: int
    title: str
    when: str
    remedy: str


def _domain(kind: type[PerformanceError], status: int, title: str, when: str, remedy: str) -> Problem:
    return Problem(kind.code, status, title, when, remedy)


DOMAIN_PROBLEMS: dict[type[PerformanceError], Problem] = {
    kind: _domain(kind, *row)
    for kind, row in {
        errors.DuplicateDatesError: (
            400,
            "Duplicate dates",
            "Two rows of one series have the same date.",
            "Merge the two rows into one, or correct a date; `errors` names each row and the one it repeats.",
        ),
        errors.DuplicateLabelError: (
            400,
            "Duplicate label",
            "One label names two requested periods: their dates differ, or each has a name of its own, such as YTD and "
            "ITD.",
            "Give each of them its own `label`.",
        ),
        errors.WindowReversedError: (
            400,
            "Window reversed",
            "A requested period starts after it ends.",
            "Exchange its dates, or check `report_start_date` and `report_end_date`.",
        ),
        errors.WindowMismatchError: (
            400,
            "Window mismatch",
            "An explicit measuring period does not end on the day of the closing value.",
            "Send the same day as the period's `end` and as `as_of`.",
        ),
        errors.FlowOutsidePeriodError: (
            400,
            "Flow outside the period",
            "A cash flow lies before the start or after the end of the measuring period.",
            "Leave the flow out, correct its date, or ask for another period; `errors` names each flow.",
        ),
        errors.FxRateMissingError: (
            400,
            "Exchange rate missing",
            "A day needs an exchange rate, and there is none on or before it.",
            "Send a rate of the named currency for the named date, or an earlier one.",
        ),
        errors.NoResolvedPeriodError: (
            400,
            "No resolved period",
            "None of the requested periods holds a row.",
            "Compare the dates of the rows with the periods; `detail` names both.",
        ),
        errors.DuplicateIdsError: (
            400,
            "Duplicate identities",
            "Two positions, instruments or groups have the same identity.",
            "Give each its own, or send the rows of both as one entry; `errors` names every second one.",
        ),
        errors.DatesMismatchError: (
            400,
            "Dates do not match",
            "A series has rows on dates on which the one that it belongs to, or is compared with, has none.",
            "Send the missing rows, or leave out those that `errors` names.",
        ),
        errors.UnknownHierarchyKeyError: (
            400,
            "Unknown level of a hierarchy",
            "A level of the hierarchy is a label that nothing has, or a group lacks the label of a level.",
            "Use the labels of `meta` or `key`, letter by letter; `errors` names those that are known.",
        ),
        errors.WeightsNotOneError: (
            400,
            "Weights do not sum to 1",
            "The weights of the benchmark do not sum to 1 on a date.",
            "Send weights as fractions (0.25 is 25 %), of all groups of the benchmark, cash included.",
        ),
        errors.LinkingUndefinedError: (
            400,
            "Linking undefined",
            "The chosen method cannot link the returns of a period: capital was lost or is not positive, or a return "
            "is -100 % or less.",
            "Use one of the methods that `detail` names, or ask for another period.",
        ),
        errors.NotSupportedError: (
            400,
            "Not supported",
            "The request asks for something that this version does not calculate.",
            "Leave out the member that `detail` names.",
        ),
        errors.PrecisionModeUnsupportedError: (
            400,
            "Precision mode unsupported",
            "The precision mode is not available for this calculation.",
            "Leave out `precision_mode`, or send `FLOAT64`.",
        ),
        errors.InvalidRequestError: (
            400,
            "Invalid request",
            "A series of returns is asked for and not sent, no series is selected, or the window contradicts its dates "
            "or holds more of them than one answer may.",
            "Correct the members that `errors` names.",
        ),
        errors.NoRootError: (
            422,
            "Not computable: no root",
            "No rate makes the present value of the flows zero, and `flags.fail_fast` forbids another method.",
            "Ask for `MODIFIED_DIETZ`, or leave out `flags.fail_fast`: another method then stands in and is named.",
        ),
        errors.NoCapitalError: (
            422,
            "Not computable: no capital",
            "No capital was invested, so that a gain cannot be related to it.",
            "Check the signs of values and flows: money that goes into the portfolio is positive.",
        ),
        errors.NoPeriodError: (
            422,
            "Not computable: no period",
            "There are flows, but the measuring period has no days.",
            "Ask for a measuring period that starts before `as_of`.",
        ),
        errors.FigureOverflowError: (
            422,
            "Not computable: overflow",
            "A figure is larger than a double can hold.",
            "Check the amounts: such a figure comes from a value of almost nothing, or from one far too large.",
        ),
        errors.InsufficientDataError: (
            422,
            "Insufficient data",
            "Returns are missing on dates on which the request wants them: under FAIL_FAST on any, else in a gap longer"
            " than `max_gap_days`, in a whole series, or on every common date.",
            "Send the dates that `errors` names, choose another `data_policy`, or ask for another window.",
        ),
        errors.CalculationError: (
            500,
            "Calculation failed",
            "The calculation failed in a way that was not foreseen: our fault, not the request's.",
            "Report it with the `request_id`; the log has the details under it.",
        ),
        errors.InvalidCursorError: (
            400,
            "Invalid cursor",
            "The cursor of a list is none of ours.",
            "Send `next_cursor` of an earlier answer as it stands, or leave `cursor` out.",
        ),
        errors.ExecutionNotFoundError: (
            404,
            "Calculation not found",
            "There is no calculation with this id, or it has been removed, or nothing is recorded here.",
            "Compare the id with `calculation_id` of the answer.",
        ),
        errors.ManifestMissingError: (
            404,
            "Manifest missing",
            "The calculation is known, but the manifest of its artifacts is not there.",
            "Restore the folder of the artifacts from its backup; the answer itself is kept in the database.",
        ),
        errors.ArtifactNotFoundError: (
            404,
            "Artifact not found",
            "The calculation has no artifact of this name.",
            "Use a name that the lineage of the calculation lists.",
        ),
        errors.ResourceNotFoundError: (
            404,
            "Resource not found",
            "lotus-core does not know the portfolio, or has no benchmark for it; or no result is kept under this id.",
            "Compare the id with that in lotus-core, or with `execution_id` of the answer 202.",
        ),
        errors.FeatureDisabledError: (
            404,
            "Feature disabled",
            "The operator has switched this calculation or input mode off.",
            "Ask `GET /integration/capabilities` for what is open.",
        ),
        errors.ConflictError: (
            409,
            "Calculation conflict",
            "The `calculation_id` stands for a calculation with other data already.",
            "Send a new id, or leave it out; the same id goes with the same data alone.",
        ),
        errors.StorageSetupError: (
            500,
            "Storage error",
            "What is kept cannot be used.",
            "Report it with the `request_id`; the log has the details under it.",
        ),
        errors.LineageUnavailableError: (
            500,
            "Lineage unavailable",
            "The artifacts cannot be read: the file system failed.",
            "Try again; when it stays, the operator has to look at the disk.",
        ),
        errors.IntegrityError: (
            500,
            "Integrity error",
            "What is kept of a calculation is not what was written: a checksum does not match.",
            "Do not use the artifact; restore it from a backup, and find out who changed it.",
        ),
        errors.StorageUnavailableError: (
            503,
            "Storage unavailable",
            "The calculation cannot be recorded or found at the moment: the database does not answer, or the disk is "
            "full.",
            "Send the request again after the seconds of `Retry-After`.",
        ),
        errors.UpstreamUnavailableError: (
            503,
            "Upstream unavailable",
            "lotus-core does not answer in time, refuses, answers in a form that is not understood, or is not "
            "configured.",
            "Send the request again after the seconds of `Retry-After`; when it stays, the log says what lotus-core "
            "answered.",
        ),
        errors.NotReadyError: (
            503,
            "Not ready",
            "The service takes no new requests at the moment: it is about to stop, or its storage does not answer.",
            "Send the request again after the seconds of `Retry-After`.",
        ),
    }.items()
}
"""The problem of each domain error: the one mapping table."""

HTTP_PROBLEMS = (
    Problem(
        "malformed_json",
        400,
        "Malformed JSON",
        "The body is no JSON document that all parsers read alike: broken syntax, a member twice in one object, NaN or "
        f"Infinity, broken UTF-8, more than {MAX_NESTING} levels of nesting, under DECIMAL_STRICT a number of more "
        f"than {MAX_NUMBER_LENGTH} characters, or a body that broke off.",
        "Write the body with a JSON library; leave out members without a value instead of sending NaN.",
    ),
    Problem(
        "bad_request",
        400,
        "Bad Request",
        "The HTTP request itself cannot be understood.",
        "Use an HTTP library.",
    ),
    Problem(
        "not_found",
        404,
        "Not Found",
        "There is no such path.",
        "Compare it with the paths of the documentation, letter by letter and without a slash at its end.",
    ),
    Problem(
        "method_not_allowed",
        405,
        "Method Not Allowed",
        "The path exists, but not for this method.",
        "Use a method of the header `Allow`; calculations are POST.",
    ),
    Problem(
        "request_entity_too_large",
        413,
        "Request Entity Too Large",
        "The body is larger than the service takes.",
        "Send rows as columns, which takes a third of the space, or split the request.",
    ),
    Problem(
        "unsupported_media_type",
        415,
        "Unsupported Media Type",
        "The body is not sent as `application/json`, or it is compressed.",
        "Send the header `Content-Type: application/json`, and no `Content-Encoding`.",
    ),
    Problem(
        "validation_failed",
        422,
        "Invalid input",
        "Members of the request are missing, unknown, of the wrong type or out of bounds. Nothing was calculated.",
        "Correct what `errors` names: each entry has a pointer to the member, a code of the list below and a sentence.",
    ),
    Problem(
        "internal_error",
        500,
        "Internal error",
        "Something failed that should not: our fault, not the request's.",
        "Report it with the `request_id`; the log has the details under it.",
    ),
)
"""Problems that are no domain error's."""

PROBLEMS = {
    problem.code: problem
    for problem in sorted((*HTTP_PROBLEMS, *DOMAIN_PROBLEMS.values()), key=lambda problem: problem.status)
}
"""All problems by code, in order of status."""

FAULTS = {
    "missing": "A required member or column is not there.",
    "unknown": "There is no such member here; the nearest known one is named.",
    "null": "The member or cell is `null`, of whatever type it should be; leave out what has no value.",
    "wrong_type": "The member is of another type: a number in quotes is a text, `true` is no number.",
    "not_allowed": "The value is none of those listed; capitals count.",
    "not_a_date": "The value is no date of the form `YYYY-MM-DD`, or no day of the calendar.",
    "not_finite": "The number is larger than a double can hold.",
    "out_of_range": "The number is out of its bounds.",
    "not_a_currency": "The value is no currency code of three capital letters.",
    "not_a_uuid": "The value is no UUID in canonical form, in lower case.",
    "empty": "The text, list or table must hold something.",
    "too_long": "The text has more characters, or the list more elements, repeated ones counted, than are taken.",
    "too_many": "There are more rows, positions, periods or different elements, or products of them, than are taken.",
    "control_character": "The text holds control characters.",
    "unequal_lengths": "The columns are not equally long.",
    "conflict": "The member contradicts another one, such as `months` and `days`.",
    "invalid": "Anything else.",
}
"""Codes of single members in `errors` of a `validation_failed`."""


def codes_of(status: int) -> list[str]:
    """Return the codes that come with a status."""
    return [problem.code for problem in PROBLEMS.values() if problem.status == status]
