"""All domain exceptions. They carry a stable code and the members at fault, never an HTTP status.

::

    PerformanceError
    ├── InvalidInputError                 values contradict each other
    │   ├── DuplicateDatesError           duplicate_dates
    │   ├── DuplicateLabelError           duplicate_label
    │   ├── WindowReversedError           window_reversed
    │   ├── WindowMismatchError           window_mismatch
    │   ├── FlowOutsidePeriodError        flow_outside_period
    │   ├── FxRateMissingError            fx_rate_missing
    │   ├── NoResolvedPeriodError         no_resolved_period
    │   ├── DuplicateIdsError             duplicate_ids
    │   ├── DatesMismatchError            dates_mismatch
    │   ├── UnknownHierarchyKeyError      unknown_hierarchy_key
    │   ├── WeightsNotOneError            weights_not_one
    │   ├── LinkingUndefinedError         linking_undefined
    │   ├── NotSupportedError             not_supported
    │   ├── PrecisionModeUnsupportedError precision_mode_unsupported
    │   ├── InvalidRequestError           invalid_request
    │   └── InvalidCursorError            invalid_cursor
    ├── NotComputableError                valid, yet without a result
    │   ├── NoRootError                   not_computable.no_root
    │   ├── NoCapitalError                not_computable.no_capital
    │   ├── NoPeriodError                 not_computable.no_period
    │   ├── FigureOverflowError           not_computable.overflow
    │   └── InsufficientDataError         insufficient_data
    ├── CalculationError                  calculation_failed: our fault
    ├── NotFoundError                     nothing is kept under this id or name
    │   ├── ExecutionNotFoundError        lineage_not_found
    │   ├── ManifestMissingError          manifest_missing
    │   ├── ArtifactNotFoundError         artifact_not_found
    │   ├── ResourceNotFoundError         resource_not_found
    │   └── FeatureDisabledError          feature_disabled
    ├── ConflictError                     calculation_conflict: the id has other data
    ├── StorageError                      what is kept cannot be used: our fault
    │   ├── StorageSetupError             storage_error: it was refused at the start
    │   ├── LineageUnavailableError       lineage_unavailable
    │   └── IntegrityError                integrity_error
    ├── StorageUnavailableError           storage_unavailable: ask again later
    ├── UpstreamUnavailableError          upstream_unavailable: ask again later
    └── NotReadyError                     not_ready: ask again later

``api/errors.py`` is the one place where a class becomes a status.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

Place = tuple[str | int, ...]
"""Path of a member in the request document, such as ``("valuation_points", 17, "end_mv")``."""


@dataclass(frozen=True)
class Fault:
    """One member at fault: where it stands, what is wrong, and what identifies its row."""

    place: Place
    detail: str
    row: Mapping[str, str] = field(default_factory=dict)


class PerformanceError(Exception):
    """Base of all domain errors; ``faults`` name the members of the request that are to blame."""

    code: ClassVar[str]

    def __init__(self, message: str, *, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.faults = tuple(faults)


class InvalidInputError(PerformanceError):
    """Values of the request contradict each other."""


class DuplicateDatesError(InvalidInputError):
    """Two rows of one series have the same date."""

    code = "duplicate_dates"


class DuplicateLabelError(InvalidInputError):
    """Two different windows would be answered under one label."""

    code = "duplicate_label"


class WindowReversedError(InvalidInputError):
    """A window starts after it ends."""

    code = "window_reversed"


class WindowMismatchError(InvalidInputError):
    """An explicit window does not end on the valuation date."""

    code = "window_mismatch"


class FlowOutsidePeriodError(InvalidInputError):
    """A cash flow lies before the start or after the end of the measuring period."""

    code = "flow_outside_period"


class FxRateMissingError(InvalidInputError):
    """No exchange rate is known on or before a date that needs one."""

    code = "fx_rate_missing"


class NoResolvedPeriodError(InvalidInputError):
    """None of the requested periods holds a row."""

    code = "no_resolved_period"


class DuplicateIdsError(InvalidInputError):
    """Two positions, instruments or groups have the same identity."""

    code = "duplicate_ids"


class DatesMismatchError(InvalidInputError):
    """A series has rows on dates on which the one that it belongs to has none."""

    code = "dates_mismatch"


class UnknownHierarchyKeyError(InvalidInputError):
    """A level of a hierarchy is a label that nothing has."""

    code = "unknown_hierarchy_key"


class WeightsNotOneError(InvalidInputError):
    """The weights of a benchmark do not sum to 1."""

    code = "weights_not_one"


class LinkingUndefinedError(InvalidInputError):
    """The returns of a period lie outside the domain of the linking method."""

    code = "linking_undefined"


class NotSupportedError(InvalidInputError):
    """The request asks for something that this version does not calculate."""

    code = "not_supported"


class PrecisionModeUnsupportedError(InvalidInputError):
    """The precision mode is not available for this calculation."""

    code = "precision_mode_unsupported"


class InvalidRequestError(InvalidInputError):
    """Members of a request for a series of returns contradict each other, or something they ask for was not sent."""

    code = "invalid_request"


class InvalidCursorError(InvalidInputError):
    """The cursor of a list is none of ours."""

    code = "invalid_cursor"


class NotComputableError(PerformanceError):
    """The input is valid, yet the quantity does not exist for it."""


class NoRootError(NotComputableError):
    """No rate makes the present value of the flows zero."""

    code = "not_computable.no_root"


class NoCapitalError(NotComputableError):
    """No capital was invested, so that a gain cannot be related to it."""

    code = "not_computable.no_capital"


class NoPeriodError(NotComputableError):
    """The measuring period has no days."""

    code = "not_computable.no_period"


class FigureOverflowError(NotComputableError):
    """The figure is larger than a double can hold."""

    code = "not_computable.overflow"


class InsufficientDataError(NotComputableError):
    """Returns are missing on dates on which the policies of the request want them."""

    code = "insufficient_data"


class CalculationError(PerformanceError):
    """The engine failed or an identity does not hold: our fault."""

    code = "calculation_failed"


class NotFoundError(PerformanceError):
    """Nothing is kept under this id or name."""


class ExecutionNotFoundError(NotFoundError):
    """There is no calculation with this id."""

    code = "lineage_not_found"


class ManifestMissingError(NotFoundError):
    """The calculation is known, but its manifest is not there."""

    code = "manifest_missing"


class ArtifactNotFoundError(NotFoundError):
    """The calculation has no artifact of this name."""

    code = "artifact_not_found"


class ResourceNotFoundError(NotFoundError):
    """The source of the data does not know what was asked for, or no result is kept under this id."""

    code = "resource_not_found"


class FeatureDisabledError(NotFoundError):
    """The operator has switched this off."""

    code = "feature_disabled"


class ConflictError(PerformanceError):
    """The id of a calculation stands for other data already."""

    code = "calculation_conflict"


class StorageError(PerformanceError):
    """What is kept cannot be used."""


class StorageSetupError(StorageError):
    """The place where calculations are to be kept cannot be used: the process refuses to start."""

    code = "storage_error"


class LineageUnavailableError(StorageError):
    """Artifacts cannot be read or written."""

    code = "lineage_unavailable"


class IntegrityError(StorageError):
    """What is kept is not what was written."""

    code = "integrity_error"


class StorageUnavailableError(PerformanceError):
    """The database does not answer at the moment."""

    code = "storage_unavailable"


class UpstreamUnavailableError(PerformanceError):
    """The source of the data does not answer, or not in a form that can be used."""

    code = "upstream_unavailable"


class NotReadyError(PerformanceError):
    """The service takes no new requests at the moment."""

    code = "not_ready"
