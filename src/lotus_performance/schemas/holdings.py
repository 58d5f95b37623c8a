"""Lists of entities that each bring rows of their own: positions, instruments, groups. Read as one stack of rows."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import orjson
from marshmallow import ValidationError, missing

from lotus_performance.engine.fx import CurrencyMode
from lotus_performance.engine.holdings import CURRENCY, Holdings
from lotus_performance.engine.holdings import stack as stack_holdings
from lotus_performance.engine.segments import Observations, refuse_repeats
from lotus_performance.engine.series import IntArray, date_texts
from lotus_performance.errors import Fault, UnknownHierarchyKeyError
from lotus_performance.schemas.faults import Message, placed_messages, unreported
from lotus_performance.schemas.fields import (
    Columns,
    Currency,
    Messages,
    StrictField,
    Table,
    Text,
    limits_of,
    unknown_member,
    without_gaps,
)
from lotus_performance.schemas.limits import Limits

Labels = Mapping[str, Any]

META = "meta"
"""Member of a holding with its labels."""


class LabelsField(StrictField[Labels]):
    """Object of labels; the values of those that an analysis uses must be text, the others may be anything."""

    schema_type: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": {"description": "Text, where the calculation uses the label; else anything."},
    }
    default_error_messages: Messages = {"wrong_type": "must be an object"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Labels:
        if type(value) is not dict:
            raise self.make_error("wrong_type")
        return value


@dataclass(frozen=True)
class Stack:
    """Entities in the order of the request: members by name, the columns of all rows, and how many rows each has."""

    members: Mapping[str, Sequence[Any]]
    columns: Mapping[str, Any]
    n_rows: IntArray

    def canonical(self, identity: str, rows: str, holdings: Holdings) -> list[dict[str, Any]]:
        """Return the entities for the canonical request, in order of identity, their rows as columns in date order.

        `identity` and `rows` are the names of those members.
        """
        by_id = dict(zip(self.members[identity], zip(*self.members.values(), strict=True), strict=True))
        columns = {name: getattr(holdings.values, name) for name in self.columns}
        columns["perf_date"] = date_texts(holdings.values.perf_date)
        edges = holdings.first.tolist()
        return [
            dict(zip(self.members, by_id[name], strict=True))
            | {rows: {column: cells[begin:end] for column, cells in columns.items()}}
            for name, begin, end in zip(holdings.ids, edges[:-1], edges[1:], strict=True)
        ]


class StackField(StrictField[Stack]):
    """A list of objects with rows of their own, taken into one table.

    Parameters
    ----------
    members : dict of field
        The members of an element but its rows; of those that are not required the default is filled in.
    rows : str
        Name of the member that holds the rows.
    columns : Columns
        The rows.
    most : function of Limits
        How many elements are allowed.
    """

    default_error_messages: Messages = {
        "wrong_type": "must be a list",
        "empty": "must not be empty",
        "too_many": "holds {count} elements; at most {limit} are allowed",
    }

    def __init__(
        self,
        members: dict[str, StrictField[Any]],
        rows: str,
        columns: Columns,
        *,
        most: Callable[[Limits], int],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.members, self.rows, self.columns, self.most = members, rows, columns, most

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        # Else all schemas share them, with the limits of the last.
        self.members, self.columns = copy.deepcopy(self.members), copy.deepcopy(self.columns)
        for name, field in self.fields.items():
            field._bind_to_schema(name, self)

    @property
    def fields(self) -> dict[str, StrictField[Any]]:
        """Members of an element, its rows among them."""
        return {**self.members, self.rows: self.columns}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Stack:
        if type(value) is not list:
            raise self.make_error("wrong_type")
        if not value:
            raise self.make_error("empty")
        limit = self.most(limits_of(self))
        if len(value) > limit:
            raise self.make_error("too_many", count=len(value), limit=limit)
        try:
            return self._all_at_once(value)
        except _MixedError:
            return self._one_by_one(value)

    def _all_at_once(self, value: list[Any]) -> Stack:
        """Return the stack of elements of which none is at fault and whose rows are all sent in one form."""
        fields = self.fields
        if set(map(type, value)) != {dict}:
            raise _MixedError
        names = set().union(*value)
        if not names <= fields.keys():
            raise _MixedError
        members: dict[str, Sequence[Any]] = {}
        for name, field in self.members.items():
            cells = [element.get(name, field.load_default) for element in value]
            loaded = None if field.required and missing in cells else field.array(cells)
            if loaded is None:
                raise _MixedError
            members[name] = loaded
        rows = [element.get(self.rows) for element in value]
        forms = set(map(type, rows))
        try:
            if forms == {list}:
                n_rows = self._checked(list(map(len, rows)))
                table = self.columns.table_of_rows(list(chain.from_iterable(rows)), _MixedError)
            elif forms == {dict}:
                n_rows, table = self._of_columns(rows)
            else:
                raise _MixedError
        except ValidationError:
            raise _MixedError from None
        return Stack(members, _arrays(table), n_rows)

    def _of_columns(self, rows: list[dict[str, Any]]) -> tuple[IntArray, Table]:
        names = rows[0].keys()
        if any(each.keys() != names for each in rows):
            raise _MixedError
        n_rows = self._checked([self.columns.column_length(each) for each in rows])
        cells = {name: list(chain.from_iterable(each[name] for each in rows)) for name in names}
        return n_rows, self.columns.table_of_columns(cells, int(n_rows.sum()), _MixedError)

    def _checked(self, n_rows: list[int]) -> IntArray:
        if min(n_rows) == 0 or max(n_rows) > limits_of(self).max_rows:
            raise _MixedError
        return np.array(n_rows, dtype=np.int64)

    def _one_by_one(self, value: list[Any]) -> Stack:
        """Return the stack of elements, or name every fault where it stands."""
        loaded: list[dict[str, Any]] = []
        faults: dict[Any, Any] = {}
        n_beyond, limit = 0, limits_of(self).max_errors
        for i, element in enumerate(value):
            try:
                loaded.append(self._element(element))
            except ValidationError as error:
                if len(faults) < limit:
                    faults[i] = error.messages
                else:
                    n_beyond += sum(placed.message.n_faults for placed in placed_messages(error.messages))
        if faults:
            raise ValidationError({**faults, **({"_schema": [unreported(n_beyond)]} if n_beyond else {})})
        members = {name: [element[name] for element in loaded] for name in self.members}
        tables = [_arrays(element[self.rows]) for element in loaded]
        columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        n_rows = np.array([len(table[self.columns.required_columns[0]]) for table in tables])
        return Stack(members, columns, n_rows)

    def _element(self, element: Any) -> dict[str, Any]:
        if type(element) is not dict:
            raise ValidationError([Message("must be an object", "wrong_type")])
        fields = self.fields
        faults: dict[str, Any] = {}
        loaded: dict[str, Any] = {}
        unknown = [name for name in element if name not in fields]
        limit = limits_of(self).max_errors
        for name in unknown[:limit]:
            faults[name] = [unknown_member(name, fields)]
        if len(unknown) > limit:
            faults["_schema"] = [unreported(len(unknown) - limit)]
        for name, field in fields.items():
            try:
                loaded[name] = field.deserialize(element.get(name, missing))
            except ValidationError as error:
                faults[name] = error.messages
        if faults:
            raise ValidationError(faults)
        return loaded


def _arrays(table: Table) -> dict[str, Any]:
    """Return the columns of numbers and dates; the others are labels of rows, which enter no calculation."""
    return {name: column for name, column in table.columns.items() if isinstance(column, np.ndarray)}


class _MixedError(Exception):
    """Not all elements are fine and of one form: they have to be looked at one by one."""


def holdings_of(stack: Stack, place: str, identity: str) -> Holdings:
    """Return positions or instruments as engine types; labels that are no text are left out."""
    ids = stack.members[identity]
    labels = [{name: text for name, text in each.items() if type(text) is str} for each in stack.members[META]]
    places = [(place, i, "valuation_points") for i in range(len(ids))]
    columns = {name: column for name, column in stack.columns.items() if name != "perf_date"}
    return stack_holdings(ids, labels, places, stack.n_rows, stack.columns["perf_date"], columns)


def refuse_labels(
    place: str, member: str, stack: Stack, used: Sequence[str], mode: CurrencyMode, limits: Limits
) -> None:
    """Refuse values of labels in use that are no text, and where returns are converted, currencies that are none."""
    fields: dict[str, StrictField[Any]] = {name: Text() for name in used}
    if mode is not CurrencyMode.BASE_ONLY and (CURRENCY in fields or member == META):
        fields[CURRENCY] = Currency()
    faults: dict[int, Any] = {}
    n_faults = 0
    known: dict[tuple[str, Any], Message | None] = {}
    for i, labels in enumerate(stack.members[member]):
        for name, field in fields.items():
            # Null is no label of a holding; the key of a group is to have a text.
            if name not in labels or (member == META and labels[name] is None):
                continue
            value = labels[name]
            key = (name, value if type(value) is str else type(value))
            if key not in known:
                known[key] = field.fault(value)
            fault = known[key]
            if fault:
                n_faults += 1
                if n_faults <= limits.max_errors:
                    faults.setdefault(i, {member: {}})[member][name] = [fault]
    if faults:
        beyond = {"_schema": [unreported(n_faults - limits.max_errors)]} if n_faults > limits.max_errors else {}
        raise ValidationError({place: {**faults, **beyond}})


def observations_of(stack: Stack, place: str, names: Sequence[str]) -> Observations:
    """Return groups as engine types, with `names` as their keys; own-currency returns are NaN where they are absent."""
    faults = [
        Fault((place, i, "key"), f"has no member {name!r}, which group_by names")
        for i, key in enumerate(stack.members["key"])
        for name in names
        if name not in key
    ]
    if faults:
        raise UnknownHierarchyKeyError("A group lacks a label by which segments are made.", faults=faults)
    n_rows = stack.n_rows
    observations = Observations(
        keys=tuple(tuple(key[name] for name in names) for key in stack.members["key"]),
        places=tuple((place, i, "observations") for i in range(len(n_rows))),
        group=np.repeat(np.arange(len(n_rows)), n_rows),
        row=np.arange(n_rows.sum()) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows),
        date=stack.columns["date"],
        weight=stack.columns["weight_bop"],
        returns=stack.columns["return_base"],
        local=stack.columns["return_local"],
        fx=stack.columns["return_fx"],
    )
    refuse_repeats(observations)
    return observations


def canonical_groups(stack: Stack, observations: Observations) -> list[dict[str, Any]]:
    """Return groups for the canonical request, in order of their keys, their rows as columns in date order."""
    keys = [orjson.dumps(key, option=orjson.OPT_SORT_KEYS) for key in stack.members["key"]]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    by_group = np.lexsort((observations.date, observations.group))
    edges = np.concatenate(([0], np.cumsum(stack.n_rows))).tolist()
    dates = date_texts(observations.date[by_group])
    numbers = {name: column[by_group] for name, column in stack.columns.items() if name != "date"}
    groups = []
    for i in order:
        rows = slice(edges[i], edges[i + 1])
        columns: dict[str, Any] = {name: column[rows] for name, column in numbers.items()}
        columns = {name: column for name, column in columns.items() if not np.isnan(column).all()}
        groups.append({"key": stack.members["key"][i], "observations": without_gaps({"date": dates[rows], **columns})})
    return groups
