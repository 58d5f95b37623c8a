"""Members of the wire: strict types, and one field that takes a list of rows or of columns into arrays."""

import copy
import datetime
import difflib
import json
import math
import re
import struct
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

import numpy as np
from marshmallow import ValidationError, fields, missing

from lotus_performance.engine.requests import TRADING_CALENDARS
from lotus_performance.engine.series import DateArray, FloatArray, IntArray
from lotus_performance.schemas.faults import Message, unreported
from lotus_performance.schemas.limits import Limits

MAX_ID_LENGTH = 256
MAX_LABEL_LENGTH = 64

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Messages = dict[str, str | list[Any] | dict[Any, Any]]

NUMBER_TYPES = {int, float, Decimal}
"""Decimals are there under DECIMAL_STRICT alone."""

NULL = Message("must not be null", "null")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_DATE_TEXT = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_CANONICAL = json.JSONEncoder(default=str, sort_keys=True)
_CODES = {"required": "missing", "null": "null"}


class StrictField(fields.Field[T]):
    """Base of all members: messages with codes, and a JSON schema for the documentation."""

    schema_type: ClassVar[dict[str, Any]] = {}
    default_error_messages: Messages = {"required": "is required", "null": "must not be null"}

    def make_error(self, key: str, **kwargs: Any) -> ValidationError:
        """Return the error of a key with its code."""
        text = str(super().make_error(key, **kwargs).messages[0])
        return ValidationError([Message(text, _CODES.get(key, key))])

    def fault(self, value: Any) -> Message | None:
        """Return what is wrong with a value."""
        try:
            self.deserialize(value)
        except ValidationError as error:
            message = error.messages[0]
            return message if isinstance(message, Message) else Message(str(message), "invalid")
        return None

    def array(self, cells: Sequence[Any]) -> Any:
        """Return a column of values, or None when at least one of them is at fault."""
        distinct = dict.fromkeys(cells) if set(map(type, cells)) == {str} else cells
        if any(map(self.fault, distinct)):
            return None
        return [None if cell is missing else cell for cell in cells] if missing in cells else cells

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of this member."""
        return dict(self.schema_type)


class Text(StrictField[str]):
    """Text of a bounded length without control characters."""

    default_error_messages: Messages = {
        "wrong_type": "must be text",
        "empty": "must not be empty",
        "too_long": "must have at most {limit} characters",
        "control_character": "must not contain control characters",
    }

    def __init__(self, max_length: int = MAX_ID_LENGTH, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_length = max_length

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str:
            raise self.make_error("wrong_type")
        if not value.strip():
            raise self.make_error("empty")
        if len(value) > self.max_length:
            raise self.make_error("too_long", limit=self.max_length)
        if _CONTROL.search(value):
            raise self.make_error("control_character")
        return value

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of this member."""
        return {"type": "string", "minLength": 1, "maxLength": self.max_length}


class Currency(StrictField[str]):
    """Currency code of three capital letters, as in ISO 4217."""

    schema_type: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^[A-Z]{3}$"}
    default_error_messages: Messages = {
        "not_a_currency": "must be a currency code of three capital letters, such as USD"
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str or not _CURRENCY.fullmatch(value):
            raise self.make_error("not_a_currency")
        return value


class Exchange(StrictField[str]):
    """Exchange whose sessions are known, by its market identifier code (ISO 10383)."""

    schema_type: ClassVar[dict[str, Any]] = {"type": "string", "enum": list(TRADING_CALENDARS)}
    default_error_messages: Messages = {"not_allowed": "must be one of {choices}"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str or value not in TRADING_CALENDARS:
            raise self.make_error("not_allowed", choices=", ".join(TRADING_CALENDARS))
        return value


class Uuid(StrictField[str]):
    """UUID in its canonical form."""

    schema_type: ClassVar[dict[str, Any]] = {
        "type": "string",
        "format": "uuid",
        "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
    }
    default_error_messages: Messages = {
        "not_a_uuid": "must be a UUID in canonical form, such as 2f1c1c9e-7f0a-4c0e-9a51-0f1d6f0f4b3a"
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str or not _UUID.fullmatch(value):
            raise self.make_error("not_a_uuid")
        return str(uuid.UUID(value))


class Flag(StrictField[bool]):
    """true or false."""

    schema_type: ClassVar[dict[str, Any]] = {"type": "boolean"}
    default_error_messages: Messages = {"wrong_type": "must be true or false"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise self.make_error("wrong_type")
        return value


class Whole(StrictField[int]):
    """Whole number within bounds."""

    default_error_messages: Messages = {
        "wrong_type": "must be a whole number",
        "out_of_range": "must be from {low} to {high}",
    }

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.low, self.high = low, high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.make_error("wrong_type")
        if not self.low <= value <= self.high:
            raise self.make_error("out_of_range", low=self.low, high=self.high)
        return value

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of this member."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


class Number(StrictField[float]):
    """Finite number, within bounds where there are any; booleans and texts are not numbers."""

    default_error_messages: Messages = {
        "wrong_type": "must be a number",
        "not_finite": "must be a finite number",
        "out_of_range": "must be {bounds}",
    }

    def __init__(self, low: float | None = None, high: float | None = None, above: float | None = None, **kw: Any):
        super().__init__(**kw)
        self.low, self.high, self.above = low, high, above

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        fault = self.fault(value)
        if fault:
            raise ValidationError([fault])
        return float(value) + 0.0  # -0.0 is 0

    def fault(self, value: Any) -> Message | None:
        """Return what is wrong with a value."""
        if type(value) not in NUMBER_TYPES:
            return NULL if value is None else Message("must be a number, without quotes", "wrong_type")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            return Message("must be a finite number", "not_finite")
        if not self._is_within(number):
            return Message(f"must be {self._bounds()}", "out_of_range")
        return None

    def array(self, cells: Sequence[Any]) -> FloatArray | None:
        """Return a column of values, or None when at least one of them is at fault."""
        types = list(map(type, cells))
        # Nearly all columns hold doubles alone, and counting is faster than a set.
        if types.count(float) < len(types) and not NUMBER_TYPES.issuperset(types):
            return None
        try:
            # Packed, as that takes half the time of np.array; -0.0 is 0.
            column = np.frombuffer(struct.pack(f"{len(cells)}d", *cells)) + 0.0
        except struct.error:  # an integer that no double can hold
            return None
        is_fine = np.isfinite(column) & self._is_within(column)
        if not self.required and self.load_default is missing:
            is_fine |= np.isnan(column)  # JSON has no NaN: an absent cell
        return column if is_fine.all() else None

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of this member."""
        bounds = {"minimum": self.low, "maximum": self.high, "exclusiveMinimum": self.above}
        return {"type": "number", **{name: bound for name, bound in bounds.items() if bound is not None}}

    def _is_within(self, value: Any) -> Any:
        inside = value == value
        if self.low is not None:
            inside = inside & (value >= self.low)
        if self.high is not None:
            inside = inside & (value <= self.high)
        if self.above is not None:
            inside = inside & (value > self.above)
        return inside

    def _bounds(self) -> str:
        named = (("at least", self.low), ("at most", self.high), ("more than", self.above))
        return " and ".join(f"{name} {bound:g}" for name, bound in named if bound is not None)


class Date(StrictField[np.datetime64]):
    """Day of the calendar, strictly ``YYYY-MM-DD``."""

    schema_type: ClassVar[dict[str, Any]] = {"type": "string", "format": "date"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> np.datetime64:
        fault = self.fault(value)
        if fault:
            raise ValidationError([fault])
        return np.datetime64(value, "D")

    def fault(self, value: Any) -> Message | None:
        """Return what is wrong with a value."""
        if type(value) is str and _DATE_TEXT.fullmatch(value):
            try:
                datetime.date.fromisoformat(value)
            except ValueError:
                return Message("is no day of the calendar", "not_a_date")
            return None
        return NULL if value is None else Message("must be a date of the form YYYY-MM-DD", "not_a_date")

    def array(self, cells: Sequence[Any]) -> DateArray | None:
        """Return a column of dates, or None when at least one of them is at fault."""
        if not cells:
            return np.empty(0, dtype="datetime64[D]")
        try:
            text, apart = "".join(cells), ",".join(cells)
        except TypeError:
            return None
        # No date holds a comma: one at each eleventh place says that all cells have ten characters.
        is_even = len(text) == 10 * len(cells) and apart[10::11] == "," * (len(cells) - 1)
        return parse_dates(text) if is_even else None


class Choice(StrictField[E]):
    """One of the members of an enumeration, exactly as it is written there."""

    default_error_messages: Messages = {"not_allowed": "must be one of {choices}"}

    def __init__(self, enum: type[E], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.enum = enum
        self.by_value: dict[str, E] = {member.value: member for member in enum}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> E:
        if type(value) is not str or value not in self.by_value:
            raise self.make_error("not_allowed", choices=", ".join(self.by_value))
        return self.by_value[value]

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of this member."""
        return {"type": "string", "enum": list(self.by_value)}


class Members(fields.Nested):
    """Object with members of its own; hands its parent's limits down."""

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        self.hand_down(limits_of(parent))

    def hand_down(self, limits: Limits) -> None:
        """Give the object and all objects below it their limits: those below were bound before, with the defaults."""
        self.schema.limits = limits  # type: ignore[attr-defined]
        for field in self.schema.fields.values():
            below = getattr(field, "inner", field)
            if isinstance(below, Members):
                below.hand_down(limits)

    def make_error(self, key: str, **kwargs: Any) -> ValidationError:
        """Return the error of a key with its code."""
        texts = {"required": "is required", "null": "must not be null", "type": "must be an object"}
        return ValidationError([Message(texts[key], _CODES.get(key, "wrong_type"))])


class Placed(NamedTuple):
    """An element of a list and its position there."""

    position: int
    value: Any


class Distinct(StrictField[list[Placed]]):
    """List whose repeated elements cost nothing: each different element is read once, in order of appearance.

    Parameters
    ----------
    inner : field
        The elements.
    most : function of Limits
        How many different elements are allowed.
    identity : function of an element
        What must differ for two elements to count as two; elements of one identity may have `FORMS` forms.
    """

    FORMS: ClassVar = 64
    LONGEST: ClassVar = 200_000

    default_error_messages: Messages = {
        "wrong_type": "must be a list",
        "empty": "must not be empty",
        "too_many": "holds more than {limit} different elements",
        "too_long": "holds {count} elements, those of lists in it counted; at most {limit} are allowed",
    }

    def __init__(
        self,
        inner: fields.Field[Any],
        *,
        most: Callable[[Limits], int],
        identity: Callable[[Any], Any] | None = None,
        allow_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.inner, self.most, self.identity, self.allow_empty = inner, most, identity, allow_empty

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        self.inner = copy.deepcopy(self.inner)  # else all schemas share one, with the limits of the last
        self.inner._bind_to_schema(field_name, self)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Placed]:
        if type(value) is not list:
            raise self.make_error("wrong_type")
        if not value and not self.allow_empty:
            raise self.make_error("empty")
        count = len(value) + sum(
            len(member)
            for element in value
            if type(element) is dict
            for member in element.values()
            if type(member) is list and len(member) <= self.LONGEST  # a longer one is refused by itself
        )
        if count > self.LONGEST:
            raise self.make_error("too_long", count=count, limit=self.LONGEST)
        loaded, faults = [], {}
        for i in self._first_positions(value):
            try:
                loaded.append(Placed(i, self.inner.deserialize(value[i])))
            except ValidationError as error:
                faults[i] = error.messages
        if faults:
            raise ValidationError(faults)
        return loaded

    def _first_positions(self, value: list[Any]) -> list[int]:
        """Return where each different element stands first; refuse too many before any of them is read."""
        most = self.most(limits_of(self))
        most_forms = most if self.identity is None else most * self.FORMS
        first: dict[Hashable, int] = {}
        identities: set[Hashable] = set()
        for i, element in enumerate(value):
            form = _form(element)
            if form in first:
                continue
            first[form] = i
            if self.identity is not None:
                identities.add(_form(self.identity(element)))
            if len(first) > most_forms or len(identities) > most:
                raise self.make_error("too_many", limit=most)
        return list(first.values())


def _form(element: Any) -> Hashable:
    """Return what equal elements have in common; a list or object has its canonical text."""
    if isinstance(element, list | dict):
        return _CANONICAL.encode(element)
    return type(element), element


class Table:
    """Columns of one length as arrays, and their `cells` as they were sent."""

    def __init__(self, columns: dict[str, Any], cells: Mapping[str, Sequence[Any]]) -> None:
        self.columns = columns
        self.cells = cells

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def canonical(self, order: IntArray) -> dict[str, Any]:
        """Return the columns for the canonical request, their rows in the order given; dates as texts."""
        dates = {name for name, column in self.columns.items() if column_is_dates(column)}
        merged = {name: self.cells[name] if name in dates else column for name, column in self.columns.items()}
        if (order[1:] > order[:-1]).all():
            return merged
        positions = order.tolist()
        return {
            name: cells[order] if isinstance(cells, np.ndarray) else [cells[i] for i in positions]
            for name, cells in merged.items()
        }

    def decimals(self, name: str, order: IntArray) -> list[Decimal]:
        """Return a column of numbers as exact decimals, in the order given."""
        sent = self.cells.get(name)
        cells = self.columns[name].tolist() if sent is None else sent
        return [Decimal(cells[i]) for i in order.tolist()]

    def date_order(self) -> IntArray:
        """Return the order of the rows by date, and by the other columns where dates repeat."""
        keys = sorted(self.columns.values(), key=column_is_dates, reverse=True)
        # Texts that may be absent: sorted by their text, the absent ones first.
        return np.lexsort([k if isinstance(k, np.ndarray) else np.array([c or "" for c in k]) for k in reversed(keys)])


def without_gaps(columns: Mapping[str, Any]) -> Any:
    """Return columns as they are, or as rows where cells are absent: JSON has no other way to leave a cell out."""
    cells = {name: column.tolist() if isinstance(column, np.ndarray) else column for name, column in columns.items()}
    if all(value is not None and value == value for column in cells.values() for value in column):
        return columns
    rows = (dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True))
    return [{name: value for name, value in row.items() if value is not None and value == value} for row in rows]


def column_is_dates(column: Any) -> bool:
    """Return whether a column holds dates."""
    return isinstance(column, np.ndarray) and column.dtype.kind == "M"


class Columns(StrictField[Table]):
    """A list of rows, or an object of columns, taken into arrays; both forms give the same table and the same faults.

    Parameters
    ----------
    columns : dict of field
        The members of a row: `Date`, `Number`, `Text`, `Currency` or `Whole`. Absent cells of a `Number` that is not
        required hold its default, NaN where it has none.
    identity : str, optional
        The member by which messages identify a row.
    """

    default_error_messages: Messages = {
        "wrong_type": "must be a list of rows or an object of columns",
        "too_many": "holds {count} rows; at most {limit} are allowed",
        "empty": "must hold at least one row",
    }

    def __init__(
        self,
        columns: dict[str, StrictField[Any]],
        *,
        identity: str | None = None,
        allow_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.columns, self.identity, self.allow_empty = columns, identity, allow_empty
        self.required_columns = [name for name, column in columns.items() if column.required]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Table:
        if isinstance(value, list):
            self._refuse_size(len(value))
            return self.table_of_rows(value, lambda: self._row_faults(value))
        if isinstance(value, dict):
            n_rows = self.column_length(value)
            self._refuse_size(n_rows)
            return self.table_of_columns(value, n_rows, lambda: self._cell_faults(value))
        raise self.make_error("wrong_type")

    def table_of_rows(self, rows: list[Any], faults: Callable[[], Exception]) -> Table:
        """Return rows as a table; raise what `faults` returns when one of them is at fault."""
        return self.table_of_columns(self._cells_of_rows(rows, faults), len(rows), faults)

    def _refuse_size(self, n_rows: int) -> None:
        limit = limits_of(self).max_rows
        if n_rows > limit:
            raise self.make_error("too_many", count=n_rows, limit=limit)
        if n_rows == 0 and not self.allow_empty:
            raise self.make_error("empty")

    # ------------------------------------------------------------------ the two forms

    def column_length(self, value: dict[str, Any]) -> int:
        """Return the common length of the columns; refuse what is not an object of equally long columns."""
        faults: dict[str, list[Message]] = {}
        for name in self.required_columns:
            if name not in value:
                faults[name] = [Message("column is required", "missing")]
        lengths = {name: len(cells) for name, cells in value.items() if type(cells) is list}
        longest = max(lengths.values(), default=0)
        unknown = [name for name in value if name not in self.columns]
        for name in islice(unknown, limits_of(self).max_errors):
            faults[name] = [unknown_member(name, self.columns)]
        for name, cells in value.items():
            if name not in self.columns:
                continue
            if type(cells) is not list:
                faults[name] = [Message("must be a list of cells", "wrong_type")]
            elif len(cells) != longest:
                text = f"has {len(cells)} cells where the longest column has {longest}"
                faults[name] = [Message(text, "unequal_lengths")]
        if faults:
            beyond = len(unknown) - limits_of(self).max_errors
            raise ValidationError({**faults, **({"_schema": [unreported(beyond)]} if beyond > 0 else {})})
        return longest

    def _cells_of_rows(self, rows: list[Any], faults: Callable[[], Exception]) -> dict[str, Sequence[Any]]:
        """Return the columns of rows, in as few passes as their shapes allow; absent cells hold the default."""
        required = self.required_columns
        try:
            cells: dict[str, Sequence[Any]] = {name: [row[name] for row in rows] for name in required}
            # A row that has the required members and is no longer has no others: few are, where those are flows.
            longer = [i for i, row in enumerate(rows) if len(row) > len(required)]
        except (KeyError, TypeError):  # a member is missing, or a row is no object
            raise faults() from None
        optional = set().union(*(rows[i] for i in longer)).difference(required)
        if optional - self.columns.keys():
            raise faults()
        positions = np.array(longer, dtype=np.int64)
        for name in optional:
            absent = self._absent(name)
            sent = [rows[i].get(name, absent) for i in longer]
            cells[name] = sent if len(longer) == len(rows) else self._spread(name, positions, sent, len(rows))
        return cells

    def _spread(self, name: str, rows: IntArray, sent: list[Any], n_rows: int) -> Sequence[Any]:
        """Return the column of a member that few rows have, doubles as an array at once."""
        column, default = self.columns[name], self._absent(name)
        read = column.array(sent) if isinstance(column, Number) and set(map(type, sent)) == {float} else None
        if read is not None:
            cells: FloatArray = np.full(n_rows, default)
            cells[rows] = read
            return cast(Sequence[Any], cells)
        padded = [default] * n_rows
        for i, value in zip(rows.tolist(), sent, strict=True):
            padded[i] = value
        return padded

    def _absent(self, name: str) -> Any:
        """Return what stands for an absent cell: the default, NaN for a number that has none."""
        column = self.columns[name]
        return math.nan if isinstance(column, Number) and column.load_default is missing else column.load_default

    # ------------------------------------------------------------------ cells to arrays

    def table_of_columns(
        self, cells: Mapping[str, Sequence[Any]], n_rows: int, faults: Callable[[], Exception]
    ) -> Table:
        """Return cells as a table; raise what `faults` returns when one of them is at fault."""
        columns: dict[str, Any] = {}
        for name, column in self.columns.items():
            if name in cells:
                found: Any = cells[name]
                columns[name] = found if isinstance(found, np.ndarray) else column.array(found)
            elif isinstance(column, Number):
                columns[name] = np.full(n_rows, self._absent(name))
        if any(column is None for column in columns.values()):
            raise faults()
        return Table(columns, cells)

    # ------------------------------------------------------------------ naming faults, one row at a time

    def _row_faults(self, rows: Sequence[Any]) -> ValidationError:
        """Return every fault of rows of which some are no objects, lack members or have unknown ones."""
        return self._collect((i, name, message) for i, row in enumerate(rows) for name, message in self._of_row(row))

    def _of_row(self, row: Any) -> Iterator[tuple[str | None, Message]]:
        """Yield the faults of a row."""
        if type(row) is not dict:
            yield None, Message("must be an object", "wrong_type")
            return
        tag = self._tag(row)
        for name in row:
            if name not in self.columns:
                yield name, unknown_member(name, self.columns)
        for name, column in self.columns.items():
            if name in row:
                fault = column.fault(row[name])
                if fault:
                    yield name, Message(fault, fault.code, tag)
            elif column.required:
                yield name, Message("is required", "missing", tag)

    def _cell_faults(self, cells: Mapping[str, Sequence[Any]]) -> ValidationError:
        rows = (dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True))
        return self._collect((i, name, message) for i, row in enumerate(rows) for name, message in self._of_row(row))

    def _collect(self, faults: Iterable[tuple[int, str | None, Message]]) -> ValidationError:
        messages: dict[Any, Any] = {}
        limit = limits_of(self).max_errors
        n = 0
        for n, (i, name, message) in enumerate(faults, start=1):
            if n <= limit:
                place = messages.setdefault(i, {})
                place.setdefault("_schema" if name is None else name, []).append(message)
        if n > limit:
            messages["_schema"] = [unreported(n - limit)]
        return ValidationError(messages)

    def _tag(self, row: dict[str, Any]) -> dict[str, str]:
        value = row.get(self.identity) if self.identity else None
        return {self.identity: value} if self.identity and type(value) is str and len(value) <= MAX_LABEL_LENGTH else {}


def unknown_member(name: str, known: Mapping[str, Any]) -> Message:
    """Return the message of a member that does not exist, naming the nearest that does."""
    shown = name[:MAX_LABEL_LENGTH]

    def hint() -> str:
        nearest = difflib.get_close_matches(shown, known, n=1, cutoff=0.5)
        return f"; did you mean `{nearest[0]}`?" if nearest else f"; known members are {', '.join(known)}"

    return Message(f"`{shown}` is not a member here", "unknown", hint=hint)


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID in canonical form."""
    return _UUID.fullmatch(text) is not None


def limits_of(owner: Any) -> Limits:
    """Return the limits of the schema that a field or a nested schema belongs to."""
    while isinstance(owner, fields.Field):
        owner = owner.parent
    limits: Limits = getattr(owner, "limits", None) or Limits()
    return limits


def parse_dates(text: str) -> DateArray | None:
    """Return the dates of a text of ``YYYY-MM-DD`` written one after another, or None when one of them is none.

    Reads digits as arrays: several times as fast as converting text by text, and without the forms beside
    ``YYYY-MM-DD`` that numpy would accept. (Its own conversion of whole arrays crashes on a date that is none.)
    """
    characters = text.encode("ascii", "replace")
    if characters.translate(_DIGITS_TO_ZEROS) != b"0000-00-00" * (len(characters) // 10):
        return None
    # A row for each place of a digit.
    digits = np.frombuffer(characters, dtype=np.uint8).reshape(-1, 10).T.astype(np.int32, order="C") - ord("0")
    year = digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3]
    month, day = digits[5] * 10 + digits[6], digits[8] * 10 + digits[9]
    if min(year.min(), month.min(), day.min()) < 1 or month.max() > 12:
        return None
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    dates = months.astype("datetime64[D]") + (day - 1)
    is_late = day > 28  # days before are in every month
    return dates if (dates[is_late].astype("datetime64[M]") == months[is_late]).all() else None
