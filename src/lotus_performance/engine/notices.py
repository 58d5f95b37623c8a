"""What a calculation has to tell its reader besides the figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """A warning that goes with a result.

    Attributes
    ----------
    code : str
        Stable code, such as ``"multiple_roots"``.
    detail : str
        What happened, in a sentence.
    severity : str
        How much it matters; ``"warning"`` unless stated.
    dates : tuple of str
        Days concerned, ``YYYY-MM-DD``; empty when none are.
    """

    code: str
    detail: str
    severity: str = "warning"
    dates: tuple[str, ...] = ()
