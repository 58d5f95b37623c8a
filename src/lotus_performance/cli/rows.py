"""CSV files: their rows into members of a request, and the line of each."""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lotus_performance.engine.fx import DEFAULT_CCY
from lotus_performance.engine.series import MONEY
from lotus_performance.errors import Place
from lotus_performance.schemas.attribution import AttributionRequestSchema
from lotus_performance.schemas.fields import Date, Number, StrictField, Text, Whole, unknown_member
from lotus_performance.schemas.mwr import MwrRequestSchema
from lotus_performance.schemas.valuations import valuation_table
from lotus_performance.strict_json import MAX_NUMBER_LENGTH, exact_number

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
NOT_FINITE = {"nan", "inf", "infinity"}
SEPARATORS = {";": "semicolons", "\t": "tabs"}
ANY_DAY = "2000-01-01"
SIDES = {"portfolio": "portfolio_groups_data", "benchmark": "benchmark_groups_data"}
"""Member that takes the rows of each side."""

Fields = Mapping[str, StrictField[Any]]

VALUES: Fields = {name: each for name, each in valuation_table().columns.items() if not isinstance(each, Whole)}
FLOWS: Fields = MwrRequestSchema().fields["cash_flows"].columns  # type: ignore[attr-defined]
OBSERVATIONS: Fields = AttributionRequestSchema().fields["benchmark_groups_data"].columns.columns  # type: ignore[attr-defined]


class InputError(Exception):
    """A file or an option cannot be understood; `lines` say where, and what is wrong."""

    def __init__(self, lines: Iterable[str]) -> None:
        super().__init__()
        self.lines = list(lines)


@dataclass
class Draft:
    """A request in the making, and where its members are from.

    `tables` are the lists of the request that rows were taken into: by the path of a list, the file and the line of
    each of its elements.
    """

    document: dict[str, Any]
    tables: dict[Place, tuple[str, Sequence[int]]] = field(default_factory=dict)

    def take(self, path: str, name: str, elements: list[Any], lines: Sequence[int]) -> None:
        """Set a list of the request that rows of a file were taken into."""
        place = tuple(path.split("."))
        set_member(self.document, place, elements)
        self.tables[place] = (name, lines)

    def default(self, **members: Any) -> None:
        """Set members that nothing else has set."""
        self.document = {**members, **self.document}


def set_member(document: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set a member by its path, and the objects that lead to it."""
    *parents, name = path
    for parent in parents:
        below = document.setdefault(parent, {})
        if not isinstance(below, dict):
            raise InputError([f"{'.'.join(path)}: {parent} is no object here"])
        document = below
    document[name] = value


def number_of(text: str) -> Any:
    """Return the number that a text writes, no digit lost, infinity where it is none of ours, else the text itself."""
    if len(text) <= MAX_NUMBER_LENGTH and NUMBER.fullmatch(text):
        return exact_number(text)
    return math.inf if text.lower().lstrip("+-") in NOT_FINITE else text


# ---------------------------------------------------------------------- reading


@dataclass(frozen=True)
class Sheet:
    """A CSV: the cells of each row that hold something, by column, and the line on which the row begins."""

    name: str
    columns: Fields
    rows: Sequence[Mapping[str, str]]
    lines: Sequence[int]

    def wire_row(self, row: Mapping[str, str], names: Iterable[str]) -> dict[str, Any]:
        """Return the cells of some columns as members of a row."""
        return {
            name: number_of(row[name]) if isinstance(self.columns[name], Number) else row[name]
            for name in names
            if name in row
        }

    def span(self, name: str) -> tuple[str, str]:
        """Return the first and the last day of a column; any day where there is none, for its rows are refused."""
        texts = {row[name] for row in self.rows if name in row}
        days = {text for text in texts if not Date().fault(text)} or {ANY_DAY}
        return min(days), max(days)


def read_sheet(name: str, content: bytes, columns: Fields, hint: str = "") -> Sheet:
    """Return the rows of a CSV; raises InputError, every row named that does not have the form of its header.

    `hint` ends what is said of a column that is not known.
    """
    reader = csv.reader(io.StringIO(_text(name, content), newline=""), strict=True)
    header: list[str] = []
    rows, lines, faults, last = [], [], [], 0
    try:
        for record in reader:
            line, last = last + 1, reader.line_num
            cells = [cell.strip() for cell in record]
            if not any(cells):
                continue
            if not header:
                header = cells
                _refuse_header(f"{name}, line {line}", header, columns, hint)
            elif len(cells) != len(header):
                faults.append(
                    f"{name}, line {line}: has {len(cells)} cells, and the header {len(header)}; write numbers as "
                    "1234.56, without thousands separators, and a text with a comma in double quotes"
                )
            else:
                rows.append({column: cell for column, cell in zip(header, cells, strict=True) if cell})
                lines.append(line)
    except csv.Error as error:
        faults.append(f"{name}, line {max(reader.line_num, 1)}: is not CSV: {error}")
    if not header and not faults:
        faults.append(f"{name}: is empty; the first line must name the columns: {', '.join(columns)}")
    if faults:
        raise InputError(faults)
    return Sheet(name, columns, rows, lines)


def _text(name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError([f"{name}, line {line}: is not UTF-8; save the file as CSV in UTF-8"]) from None
    if "\0" in text:
        raise InputError([f"{name}: is no text; save it as CSV in UTF-8"])
    return text


def _refuse_header(place: str, header: Sequence[str], columns: Fields, hint: str) -> None:
    other = next((word for sign, word in SEPARATORS.items() if sign in header[0]), None)
    if len(header) == 1 and other:
        raise InputError([f"{place}: columns are separated by {other}; use commas, and write numbers as 1234.56"])
    faults = [f"column {name} is there twice" for name in dict.fromkeys(header) if header.count(name) > 1]
    faults += [f"{unknown_member(name, columns)}{hint}" for name in header if name not in columns]
    faults += [f"column {name} is required" for name, each in columns.items() if each.required and name not in header]
    if faults:
        raise InputError(f"{place}: {fault}" for fault in faults)


# ---------------------------------------------------------------------- into requests


def take_values(draft: Draft, name: str, content: bytes) -> None:
    """Take the rows of a time-weighted return."""
    sheet = read_sheet(name, content, VALUES)
    _take_rows(draft, "valuation_points", sheet)
    first, last = sheet.span("perf_date")
    draft.default(performance_start_date=first, report_end_date=last, metric_basis="NET")


def take_flows(draft: Draft, name: str, content: bytes) -> None:
    """Take the flows of a money-weighted return."""
    _take_rows(draft, "cash_flows", read_sheet(name, content, FLOWS))


def take_positions(
    draft: Draft, name: str, content: bytes, labels: Sequence[str], portfolio: tuple[str, bytes] | None
) -> None:
    """Take the positions of a contribution, and the portfolio from its own file or as their sum."""
    used = {*_texts(draft.document.get("hierarchy")), *labels, "currency"} - {"position_id", *VALUES}
    columns = {"position_id": Text(required=True), **VALUES, **{label: Text() for label in sorted(used)}}
    sheet = read_sheet(name, content, columns, "; --hierarchy and --label name columns of labels")
    found = _grouped(sheet, lambda row: row.get("position_id", ""))
    positions, faults = [], []
    for position, of_it in found.items():
        meta: dict[str, str] = {}
        for i in of_it:
            for label in used & sheet.rows[i].keys():
                text = sheet.rows[i][label]
                if meta.setdefault(label, text) != text:
                    faults.append((i, f"{label}: is {text!r}, and {meta[label]!r} above; a position has one label"))
        rows = [sheet.wire_row(sheet.rows[i], VALUES) for i in of_it]
        entry = {"position_id": position} if position else {}
        positions.append({**entry, "meta": dict(sorted(meta.items())), "valuation_points": rows})
    if faults:
        raise InputError(f"{name}, line {sheet.lines[i]}, {text}" for i, text in sorted(faults))
    draft.take("positions_data", name, positions, [sheet.lines[of_it[0]] for of_it in found.values()])
    for k, of_it in enumerate(found.values()):
        draft.tables["positions_data", k, "valuation_points"] = (name, [sheet.lines[i] for i in of_it])
    if portfolio:
        _take_rows(draft, "portfolio_data.valuation_points", read_sheet(*portfolio, VALUES))
    else:
        # What has no label is in the currency of the portfolio's rows, as under currency_mode BOTH.
        own = str(draft.document.get("report_ccy") or draft.document.get("currency") or DEFAULT_CCY)
        currencies = {row.get("currency", own) for row in sheet.rows}
        if draft.document.get("currency_mode") == "BOTH":
            currencies.add(own)
        if len(currencies) > 1:
            told = " and ".join(sorted(currencies))
            text = f"positions and portfolio are valued in {told}, so that the portfolio is not their sum"
            raise InputError([f"{name}: {text}; give its rows by --portfolio"])
        _take_sum(draft, sheet)
    draft.document["portfolio_data"].setdefault("metric_basis", "NET")
    first, last = sheet.span("perf_date")
    draft.default(report_start_date=first, report_end_date=last)


def take_groups(draft: Draft, name: str, content: bytes) -> None:
    """Take the groups of both sides of an attribution."""
    labels = list(_texts(draft.document.get("group_by")))
    if not labels:
        raise InputError(["--group-by: is required; it names the columns that make groups"])
    columns = {"side": Text(required=True), **{label: Text(required=True) for label in labels}, **OBSERVATIONS}
    sheet = read_sheet(name, content, columns, "; --group-by names columns of labels")
    wrong = [i for i, row in enumerate(sheet.rows) if row.get("side") not in SIDES]
    if wrong:
        raise InputError(f"{name}, line {sheet.lines[i]}, side: must be one of {', '.join(SIDES)}" for i in wrong)
    found = _grouped(sheet, lambda row: (row["side"], *(row.get(label) for label in labels)))
    for side, path in SIDES.items():
        of_side = [of_it for key, of_it in found.items() if key[0] == side]
        groups = [
            {
                "key": {label: sheet.rows[of_it[0]][label] for label in labels if label in sheet.rows[of_it[0]]},
                "observations": [sheet.wire_row(sheet.rows[i], OBSERVATIONS) for i in of_it],
            }
            for of_it in of_side
        ]
        if not groups:
            raise InputError([f"{name}: has no row of side {side}"])
        draft.take(path, name, groups, [sheet.lines[of_it[0]] for of_it in of_side])
        for k, of_it in enumerate(of_side):
            draft.tables[path, k, "observations"] = (name, [sheet.lines[i] for i in of_it])
    first, last = sheet.span("date")
    draft.default(mode="by_group", report_start_date=first, report_end_date=last)


def _take_rows(draft: Draft, path: str, sheet: Sheet) -> None:
    rows = [sheet.wire_row(row, sheet.columns) for row in sheet.rows]
    draft.take(path, sheet.name, rows, sheet.lines)


def _take_sum(draft: Draft, sheet: Sheet) -> None:
    """Take the portfolio as the sum of its positions by date, added up in decimals: cents stay cents."""
    by_date = _grouped(sheet, lambda row: row.get("perf_date", ""))
    days = {day: of_it for day, of_it in by_date.items() if not Date().fault(day)} or by_date
    rows = []
    for day, of_it in days.items():
        sums = {name: sum((_finite(sheet.rows[i].get(name, "")) for i in of_it), Decimal(0)) for name in MONEY}
        rows.append({"perf_date": day, **{name: float(total) for name, total in sums.items()}})
    lines = [sheet.lines[of_it[0]] for of_it in days.values()]
    draft.take("portfolio_data.valuation_points", f"{sheet.name}, sum of the positions", rows, lines)


def _finite(text: str) -> Decimal:
    """Return the number of a cell, 0 where it is none: such a cell is refused where the position is read."""
    return Decimal(text) if NUMBER.fullmatch(text) and math.isfinite(float(text)) else Decimal(0)


def _grouped(sheet: Sheet, key: Callable[[Mapping[str, str]], Any]) -> dict[Any, list[int]]:
    """Return the rows of each key, in order of appearance."""
    groups: dict[Any, list[int]] = {}
    for i, row in enumerate(sheet.rows):
        groups.setdefault(key(row), []).append(i)
    return groups


def _texts(value: Any) -> Iterable[str]:
    return (each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
