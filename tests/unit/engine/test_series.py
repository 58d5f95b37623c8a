import numpy as np
import pytest

from lotus_performance.engine.series import DailyValues, DateArray, FloatArray, date_texts, order_by_date
from lotus_performance.errors import DuplicateDatesError

PLACE = ("portfolio_data", "valuation_points")


def days(*texts: str) -> DateArray:
    return np.array(texts, dtype="M8[D]")


def columns(n: int) -> dict[str, FloatArray]:
    """Return columns whose cells tell which request row they came from."""
    names = ("begin_mv", "end_mv", "bod_cf", "eod_cf", "mgmt_fees")
    return {name: np.arange(n) + 100.0 * position for position, name in enumerate(names)}


def series(*texts: str) -> DailyValues:
    return order_by_date(days(*texts), columns(len(texts)), PLACE)


def repeats(*texts: str) -> DuplicateDatesError:
    with pytest.raises(DuplicateDatesError) as caught:
        series(*texts)
    return caught.value


def test_sorted_rows_stay_as_they_are() -> None:
    values = series("2025-01-02", "2025-01-03", "2025-01-06")
    assert values.row.tolist() == [0, 1, 2]
    assert values.begin_mv.tolist() == [0.0, 1.0, 2.0]


def test_rows_are_put_in_date_order() -> None:
    values = series("2025-01-06", "2025-01-02", "2025-01-03")
    assert values.perf_date.tolist() == days("2025-01-02", "2025-01-03", "2025-01-06").tolist()


@pytest.mark.parametrize("name", ["begin_mv", "end_mv", "bod_cf", "eod_cf", "mgmt_fees"])
def test_every_column_goes_with_its_date(name: str) -> None:
    values = series("2025-01-06", "2025-01-02", "2025-01-03")
    assert getattr(values, name).tolist() == columns(3)[name][[1, 2, 0]].tolist()


def test_sorted_rows_remember_where_they_stood_in_the_request() -> None:
    assert series("2025-01-06", "2025-01-02", "2025-01-03").row.tolist() == [1, 2, 0]


def test_the_arrays_of_the_caller_are_not_sorted_in_place() -> None:
    sent = days("2025-01-06", "2025-01-02")
    order_by_date(sent, columns(2), PLACE)
    assert sent.tolist() == days("2025-01-06", "2025-01-02").tolist()


def test_a_series_knows_its_place_in_the_request() -> None:
    assert series("2025-01-02").place == PLACE


def test_no_rows_are_a_series_without_rows() -> None:
    assert len(series()) == 0


@pytest.mark.parametrize(
    ("texts", "is_reordered"),
    [
        pytest.param(("2025-01-02", "2025-01-03"), False, id="in order"),
        pytest.param(("2025-01-03", "2025-01-02"), True, id="out of order"),
        pytest.param(("2025-01-02", "2025-01-06", "2025-01-03"), True, id="out of order after the first"),
        pytest.param(("2025-01-02",), False, id="one row"),
        pytest.param((), False, id="no row"),
    ],
)
def test_a_series_says_whether_its_rows_were_in_another_order(texts: tuple[str, ...], is_reordered: bool) -> None:
    assert series(*texts).is_reordered is is_reordered


@pytest.mark.parametrize(
    ("texts", "rows"),
    [
        pytest.param(("2025-01-02", "2025-01-02"), [1], id="side by side"),
        pytest.param(("2025-01-03", "2025-01-02", "2025-01-03"), [2], id="apart and out of order"),
        pytest.param(("2025-01-02", "2025-01-02", "2025-01-02"), [1, 2], id="three of one date"),
        pytest.param(("2025-01-03", "2025-01-02", "2025-01-02", "2025-01-03"), [2, 3], id="two dates"),
    ],
)
def test_every_row_that_repeats_a_date_is_a_fault(texts: tuple[str, ...], rows: list[int]) -> None:
    assert [fault.place for fault in repeats(*texts).faults] == [(*PLACE, row, "perf_date") for row in rows]


def test_a_repeated_date_names_the_row_that_had_it_first() -> None:
    (fault,) = repeats("2025-01-03", "2025-01-02", "2025-01-03").faults
    assert fault.detail == "row 0 has the same date; merge the two or correct one"


def test_a_repeated_date_is_told_with_its_row() -> None:
    (fault,) = repeats("2025-01-03", "2025-01-02", "2025-01-03").faults
    assert fault.row == {"perf_date": "2025-01-03"}


def test_the_message_counts_the_repeated_dates() -> None:
    assert repeats("2025-01-02", "2025-01-02", "2025-01-03", "2025-01-03").message.startswith("2 dates ")


def test_three_rows_of_one_date_are_one_date_in_the_message() -> None:
    assert repeats("2025-01-02", "2025-01-02", "2025-01-02").message.startswith("1 date")


@pytest.mark.parametrize(
    "selection",
    [
        pytest.param(slice(1, 3), id="slice"),
        pytest.param(np.array([False, True, True]), id="mask"),
        pytest.param(np.array([1, 2]), id="positions"),
    ],
)
def test_selected_rows_keep_every_column_together(selection: slice) -> None:
    taken = series("2025-01-06", "2025-01-02", "2025-01-03").take(selection)
    assert taken.perf_date.tolist() == days("2025-01-03", "2025-01-06").tolist()
    assert taken.row.tolist() == [2, 0]
    assert {name: getattr(taken, name).tolist() for name in columns(3)} == {
        name: column[[2, 0]].tolist() for name, column in columns(3).items()
    }


def test_selected_rows_keep_their_place() -> None:
    assert series("2025-01-02", "2025-01-03").take(slice(1)).place == PLACE


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("0001-01-01", id="the first day that can be written"),
        pytest.param("0999-12-31", id="a year of three digits"),
        pytest.param("1969-12-31", id="the day before day 0"),
        pytest.param("1970-01-01", id="day 0"),
        pytest.param("1900-02-28", id="a century without a leap day"),
        pytest.param("2000-02-29", id="a century with a leap day"),
        pytest.param("2024-10-09", id="digits of every place"),
        pytest.param("9999-12-31", id="the last day that can be written"),
        pytest.param("10000-01-03", id="the Friday of a week that ends after the last year"),
    ],
)
def test_a_date_is_written_as_numpy_writes_it(text: str) -> None:
    assert date_texts(days(text)) == [text]


def test_every_third_day_of_four_centuries_is_written_as_numpy_writes_it() -> None:
    dates = np.arange(np.datetime64("1800-01-01"), np.datetime64("2200-01-01"), 3)
    assert date_texts(dates) == dates.astype(str).tolist()


def test_one_late_date_spoils_no_other() -> None:
    assert date_texts(days("0001-01-01", "10000-01-03")) == ["0001-01-01", "10000-01-03"]


def test_no_dates_are_no_texts() -> None:
    assert date_texts(days()) == []
