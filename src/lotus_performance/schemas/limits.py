"""How much one request may hold."""

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Counts that are refused when exceeded, and the number of faults that one answer reports."""

    max_body_bytes: int = 16 * MEBIBYTE
    max_rows: int = 40_000
    max_positions: int = 5_000
    max_periods: int = 16
    max_errors: int = 100
