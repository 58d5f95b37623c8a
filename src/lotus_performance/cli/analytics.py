"""Calculations from files: the answer on standard output, or every fault with its place on standard error."""

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from lotus_performance.api.problems import PROBLEMS
from lotus_performance.cli.output import complain, write
from lotus_performance.cli.parser import MEMBERS, WITH_PERIODS, Member
from lotus_performance.cli.rows import (
    Draft,
    InputError,
    number_of,
    set_member,
    take_flows,
    take_groups,
    take_positions,
    take_values,
)
from lotus_performance.cli.tables import tables_of
from lotus_performance.errors import CalculationError, NotComputableError, PerformanceError, Place
from lotus_performance.jobs.analytics import ANALYTICS
from lotus_performance.jobs.run import Jobs
from lotus_performance.keep import limits_of
from lotus_performance.schemas.faults import pointer, refusal_of
from lotus_performance.schemas.limits import Limits
from lotus_performance.settings import read_settings
from lotus_performance.strict_json import MalformedJsonError, load_document, load_exact_json, load_json

STDIN = "-"
NO_ANSWER, REFUSED = 1, 2
FREQUENCIES = {"twr": "monthly", "contribution": "daily", "attribution": "monthly"}
"""Frequency of requested periods; that of a contribution is without effect."""


def run(options: argparse.Namespace) -> int:
    """Answer the request that a file and options make."""
    limits = limits_of(read_settings())
    source = Source(options, limits)
    analytics = ANALYTICS[options.command]
    try:
        request = analytics.schema(limits=limits).load(source.document())
        answer = Jobs().run(options.command, request, analytics.calculate)
    except InputError as error:
        return _refuse("The input cannot be used; nothing was calculated.", error.lines, limits)
    except ValidationError as error:
        refusal = refusal_of(error.messages, limits.max_errors)
        lines = [source.told(each.place, str(each.message), each.message.row) for each in refusal.faults]
        return _refuse(refusal.detail, lines, limits, n_faults=refusal.n_faults)
    except PerformanceError as error:
        lines = [source.told(fault.place, fault.detail, fault.row) for fault in error.faults]
        if not isinstance(error, CalculationError):
            lines.append(_remedy(error.code))
        is_without_answer = isinstance(error, NotComputableError | CalculationError)
        return _refuse(error.message, lines, limits, NO_ANSWER if is_without_answer else REFUSED)
    if options.table or (sys.stdout.isatty() and not options.json):
        write(tables_of(options.command, load_json(answer), request.rounding_precision))
    else:
        write(f"{answer.decode()}\n")
    return 0


def _remedy(code: str) -> str:
    """Return what helps, with the names of what stands on standard error instead of those of a problem document."""
    return PROBLEMS[code].remedy.replace("`errors`", "the list above").replace("`detail`", "the first line")


def _refuse(detail: str, lines: Sequence[str], limits: Limits, status: int = REFUSED, n_faults: int = 0) -> int:
    shown = [f"lotus-performance: {detail}", *lines[: limits.max_errors]]
    n_beyond = max(n_faults, len(lines)) - len(shown) + 1
    if n_beyond > 0:
        shown.append(f"and {n_beyond} more")
    complain(shown)
    return status


# ---------------------------------------------------------------------- the request


@dataclass
class Source:
    """The request that a file and options make, and where each of its members is from."""

    options: argparse.Namespace
    limits: Limits
    draft: Draft = field(default_factory=lambda: Draft({}))

    @property
    def is_csv(self) -> bool:
        """Whether the file holds rows, and no request."""
        by_name = "csv" if Path(self.options.file).suffix.lower() == ".csv" else "json"
        return (self.options.format or by_name) == "csv"

    @property
    def name(self) -> str:
        """Name of the file in messages."""
        return "standard input" if self.options.file == STDIN else str(self.options.file)

    def document(self) -> Any:
        """Return the request; raises InputError."""
        content = self._content(self.options.file)
        if self.is_csv:
            return self._of_rows(content)
        refused = [f"--{name}" for name in ("portfolio", "label") if getattr(self.options, name, None)]
        if refused:
            raise InputError(f"{flag}: goes with a CSV alone" for flag in refused)
        if not content.strip():
            raise InputError([f"{self.name}: is empty; it must hold a JSON object"])
        try:
            document = load_document(content)
            if isinstance(document, dict):
                self._set_members(document)
                if document.get("precision_mode") == "DECIMAL_STRICT":
                    document = load_exact_json(content)
                    self._set_members(document)
        except MalformedJsonError as error:
            raise InputError([f"{self.name}: {error}", _remedy("malformed_json")]) from None
        self.draft.document = document
        return document

    def _of_rows(self, content: bytes) -> dict[str, Any]:
        draft, options = self.draft, self.options
        self._set_members(draft.document)
        if options.command == "contribution":
            portfolio = (options.portfolio, self._content(options.portfolio)) if options.portfolio else None
            take_positions(draft, self.name, content, options.label or (), portfolio)
        else:
            take = {"twr": take_values, "mwr": take_flows, "attribution": take_groups}[options.command]
            take(draft, self.name, content)
        stem = "standard-input" if options.file == STDIN else Path(options.file).stem
        draft.default(portfolio_id=stem.encode("utf-8", "replace").decode())
        if options.command in WITH_PERIODS:
            draft.default(analyses=self._analyses(draft.document))
        return draft.document

    def _set_members(self, document: dict[str, Any]) -> None:
        """Set what options say."""
        for path, value in self._assigned():
            set_member(document, path, value)
        if getattr(self.options, "annualize", None):
            set_member(document, ("annualization", "enabled"), True)
        if getattr(self.options, "start", None):
            # Without a day of the closing value the period ends anywhere: as_of is what is missed then.
            explicit = {"start": self.options.start, "end": document.get("as_of", self.options.start)}
            document["periods"] = {"type": "EXPLICIT", "explicit": explicit}
        if self.options.command in WITH_PERIODS and (self.options.period or self._frequencies):
            document["analyses"] = self._analyses(document)

    def _assigned(self) -> Iterable[tuple[Sequence[str], Any]]:
        """Yield the paths and values of options."""
        for member in MEMBERS[self.options.command]:
            text = getattr(self.options, member.name)
            if text is not None:
                yield member.path.split("."), _value(member, _encodable(member.flag, text))
        for assignment in self.options.set:
            path, equals, text = _encodable("--set", assignment).partition("=")
            if not path or not equals:
                raise InputError([f"--set {assignment}: must be of the form MEMBER=VALUE"])
            yield path.split("."), _json_or_text(text)

    @property
    def _frequencies(self) -> list[str]:
        given = getattr(self.options, "frequency", None)
        return list(given) if isinstance(given, list) else []

    def _analyses(self, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        default = document.get("frequency") or FREQUENCIES[self.options.command]
        frequencies = self._frequencies or [default]
        analyses = []
        for period in self.options.period or ["ITD"]:
            first, dots, last = _encodable("--period", period).partition("..")
            dates = {"period": "EXPLICIT", "label": period, "start": first, "end": last}
            analyses.append({**(dates if dots else {"period": period}), "frequencies": frequencies})
        return analyses

    def _content(self, file: str) -> bytes:
        """Return what a file holds, not more of it than the service takes."""
        limit = self.limits.max_body_bytes
        try:
            if file == STDIN:
                content = sys.stdin.buffer.read(limit + 1)
            else:
                with Path(file).open("rb") as opened:
                    content = opened.read(limit + 1)
        except (OSError, ValueError) as error:  # ValueError: a name with a null character
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise InputError([f"{file}: cannot be read: {reason}"]) from None
        if len(content) > limit:
            raise InputError([f"{file}: holds more than {limit} bytes; the setting MAX_BODY_BYTES allows more"])
        return content

    # ------------------------------------------------------------------ where a member is from

    def told(self, place: Place, detail: str, row: Mapping[str, str]) -> str:
        """Return a fault with the line or the option that it comes from, or else its place in the request."""
        flag = self._flag(place)
        if flag:
            return f"{flag}: {self._with_value(place, detail)}"
        for n in range(len(place), 0, -1):
            if place[:n] in self.draft.tables:
                name, lines = self.draft.tables[place[:n]]
                return f"{_in_table(name, lines, place[n:])}: {self._with_value(place, _by_line(detail, lines))}"
        named = "".join(f" ({name} {value})" for name, value in row.items())
        where = f"{self.name}, {pointer(place)}" if place else self.name
        return f"{where}: {detail}{named}"

    def _flag(self, place: Place) -> str | None:
        """Return the option that a member is set by; of a CSV also where it was not given."""
        if place[:1] == ("analyses",) and self.options.command in WITH_PERIODS:
            if "frequencies" in place and (self._frequencies or self.is_csv):
                return "--frequency"
            return "--period" if self.options.period or self.is_csv else None
        for assignment in self.options.set:
            path = tuple(assignment.partition("=")[0].split("."))
            if place and place[: len(path)] == path[: len(place)]:
                return f"--set {'.'.join(path)}"
        for member in MEMBERS[self.options.command]:
            path = tuple(member.path.split("."))
            is_given = getattr(self.options, member.name) is not None
            if place[: len(path)] == path and (is_given or self.is_csv):
                return member.flag
        return None

    def _with_value(self, place: Place, detail: str) -> str:
        """Return the detail of a fault, with what stands in the place of a number."""
        value: Any = self.draft.document
        for step in place:
            try:
                value = value[step]
            except (LookupError, TypeError):
                return detail
        if detail.startswith("must be a number") and isinstance(value, str):
            return f"must be a number such as 1234.56, without thousands separators, and is {value[:32]!r}"
        return detail


def _in_table(name: str, lines: Sequence[int], steps: Place) -> str:
    if not steps or not isinstance(steps[0], int):
        return name
    columns = [step for step in steps[1:] if isinstance(step, str) and step not in ("meta", "key")]
    return ", ".join([f"{name}, line {lines[steps[0]]}", *columns[-1:]])


def _by_line(detail: str, lines: Sequence[int]) -> str:
    """Return a detail that names another row of the same table with the line of that row."""
    return re.sub(r"^row (\d+)", lambda match: f"line {lines[int(match[1])]}", detail)


def _value(member: Member, text: str) -> Any:
    if member.kind == "number":
        return number_of(text)
    return [name.strip() for name in text.split(",")] if member.kind == "names" else text


def _json_or_text(text: str) -> Any:
    try:
        load_json(text.encode())
        return load_exact_json(text.encode())
    except MalformedJsonError:
        return text


def _encodable(flag: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError([f"{flag}: is not UTF-8"]) from None
    return text
