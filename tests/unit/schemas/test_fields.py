"""Members of the wire: strict types; rows and columns give the same table and the same faults."""

import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from lotus_performance.engine.returns import Basis
from lotus_performance.schemas.base import StrictSchema
from lotus_performance.schemas.faults import placed_messages
from lotus_performance.schemas.fields import (
    Choice,
    Columns,
    Currency,
    Date,
    Distinct,
    Flag,
    Number,
    Text,
    Uuid,
    Whole,
    parse_dates,
)
from lotus_performance.schemas.limits import Limits

UUID = "2f1c1c9e-7f0a-4c0e-9a51-0f1d6f0f4b3a"


class TableSchema(StrictSchema):
    rows = Columns(
        {
            "day": Whole(-5, 5),
            "perf_date": Date(required=True),
            "end_mv": Number(required=True),
            "flow": Number(load_default=0.0),
            "note": Text(),
            "override": Number(),
        },
        identity="perf_date",
        required=True,
    )


def faults_of(document: Any, limits: Limits | None = None) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        TableSchema(limits=limits).load(document)
    return {
        "/".join(map(str, place)): message.code for place, message in placed_messages(caught.value.messages) if message
    }


def row(**changes: Any) -> dict[str, Any]:
    members = {"perf_date": "2025-01-06", "end_mv": 1.0} | changes
    return {name: value for name, value in members.items() if value is not ...}


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [each[name] for each in rows] for name in rows[0]}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        (Text(), 5, "wrong_type"),
        (Text(), "", "empty"),
        (Text(), "  ", "empty"),
        (Text(), "x" * 257, "too_long"),
        (Text(), "a\x00b", "control_character"),
        (Text(), "a\nb", "control_character"),
        (Text(), None, "null"),
        (Flag(), 1, "wrong_type"),
        (Flag(), "true", "wrong_type"),
        (Whole(0, 15), True, "wrong_type"),
        (Whole(0, 15), 6.0, "wrong_type"),
        (Whole(0, 15), 16, "out_of_range"),
        (Number(), True, "wrong_type"),
        (Number(), "1", "wrong_type"),
        (Number(), None, "null"),
        (Number(), float("inf"), "not_finite"),
        (Number(), 10**400, "not_finite"),
        (Number(above=0.0), 0, "out_of_range"),
        (Number(low=0.0, high=1.0), 1.5, "out_of_range"),
        (Choice(Basis), "net", "not_allowed"),
        (Choice(Basis), ["NET"], "not_allowed"),
        (Currency(), "usd", "not_a_currency"),
        (Currency(), "USD\n", "not_a_currency"),
        (Uuid(), UUID.upper(), "not_a_uuid"),
        (Uuid(), UUID + "\n", "not_a_uuid"),
        (Uuid(), 1, "not_a_uuid"),
        (Date(), "2025-02-30", "not_a_date"),
        (Date(), "20250107", "not_a_date"),
        (Date(), "2025-01-07\n", "not_a_date"),
        (Date(), "２０２５-01-07", "not_a_date"),
        (Date(), 20250107, "not_a_date"),
        (Distinct(Date(), most=lambda limits: limits.max_periods), "2025-01-07", "wrong_type"),
        (Distinct(Date(), most=lambda limits: limits.max_periods), [], "empty"),
    ],
    ids=lambda value: repr(value)[:40] if not hasattr(value, "deserialize") else type(value).__name__,
)
def test_a_value_of_another_kind_is_refused_with_its_code(field: Any, value: Any, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        field.deserialize(value)
    assert caught.value.messages[0].code == code


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (Text(), "Größe-日本語-🚀"),
        (Whole(0, 15), 15),
        (Number(), 5),
        (Number(low=0.0, high=1.0), 1),
        (Choice(Basis), "NET"),
        (Currency(), "EUR"),
        (Uuid(), UUID),
        (Date(), "2024-02-29"),
        (Date(), "0001-01-01"),
        (Date(), "9999-12-31"),
    ],
    ids=repr,
)
def test_a_value_of_the_kind_is_taken(field: Any, value: Any) -> None:
    loaded = field.deserialize(value)
    assert str(loaded) == str(value) or loaded == value


@given(st.lists(st.dates(), min_size=1, max_size=50))
def test_dates_are_read_as_the_calendar_has_them(dates: list[datetime.date]) -> None:
    parsed = parse_dates("".join(date.isoformat() for date in dates))
    assert parsed is not None
    assert parsed.tolist() == dates


@given(st.text("0123456789-", min_size=10, max_size=10))
def test_a_text_of_ten_characters_is_a_date_or_is_named_as_none(text: str) -> None:
    parsed = parse_dates(text)
    assert (parsed is None) == (Date().fault(text) is not None)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"perf_date": st.sampled_from(["2025-01-06", "2025-01-07", "x", 5, None]), "end_mv": st.sampled_from(
                [1, 2.5, True, "x", None, [1], 10**400])},
            optional={"flow": st.sampled_from([0, 1.5, None, "y"]), "day": st.sampled_from([1, "two", {}, True]),
                      "note": st.sampled_from(["a", "", None, 7]), "foo": st.just(1)},
        ),
        min_size=1,
        max_size=6,
    )
)  # fmt: skip
def test_what_is_refused_names_a_fault_and_what_is_taken_has_none(rows: list[dict[str, Any]]) -> None:
    expected = {
        f"rows/{i}/{name}"
        for i, each in enumerate(rows)
        for name, value in each.items()
        if name == "foo"
        or (name == "perf_date" and value not in ("2025-01-06", "2025-01-07"))
        or (name in ("end_mv", "flow") and (type(value) not in (int, float) or value == 10**400))
        or (name == "day" and type(value) is not int)
        or (name == "note" and value != "a")
    }
    if expected:
        assert set(faults_of({"rows": rows})) == expected
    else:
        table = TableSchema().load({"rows": rows})["rows"]
        assert table["end_mv"].tolist() == [each["end_mv"] for each in rows]
        assert table["flow"].tolist() == [each.get("flow", 0.0) for each in rows]


@pytest.mark.parametrize("name", ["end_mv", "perf_date", "flow", "note", "day"])
@pytest.mark.parametrize("value", [None, [1.0], {"a": 1}, True], ids=repr)
def test_rows_and_columns_have_the_same_faults(name: str, value: Any) -> None:
    rows = [row(flow=0.0, note="n", day=1), row(perf_date="2025-01-07", flow=0.0, note="n", day=1) | {name: value}]
    assert faults_of({"rows": rows}) == faults_of({"rows": columns_of(rows)})
    assert list(faults_of({"rows": rows})) == [f"rows/1/{name}"]


def test_rows_and_columns_give_the_same_table() -> None:
    rows = [row(flow=1.0), row(perf_date="2025-01-07", end_mv=2, flow=0.0)]
    by_rows, by_columns = (TableSchema().load({"rows": form})["rows"] for form in (rows, columns_of(rows)))
    assert by_rows.columns.keys() == by_columns.columns.keys()
    for name in ("perf_date", "end_mv", "flow"):
        np.testing.assert_array_equal(by_rows[name], by_columns[name])


def test_absent_cells_hold_the_default_or_nothing() -> None:
    rows = [row(), row(flow=2.0, override=3.0, note="a")]
    table = TableSchema().load({"rows": rows})["rows"]
    assert table["flow"].tolist() == [0.0, 2.0]
    assert np.isnan(table["override"]).tolist() == [True, False]
    assert table["note"] == [None, "a"]


@pytest.mark.parametrize(
    ("document", "faults"),
    [
        ({"perf_date": ["2025-01-06"], "end_mv": [1, 2]}, {"rows/perf_date": "unequal_lengths"}),
        ({"perf_date": ["2025-01-06"]}, {"rows/end_mv": "missing"}),
        ({"perf_date": "2025-01-06", "end_mv": [1]}, {"rows/perf_date": "wrong_type"}),
        ({"perf_date": ["2025-01-06"], "end_mv": [1], "foo": [1]}, {"rows/foo": "unknown"}),
        ({"0": row()}, {"rows/perf_date": "missing", "rows/end_mv": "missing", "rows/0": "unknown"}),
        ({}, {"rows/perf_date": "missing", "rows/end_mv": "missing"}),
        ([], {"rows": "empty"}),
        ("x", {"rows": "wrong_type"}),
        ([row(), 5], {"rows/1": "wrong_type"}),
        ([row(end_mv=...)], {"rows/0/end_mv": "missing"}),
        ([row(), row(end_mv=...)], {"rows/1/end_mv": "missing"}),
    ],
    ids=[
        "shorter",
        "no-column",
        "text",
        "unknown",
        "numbered",
        "no-columns",
        "empty",
        "text",
        "number",
        "one",
        "second",
    ],
)
def test_a_list_that_is_neither_rows_nor_columns_is_refused(document: Any, faults: dict[str, str]) -> None:
    assert faults_of({"rows": document}) == faults


def test_one_row_more_than_the_limit_is_refused() -> None:
    limits = Limits(max_rows=3)
    assert len(TableSchema(limits=limits).load({"rows": [row()] * 3})["rows"]["end_mv"]) == 3
    assert faults_of({"rows": [row()] * 4}, limits) == {"rows": "too_many"}
    assert faults_of({"rows": columns_of([row()] * 4)}, limits) == {"rows": "too_many"}


def test_repeated_elements_are_read_once_and_the_first_fault_of_each_is_placed() -> None:
    assert [
        placed.position
        for placed in Distinct(Date(), most=lambda limits: limits.max_periods).deserialize(
            ["2025-01-06"] * 3 + ["2025-01-07"] * 3
        )
    ] == [
        0,
        3,
    ]
    with pytest.raises(ValidationError) as caught:
        Distinct(Date(), most=lambda limits: limits.max_periods).deserialize(["2025-01-06", "x", "x", "y"])
    assert list(caught.value.messages) == [1, 3]


def test_an_unknown_member_is_told_the_nearest_known_one() -> None:
    with pytest.raises(ValidationError) as caught:
        TableSchema().load({"rows": [row(end_nv=1.0)]})
    assert "`end_mv`" in str(caught.value.messages)
