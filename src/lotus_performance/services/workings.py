"""Workings of a calculation as CSV: unrounded, so that a spreadsheet arrives at the same figures."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from lotus_performance.engine.series import date_texts

_FORMULA = re.compile(r"[=+\-@\t\r]")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
_QUOTED = re.compile(r"[\",\r\n]")


def csv_of(columns: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]) -> bytes:
    """Return columns as CSV: numbers as shortest doubles, empty where there is none, texts safe for spreadsheets."""
    header = b",".join(text_cell(name) for name in columns)
    rows = map(b",".join, zip(*map(_cells, columns.values()), strict=True))
    return b"\n".join([header, *rows, b""])


def text_cell(text: str) -> bytes:
    """Return a text as a cell: what a spreadsheet would take for a formula begins with an apostrophe."""
    safe = f"'{text}" if _FORMULA.match(text) else text
    return (f'"{safe.replace(chr(34), chr(34) * 2)}"' if _QUOTED.search(safe) else safe).encode()


def _cells(column: Sequence[Any] | np.ndarray[Any, Any]) -> list[bytes]:
    if not len(column):
        return []
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        return [text.encode() for text in date_texts(column)]
    if isinstance(column, np.ndarray) and column.dtype.kind in "bif":
        numbers = column.astype(np.int64) if column.dtype.kind == "b" else np.ascontiguousarray(column)
        text = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        return text.replace(b"null", b"").split(b",")
    # A column of texts says the same few over and over.
    texts = {value: text_cell(value) for value in set(column) if isinstance(value, str)}
    return [
        b"" if value is None else texts[value] if isinstance(value, str) else str(value).encode() for value in column
    ]


def file_name(label: str, number: int) -> str:
    """Return a label as the beginning of a file's name, a number in its place where it holds other characters."""
    return label if _PLAIN.fullmatch(label) else f"period_{number}"
