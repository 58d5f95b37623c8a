"""Requests as JSON: tables become columns, dates become text, and what JSON cannot hold is refused by its row."""

import datetime
import json
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from lotus_performance.client.errors import Fault, InvalidInputError

MAX_FAULTS = 100
VALUES = frozenset({"day", "perf_date", "begin_mv", "end_mv", "bod_cf", "eod_cf", "mgmt_fees"})
OBSERVATIONS = frozenset({"date", "weight_bop", "return_base", "return_local", "return_fx"})
SPLIT = {
    "positions_data": VALUES,
    "instruments_data": VALUES,
    "portfolio_groups_data": OBSERVATIONS,
    "benchmark_groups_data": OBSERVATIONS,
}
"""Members that may be one long frame, and the columns of it that are rows; the others tell whose row it is."""
TABLES = {
    "valuation_points",
    "cash_flows",
    "observations",
    "rates",
    "series",
    "market_values",
    "portfolio_returns",
    "benchmark_returns",
    "risk_free_returns",
}


Why = tuple[str, str]
"""Code and detail of a fault."""
NOT_FINITE = ("not_finite", "must be a finite number")
NULL = ("null", "must not be missing")
NOT_A_DAY = ("not_a_date", "must be a date without a time of day")
TWICE = ("duplicate_member", "is there twice, among the columns and names of the index")
TOO_LONG = ("out_of_range", "has more digits than a double, as which it is sent")


class _RefusedError(Exception):
    """A value cannot be sent."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


def encode(request: Mapping[str, Any]) -> bytes:
    """Return a request as JSON; raise `InvalidInputError` with every cell that cannot be sent."""
    encoder = _Encoder()
    document = encoder.plain(request, "")
    if encoder.faults:
        total = len(encoder.faults)
        detail = f"{total} {'value' if total == 1 else 'values'} cannot be sent; nothing was."
        raise InvalidInputError(None, "validation_failed", detail, encoder.faults[:MAX_FAULTS], total)
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


class _Encoder:
    """Turns values into what JSON holds, and takes down what cannot be turned."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def member(self, name: str, value: Any, place: str) -> Any:
        """Return a named member, which may be a table."""
        if isinstance(value, pd.DataFrame):
            named = [level for level in value.index.names if level is not None]
            twice = pd.Index([*named, *value.columns]).map(str)
            twice = twice[twice.duplicated()].unique()
            if len(twice):
                self.faults += [Fault(f"{place}/{_step(column)}", *TWICE) for column in twice]
                return None
            frame = value.reset_index() if named else value.reset_index(drop=True)
            return self.split(name, frame, place) if name in SPLIT else self.columns(dict(frame.items()), place)
        if name in TABLES and isinstance(value, Mapping):
            return self.columns(value, place)
        if name in TABLES and isinstance(value, Sequence) and all(isinstance(row, Mapping) for row in value):
            return self.rows(value, place)
        return self.plain(value, place)

    def plain(self, value: Any, place: str) -> Any:
        """Return a value that is no table; members that are None are left out."""
        if isinstance(value, Mapping):
            present = ((str(name), part) for name, part in value.items() if part is not None)
            return {name: self.member(name, part, f"{place}/{_step(name)}") for name, part in present}
        if isinstance(value, np.ndarray | pd.Series | pd.Index):
            value = list(value)
        if isinstance(value, Iterable) and not isinstance(value, str | bytes):
            return [self.plain(part, f"{place}/{i}") for i, part in enumerate(value)]
        try:
            return _scalar(value)
        except _RefusedError as refused:
            self.faults.append(Fault(place, *refused.why))
            return None

    def rows(self, rows: Sequence[Mapping[str, Any]], place: str) -> Any:
        """Return rows as columns, which are shorter; rows of unlike members stay rows: a column has every cell."""
        present = [{name: cell for name, cell in row.items() if cell is not None} for row in rows]
        if not present or any(row.keys() != present[0].keys() for row in present):
            return self.plain(present, place)
        return self.columns({name: [row[name] for row in present] for name in present[0]}, place)

    def columns(self, columns: Mapping[Any, Any], place: str, numbers: Sequence[int] | None = None) -> dict[str, Any]:
        """Return a table as columns; `numbers` are those of its rows where they are some of a longer table's."""
        cells: dict[str, Any] = {}
        refusals: list[tuple[int, str, Why]] = []
        for name, column in columns.items():
            cells[str(name)], refused = _cells(column)
            refusals += [(row, str(name), why) for row, why in refused.items()]
        date_name = next((name for name in ("perf_date", "date") if name in cells), None)
        for row, name, why in sorted(refusals):
            day = cells[date_name][row : row + 1] if date_name not in (None, name) else []
            number = row if numbers is None else numbers[row]
            dated = {str(date_name): str(each) for each in day}
            self.faults.append(Fault(f"{place}/{number}/{_step(name)}", *why, **dated))
        return cells

    def split(self, name: str, frame: Any, place: str) -> list[dict[str, Any]]:
        """Return one long frame as a list of positions, instruments or groups, each with its rows."""
        labels = [column for column in frame.columns if column not in SPLIT[name]]
        parts = frame.groupby(labels, sort=False, dropna=False) if labels else [((), frame)]
        found = []
        for values, part in parts:
            present = {label: value for label, value in zip(labels, values, strict=True) if not pd.isna(value)}
            key = self.plain(present, place)
            rows = self.columns({c: part[c] for c in frame.columns if c not in labels}, place, part.index)
            if SPLIT[name] is OBSERVATIONS:
                found.append({"key": key, "observations": rows})
            else:
                identity = {own: key.pop(own) for own in ("position_id", "instrument_id") if own in key}
                found.append({**identity, "meta": key, "valuation_points": rows})
        return found


def _cells(column: Any) -> tuple[Any, dict[int, Why]]:
    """Return a column as JSON values, and what is wrong with which of its rows."""
    if isinstance(column, str | bytes | Mapping) or not isinstance(column, Iterable):
        return column, {}  # no column at all: the service says so
    if isinstance(column, np.ndarray):
        if column.ndim != 1:
            return column.tolist(), {}
        column = pd.Series(column)
    if not isinstance(column, pd.Series | pd.Index) or column.dtype.kind not in "fM" or column.isna().any():
        return _slow_cells(column)
    if column.dtype.kind == "M":
        days = pd.Series(column).dt.tz_localize(None)
        wrong = np.flatnonzero(days != days.dt.normalize())
        return days.to_numpy().astype("datetime64[D]").astype(str).tolist(), dict.fromkeys(wrong.tolist(), NOT_A_DAY)
    numbers = column.to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    return numbers.tolist(), dict.fromkeys(wrong.tolist(), NOT_FINITE)


def _slow_cells(column: Iterable[Any]) -> tuple[list[Any], dict[int, Why]]:
    cells: list[Any] = []
    refused: dict[int, Why] = {}
    for row, value in enumerate(column):
        try:
            cells.append(_scalar(value))
        except _RefusedError as error:
            cells.append(None)
            refused[row] = error.why
    return cells, refused


def _scalar(value: Any) -> Any:
    """Return one value as JSON has it."""
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    elif isinstance(value, np.floating):
        value = float(value)
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA:
        raise _RefusedError(NULL)
    if isinstance(value, float) and not math.isfinite(value):
        raise _RefusedError(NOT_FINITE)
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime.date):
        return _day(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Decimal):
        return _number(value)
    raise _RefusedError(("wrong_type", f"is a {type(value).__name__}, which cannot be sent"))


def _day(value: datetime.date) -> str:
    if isinstance(value, datetime.datetime):
        if pd.Timestamp(value) != pd.Timestamp(value).normalize():
            raise _RefusedError(NOT_A_DAY)
        value = value.date()
    return value.isoformat()


def _number(value: Decimal) -> float:
    """Return a decimal as the double that is written with the same digits; the service reads the digits."""
    number = float(value)
    if not math.isfinite(number):
        raise _RefusedError(NOT_FINITE)
    if Decimal(repr(number)) != value:
        raise _RefusedError(TOO_LONG)
    return number


def _step(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
