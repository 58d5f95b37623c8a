"""Strict JSON in and out: the one loader and the one serialiser."""

import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import orjson

from lotus_performance.engine.requests import PrecisionMode
from lotus_performance.errors import CalculationError

MAX_NESTING = 32
MAX_EXPONENT = 400
"""Doubles end at 1e-324; decimals would carry a smaller exponent along through all products."""

MAX_NUMBER_LENGTH = 400
"""Characters of an exact decimal: arithmetic takes longer with each digit, and no amount has as many."""


DECIMAL_TEXT = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
"""A number that is written as text, by those who keep all of its digits."""


class MalformedJsonError(ValueError):
    """The text is no JSON document, or one that two parsers could read differently."""


def load_json(text: bytes) -> Any:
    """Return the document; refuse duplicate members, NaN, Infinity, broken UTF-8 and deep nesting.

    orjson refuses all of these but duplicates, of which it keeps the last. They are found by counting: when the
    document has as many members as the text has colons, and as many containers as the text has opening brackets,
    then no member was dropped. Colons and brackets inside texts only lead to a needless second look.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedJsonError(f"The body is not valid JSON: {error}") from None
    n_members, n_containers = _census(document)
    characters = np.frombuffer(text, dtype=np.uint8)
    n_open, n_colons = np.count_nonzero(characters | 0x20 == ord("{")), np.count_nonzero(characters == ord(":"))
    if n_containers != n_open or n_members != n_colons:
        _refuse_duplicates(text, document)
    return document


def load_document(text: bytes) -> Any:
    """Return the document of a request: as `load_json`, its fractions as exact decimals under DECIMAL_STRICT."""
    document = load_json(text)
    is_exact = isinstance(document, dict) and document.get("precision_mode") == PrecisionMode.DECIMAL_STRICT
    return load_exact_json(text) if is_exact else document


def load_exact_json(text: bytes) -> Any:
    """Return the document of a text that `load_json` has read, its fractions as exact decimals."""
    return json.loads(text, parse_float=exact_number)


def exact_number(text: str) -> Decimal:
    """Return a number exactly, 0 for what doubles would read as 0 by far; larger ones are refused elsewhere."""
    if len(text) > MAX_NUMBER_LENGTH:
        raise MalformedJsonError(
            f"A number has {len(text)} characters; DECIMAL_STRICT takes at most {MAX_NUMBER_LENGTH}."
        )
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent that decimals do not have
        return Decimal(0)
    return number if number and number.adjusted() >= -MAX_EXPONENT else Decimal(0)


def dump_json(value: Any) -> bytes:
    """Return the value as JSON text; refuse numbers that are not finite, which orjson would write as null."""
    if not _is_finite(value):
        raise CalculationError("A result is not a finite number.")
    return orjson.dumps(value)


def _census(document: Any) -> tuple[int, int]:
    """Return the number of members and of containers, if the first element of each list is like the others.

    Where it is not, containers are missing from the count, and the caller looks again.
    """
    n_members = n_containers = 0
    level: list[Any] = [document] if isinstance(document, dict | list) else []
    depth = 0
    while level:
        depth += 1
        if depth > MAX_NESTING:
            raise MalformedJsonError(f"The body is nested more than {MAX_NESTING} levels deep.")
        below: list[Any] = []
        for container in level:
            n_containers += 1
            if type(container) is dict:
                n_members += len(container)
                below.extend(value for value in container.values() if type(value) is dict or type(value) is list)
            elif _are_flat_rows(container):
                n_members += sum(map(len, container))
                n_containers += len(container)
            elif container and type(container[0]) in (dict, list):
                below.extend(value for value in container if type(value) is dict or type(value) is list)
        level = below
    return n_members, n_containers


def _are_flat_rows(container: list[Any]) -> bool:
    return (
        len(container) > 1
        and type(container[0]) is dict
        and list(map(type, container)).count(dict) == len(container)
        and set(map(type, container[0].values())).isdisjoint((dict, list))
    )


def _refuse_duplicates(text: bytes, document: Any) -> None:
    _refuse_deep_nesting(document)
    json.loads(text, object_pairs_hook=_distinct_members)


def _refuse_deep_nesting(document: Any) -> None:
    level: list[Any] = [document]
    for _ in range(MAX_NESTING):
        level = [value for container in level for value in _elements(container) if isinstance(value, dict | list)]
    if level:
        raise MalformedJsonError(f"The body is nested more than {MAX_NESTING} levels deep.")


def _elements(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container if isinstance(container, list) else ()


def _distinct_members(pairs: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise MalformedJsonError(f"The member `{name[:64]}` is there twice in one object.")
        names.add(name)


def _is_finite(value: Any) -> bool:
    if type(value) is float:
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, list | tuple) or all(map(_is_finite, value))
