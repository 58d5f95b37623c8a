"""Says what is wrong with an answer: what every answer must be like, and what a case expects of this one."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from hostile.bodies import value_at
from hostile.sending import Answer

SECONDS = 2.0
"""An answer may take so long unless its case says otherwise."""

HEADLINES = {
    "twr": ["portfolio_return.base"],
    "contribution": ["summary.portfolio_contribution", "total_portfolio_return"],
    "attribution": ["reconciliation.total_active_return"],
}
CALCULATIONS = ("twr", "mwr", "contribution", "attribution")
INTERNALS = (
    "Traceback (most",
    'File "/',
    "site-packages",
    '.py", line',
    "sqlalchemy",
    "psycopg",
    "sqlite3.",
    "werkzeug.exceptions",
    "numpy.",
    "pandas.",
    "OperationalError",
    "SELECT ",
    "INSERT INTO",
    "0x7f",
)
ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
TRACE = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
NOT_NUMBERS = ("nan", "inf", "infinity", "-inf", "-infinity")

Expected = dict[str, Any]
Faults = Iterator[str]


def judge(expected: Expected, target: str, answer: Answer, saved: dict[str, Any]) -> tuple[list[str], Any]:
    """Return what is wrong with an answer, and its document; `saved` holds values of earlier answers."""
    faults = [] if answer.status in expected["status_in"] else [f"status {answer.status}: {answer.body[:300]!r}"]
    if not isinstance(answer.status, int):
        return faults, None
    faults += _in_the_text(expected, answer)
    faults += _in_the_headers(expected, target, answer)
    if answer.status >= 400:
        faults += _in_a_refusal(expected, answer)
    if expected.get("server_level") or not _is_json(answer):
        return faults, None
    try:
        document = strict_json(answer.body)
    except (ValueError, RecursionError) as error:
        return [*faults, f"no strict JSON: {error}"], None
    if answer.status >= 400:
        faults += _in_a_problem(expected, answer, document)
    elif answer.status == 200:
        faults += _in_figures(expected, target, document)
        faults += _in_a_result(expected, answer, document, saved)
    return faults, document


def _is_json(answer: Answer) -> bool:
    return "json" in answer.headers.get("Content-Type", "")


def _in_the_text(expected: Expected, answer: Answer) -> Faults:
    text = answer.body.decode("utf-8", "replace")
    if answer.status >= 400:
        internals = [*INTERNALS, *([] if expected.get("server_level") else ["<!doctype html>"])]
        yield from (f"tells of {part!r}" for part in internals if part in text)
    yield from (f"contains {part!r}" for part in expected.get("must_not_contain", ()) if part in text)
    if expected.get("no_formula") and re.search(r'(?m)(^|,)"?[=@+-](?![\d.])', text):
        yield "a cell could be taken for a formula"
    if answer.status == 200:
        yield from (f"does not contain {part!r}" for part in expected.get("must_contain", ()) if part not in text)


def _in_the_headers(expected: Expected, target: str, answer: Answer) -> Faults:
    headers = answer.headers
    for part in expected.get("header_not_contain", ()):
        if any(part in value for value in headers.values()):
            yield f"a header contains {part!r}"
    for name, values in expected.get("header_absent_value", {}).items():
        if headers.get(name) in values:
            yield f"{name} is {headers[name]}"
    yield from (f"no {name}" for name in expected.get("header_present", ()) if name not in headers)
    for name, pattern in expected.get("header_re", {}).items():
        if answer.status in expected["status_in"] and not re.fullmatch(pattern, headers.get(name, "")):
            yield f"{name} is {headers.get(name)!r}, which {pattern} does not match"
    if not expected.get("server_level"):
        yield from _in_common_headers(target, answer)


def _in_common_headers(target: str, answer: Answer) -> Faults:
    patterns = {"X-Request-Id": ID, "X-Correlation-Id": ID, "traceparent": TRACE}
    for name, pattern in patterns.items():
        if not pattern.fullmatch(answer.headers.get(name, "")):
            yield f"{name} is {answer.headers.get(name)!r}"
    if answer.headers.get("X-Content-Type-Options") != "nosniff":
        yield "no nosniff"
    if target in CALCULATIONS and answer.status == 200 and "no-store" not in answer.headers.get("Cache-Control", ""):
        yield "no Cache-Control: no-store"
    for status, name in ((405, "Allow"), (503, "Retry-After")):
        if answer.status == status and name not in answer.headers:
            yield f"{status} without {name}"


def _in_a_refusal(expected: Expected, answer: Answer) -> Faults:
    if len(answer.body) > 64 * 1024:
        yield f"a refusal of {len(answer.body)} bytes"
    content_type = answer.headers.get("Content-Type", "")
    if not expected.get("server_level") and not content_type.startswith("application/problem+json"):
        yield f"a refusal as {content_type}"


def _in_a_problem(expected: Expected, answer: Answer, document: Any) -> Faults:
    texts = ("type", "title", "code", "detail", "instance", "request_id")
    yield from (f"{name} is {document.get(name)!r}" for name in texts if not isinstance(document.get(name), str))
    if document["status"] != answer.status or document["request_id"] != answer.headers.get("X-Request-Id"):
        yield "status or request_id is another than that of the answer"
    allowed = expected.get("code", {}).get(str(answer.status))
    if allowed and not any(_is_like(document["code"], code) for code in allowed):
        yield f"code {document['code']}, not of {allowed}"
    errors = document.get("errors", [])
    if any(not isinstance(error.get(name), str) for error in errors for name in ("pointer", "code", "detail")):
        yield "an error without pointer, code and detail"
    if len(errors) > 100 or document.get("errors_total", 0) < len(errors):
        yield f"{len(errors)} errors listed of {document.get('errors_total')}"
    if document["code"] == "validation_failed" and not errors:
        yield "validation_failed names no member"
    yield from _in_what_is_named(expected, answer, [error["pointer"] for error in errors])


def _is_like(code: str, pattern: str) -> bool:
    return code.startswith(pattern[:-1]) if pattern.endswith("*") else code == pattern


def _in_what_is_named(expected: Expected, answer: Answer, pointers: list[str]) -> Faults:
    if answer.status not in (400, 422):
        return
    patterns, names = expected.get("pointer_any"), expected.get("names_any")
    if patterns and not any(re.fullmatch(pattern, pointer) for pattern in patterns for pointer in pointers):
        yield f"none of {pointers[:3]} is like {patterns}"
    if names and not any(name in answer.body.decode("utf-8", "replace") for name in names):
        yield f"none of {names} is named"


def _in_figures(expected: Expected, target: str, document: Any) -> Faults:
    """Yield what no 200 may hold."""
    if target not in CALCULATIONS:
        return
    for place, value in leaves(document):
        if value is None:
            yield f"{place} is null"
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"{place} is not finite"
        elif isinstance(value, str) and value.strip().lower() in NOT_NUMBERS and not place.endswith("_id"):
            yield f"{place} is {value!r}"
    figures = _headlines(target, document)
    if not expected.get("no_headline_ok") and not (figures and all(map(_is_number, figures))):
        yield f"the headline is {figures}"


def _headlines(target: str, document: Any) -> list[Any]:
    if target == "mwr":
        return [document.get("money_weighted_return")]
    found = (
        value_at(period, place) for period in document["results_by_period"].values() for place in HEADLINES[target]
    )
    return [figure for figure in found if figure is not None]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _in_a_result(expected: Expected, answer: Answer, document: Any, saved: dict[str, Any]) -> Faults:
    yield from _in_values(expected, document, saved)
    yield from _in_what_is_told(expected, document)
    present = {place.rpartition(".")[2] for place, _ in leaves(document)}
    yield from (f"{name} is there" for name in expected.get("absent", ()) if name in present)


def _in_values(expected: Expected, document: Any, saved: dict[str, Any]) -> Faults:
    for value in expected.get("value", ()):
        found = [value_at(document, place) for place in value["paths"]]
        if not any(
            _is_number(figure) and abs(figure - wanted) <= value["tol"]
            for figure in found
            for wanted in value["values"]
        ):
            yield f"{value['paths']} is {found}, not {value['values']}"
    for place, wanted in expected.get("equals", {}).items():
        if value_at(document, place) != wanted:
            yield f"{place} is {value_at(document, place)!r}, not {wanted!r}"
    for place, other in expected.get("close", ()):
        if abs(value_at(document, place) - value_at(document, other)) > 1e-4:
            yield f"{place} is not {other}"
    for place, name in expected.get("same_as", {}).items():
        if value_at(document, place) != saved[name]:
            yield f"{place} is {value_at(document, place)!r}, before it was {saved[name]!r}"


def _in_what_is_told(expected: Expected, document: Any) -> Faults:
    codes = {warning["code"] for warning in value_at(document, "diagnostics.warnings") or ()}
    if (expected.get("warning") and not codes) or (
        expected.get("warning_any") and not codes & set(expected["warning_any"])
    ):
        yield f"warnings are {sorted(codes)}"
    if expected.get("note") and not (value_at(document, "diagnostics.notes") or value_at(document, "notes")):
        yield "no note"


def strict_json(text: bytes) -> Any:
    """Return a document; refuse NaN, Infinity and a member that stands twice."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse, object_pairs_hook=_distinct)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member stands twice")
    return members


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is no container, with its place."""
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for name, member in members:
            yield from leaves(member, f"{place}.{name}" if place else str(name))
    else:
        yield place, value
