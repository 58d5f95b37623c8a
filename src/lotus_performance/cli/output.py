"""What goes out: text on standard output, complaints on standard error."""

import sys
from collections.abc import Iterable


def write(text: str) -> None:
    """Write a text as UTF-8, whatever the terminal's encoding is, and all of it."""
    rest = memoryview(text.encode())
    while rest:
        # Under PYTHONUNBUFFERED nothing is tried again: one write may be short, and a broken pipe shows at the next.
        rest = rest[sys.stdout.buffer.write(rest) :]


def complain(lines: Iterable[str]) -> None:
    """Write lines to standard error; what could steer the terminal is escaped, for names come from the input."""
    sys.stderr.write("".join(f"{_printable(line)}\n" for line in lines))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
