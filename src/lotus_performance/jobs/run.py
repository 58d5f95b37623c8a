"""Running one calculation: fingerprints, hashes, and the one `try`."""

import hashlib
import logging
import uuid
from collections.abc import Callable
from typing import TypeVar

from werkzeug.exceptions import HTTPException

from lotus_performance.engine import ENGINE_VERSION
from lotus_performance.engine.requests import Request
from lotus_performance.errors import CalculationError, PerformanceError
from lotus_performance.services.result import Result
from lotus_performance.strict_json import dump_json

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Request)


class Jobs:
    """Runs calculations; one object an application."""

    def run(self, analytics_type: str, request: R, calculate: Callable[[R], Result]) -> bytes:
        """Return the answer to a request as JSON text.

        Raises
        ------
        PerformanceError
            What the calculation refuses.
        CalculationError
            The calculation failed in a way that it does not know: our fault.
        """
        fingerprint = _sha256(request.canonical)
        try:
            result = calculate(request)
        except HTTPException:
            raise  # RFC-0023: an intended 4xx never turns into a 500
        except PerformanceError:
            raise
        except Exception as error:
            logger.exception("calculation failed", extra={"analytics_type": analytics_type, "fingerprint": fingerprint})
            raise CalculationError("The calculation failed unexpectedly; the error has been logged.") from error
        return _assembled(request, fingerprint, result)


def _assembled(request: Request, fingerprint: str, result: Result) -> bytes:
    calculation_id = request.calculation_id or str(uuid.uuid4())
    # Written once: what is hashed is what is sent.
    figures = dump_json(result.figures)
    meta = {
        "calculation_id": calculation_id,
        **result.meta,
        "input_fingerprint": fingerprint,
        "calculation_hash": _sha256(f"{ENGINE_VERSION}\n{fingerprint}".encode()),
        "result_hash": _sha256(figures),
    }
    head = dump_json({"calculation_id": calculation_id, "portfolio_id": request.portfolio_id})
    tail = dump_json({**result.details, "meta": meta, "diagnostics": result.diagnostics, "audit": result.audit})
    # The members of three objects, made one object without reading the long one again.
    return b"".join((head[:-1], b",", memoryview(figures)[1:-1], b",", tail[1:]))


def _sha256(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"
