"""Identities of the time-weighted return, and its linking against a plain reading of the rules, row by row."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from lotus_performance.engine.day_count import Annualization, DayCount
from lotus_performance.engine.periods import Analysis, Frequency, Period, Window, resolve_windows
from lotus_performance.engine.returns import (
    Basis,
    DayReturns,
    day_returns,
    link_ranges,
    link_to_date,
    link_window,
)
from lotus_performance.engine.series import DailyValues, FloatArray, order_by_date
from lotus_performance.engine.twr import PeriodReturn, TimeWeightedReturn, time_weighted_return

MAX_ROWS = 400
MONEY = ("begin_mv", "end_mv", "bod_cf", "eod_cf", "mgmt_fees")
FOUR_CENTURIES = 146_097
"""Days after which the calendar repeats: months, leap days and weekdays."""
INCEPTION = np.datetime64("2000-01-01")
PER_YEAR = Annualization(True, DayCount.ACT_365)
ANY_LENGTH = Annualization(True, DayCount.BUS_252, allow_short_periods=True)

# Rows that break chains. All numbers are small binary fractions, so that a leg is lost exactly or not at all.
LONG_RETURNS = np.array([0.0, 0.125, -0.25, -0.75, 1.0, -1.0, 1.5, -1.5])
SHORT_RETURNS = np.array([0.0, 0.125, -0.25, 0.5, 1.0, -1.0, 1.5, -2.5])
CAPITALS = np.array([100.0, 64.0, 1000.0, 0.75])
MORNING_FLOWS = np.array([0.0, 0.0, 0.0, 32.0, -16.0, 0.0, 8.0, 0.0])
SIDES = ((1, 1, -1, 0), (1, -1, -1, -1), (0, -1, -1, 1), (-1, -1, -1, -1), (1, 1, 1, -1), (0, 0, 1, -1), (1, 1, 1, 1))
"""Of four rows that are not calm, how many are long, short and without capital."""
CALM = ((0, 0.0), (128, 0.0), (216, 0.0), (250, 0.0), (250, -0.5), (256, -0.5))
"""Of 256 rows, how many are calm, and what these earn on average in 64ths: nothing flows, and chains are long."""


def hostile_values(raw: bytes, calm: tuple[int, float], sides: tuple[int, ...]) -> DailyValues:
    """Return a row for every two bytes."""
    first, second = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 2).astype(np.int64).T
    calm_share, drift = calm
    is_calm = first < calm_share
    side = np.array(sides)[second & 3]
    side[is_calm & (side == 0)] = 1
    returns = np.where(side > 0, LONG_RETURNS[first & 7], SHORT_RETURNS[first & 7])
    returns[is_calm] = (first[is_calm] % 5 - 2 + drift) / 64.0
    capital = side * CAPITALS[second >> 2 & 3]
    bod_cf = np.where(is_calm, 0.0, MORNING_FLOWS[second >> 4 & 7])
    eod_cf = np.where(is_calm | (first & 64 > 0) | (second & 128 > 0), 0.0, 48.0)
    # Of the rows without capital every fourth has a gain all the same, hence no return.
    gain = np.where(side == 0, np.where(first & 3 == 3, 10.0, 0.0), returns * np.abs(capital))
    n = len(first)
    money = (capital - bod_cf, capital + gain + eod_cf, bod_cf, eod_cf, np.zeros(n))
    return DailyValues(np.datetime64("2024-01-01") + np.arange(n), *money, row=np.arange(n))


@st.composite
def evenly(draw: st.DrawFn, low: int, high: int) -> int:
    """Draw an integer; hypothesis itself prefers small ones, yet draws bytes evenly."""
    return low + int.from_bytes(draw(st.binary(min_size=4, max_size=4)), "big") % (high - low + 1)


@st.composite
def bytes_of_rows(draw: st.DrawFn, width: int, max_rows: int) -> bytes:
    """Draw some bytes for each row: of a few rows one by one, so that failures shrink, of many rows from a seed."""
    if draw(st.sampled_from(["few", "many", "many"])) == "few":
        n = draw(st.integers(1, 12))
        return draw(st.binary(min_size=width * n, max_size=width * n))
    return np.random.default_rng(draw(evenly(0, 2**32 - 1))).bytes(width * draw(evenly(1, max_rows)))


@st.composite
def hostile(draw: st.DrawFn, max_rows: int = MAX_ROWS) -> DailyValues:
    raw = draw(bytes_of_rows(2, max_rows))
    return hostile_values(raw, draw(st.sampled_from(CALM)), draw(st.sampled_from(SIDES)))


@st.composite
def hostile_ranges(draw: st.DrawFn) -> tuple[DailyValues, int, int]:
    """Draw rows and a range of them that is not empty, mostly all of them."""
    values = draw(hostile())
    if draw(st.sampled_from(["all", "all", "some"])) == "all":
        return values, 0, len(values)
    first = draw(evenly(0, len(values) - 1))
    return values, first, draw(evenly(first + 1, len(values)))


class Reader:
    """Links rows one after another by the words of methodology 1, with nothing of the engine.

    `figures` are the returns after each row, `sizes` what their rounding is measured against, and `resets` the cuts:
    row, reason, and how many rows they take away.
    """

    def __init__(self, values: DailyValues, first: int, stop: int) -> None:
        self.figures: list[float] = []
        self.sizes: list[float] = []
        self.resets: list[tuple[int, str, int]] = []
        self.figure = np.nan
        self.lost: tuple[int, str] | None = None
        self.open()
        rows = list(zip(*(getattr(values, name).tolist() for name in MONEY), strict=True))
        for i in range(first, stop):
            begin_mv, end_mv, bod_cf, eod_cf, _ = rows[i]
            is_new = bod_cf != 0.0 or (i > first and rows[i - 1][3] != 0.0)
            self.read(i, i - first, begin_mv + bod_cf, end_mv - eod_cf, is_new)
            self.figures.append(self.figure)
            self.sizes.append(1.0 + abs(self.long) * (2.0 + abs(self.owed)))
        if self.lost is not None:
            self.resets.append((*self.lost, stop - first))

    def open(self) -> None:
        """Begin a chain."""
        self.long, self.owed, self.has_long, self.waits_for = 1.0, 1.0, False, ""

    def read(self, row: int, n_before: int, capital: float, final: float, is_new: bool) -> None:
        if self.waits_for and capital != 0.0 and (is_new or self.waits_for == "capital"):
            self.resets.append((*(self.lost or (row, "NCTRL_4")), n_before))
            self.lost = None
            self.open()
        if not self.waits_for and capital > 0.0 and 2.0 - self.owed < 0.0 and not self.has_long:
            self.resets.append((row, "NCTRL_4", n_before))
            self.open()
        if capital == 0.0:
            if final == 0.0 and np.isnan(self.figure):
                self.figure = 0.0
        elif not self.waits_for:
            self.link(capital, final)
            self.judge(row)

    def link(self, capital: float, final: float) -> None:
        if capital > 0.0:
            self.long, self.has_long = self.long * (1.0 + (final - capital) / capital), True
        else:
            self.owed *= 1.0 - (final - capital) / -capital
        self.figure = self.long * (2.0 - self.owed) - 1.0

    def judge(self, row: int) -> None:
        """Say whether the row has lost the capital, and what the chain then waits for."""
        short = 2.0 - self.owed
        if self.long < 0.0:
            self.waits_for, self.lost = "new capital", (row, "NCTRL_1")
        elif short > 2.0:
            self.waits_for, self.lost = "capital", (row, "NCTRL_2")
        elif short < 0.0 and self.has_long:
            self.waits_for, self.lost = "new capital", (row, "NCTRL_3")
        elif self.long == 0.0 or self.owed == 0.0:
            self.waits_for = "new capital"


def assert_agree(figures: Sequence[float] | FloatArray, expected: Sequence[float], sizes: Sequence[float]) -> None:
    assert np.isnan(figures).tolist() == np.isnan(expected).tolist()
    gap = np.abs(np.subtract(figures, expected)) / sizes
    assert np.nanmax(gap, initial=0.0) <= 1e-12


def resets_of(days: DayReturns, first: int, stop: int) -> list[tuple[int, str, int]]:
    _, resets = link_window(days, first, stop)
    return [(reset.row, reset.reason.value, reset.impacted_rows) for reset in resets]


def fixed_examples() -> Iterator[DailyValues]:
    """Yield ten series of each kind, the same in every run."""
    rng = np.random.default_rng(20250515)
    for calm in CALM * 10:
        for sides in SIDES:
            yield hostile_values(rng.bytes(2 * int(rng.integers(1, MAX_ROWS + 1))), calm, sides)


def test_the_hostile_rows_do_what_they_are_made_for() -> None:
    seen: Counter[str] = Counter()
    for values in fixed_examples():
        seen["examples"] += 1
        reader = Reader(values, 0, len(values))
        days = day_returns(values, Basis.NET)
        seen.update({reason for _, reason, _ in reader.resets})
        seen["exactly -100 %"] += -1.0 in reader.figures
        seen["exactly +100 %"] += 1.0 in reader.figures
        seen["idle"] += bool(days.is_idle.any())
        seen["undefined"] += not days.is_defined.all()
        seen["no return at first"] += bool(np.isnan(reader.figures[0]))
        seen["no restart"] += reader.lost is not None
        seen["no reset in 100 rows"] += len(values) >= 100 and not reader.resets
        first_cut = (*reader.resets, (0, "", 0))[0]
        seen["a cut after 64 rows"] += first_cut[0] > 64
        seen["NCTRL_3 after 64 rows"] += first_cut[0] > 64 and first_cut[1] == "NCTRL_3"
    percent = {name: 100 * count // seen["examples"] for name, count in seen.items()}
    for reason in ("NCTRL_1", "NCTRL_2", "NCTRL_3", "NCTRL_4", "exactly -100 %", "exactly +100 %"):
        assert percent[reason] >= 25, percent
    for circumstance in ("idle", "undefined", "no restart", "a cut after 64 rows", "NCTRL_3 after 64 rows"):
        assert percent[circumstance] >= 5, percent
    for circumstance in ("no return at first", "no reset in 100 rows"):
        assert seen[circumstance] >= 3, seen


def test_linking_of_the_fixed_examples_is_that_of_a_reading_row_by_row() -> None:
    for values in fixed_examples():
        reader = Reader(values, 0, len(values))
        days = day_returns(values, Basis.NET)
        assert resets_of(days, 0, len(values)) == reader.resets
        assert_agree(link_to_date(days, 0, len(values)), reader.figures, reader.sizes)


@given(hostile_ranges())
def test_linking_is_that_of_a_reading_row_by_row(case: tuple[DailyValues, int, int]) -> None:
    values, first, stop = case
    reader = Reader(values, first, stop)
    days = day_returns(values, Basis.NET)
    for reason in {reason for _, reason, _ in reader.resets} or {"no reset"}:
        event(reason)
    assert resets_of(days, first, stop) == reader.resets
    assert_agree(link_to_date(days, first, stop), reader.figures, reader.sizes)
    assert_agree([link_window(days, first, stop)[0]], reader.figures[-1:], reader.sizes[-1:])


@given(hostile(), st.lists(st.integers(0, MAX_ROWS), min_size=2, max_size=40, unique=True), st.booleans())
def test_ranges_are_linked_as_each_is_alone(values: DailyValues, cuts: list[int], has_gaps: bool) -> None:
    edges = np.unique([min(cut, len(values)) for cut in cuts])
    first, stop = (edges[:-1:2], edges[1::2]) if has_gaps else (edges[:-1], edges[1:])
    days = day_returns(values, Basis.NET)
    readers = [Reader(values, *span) for span in zip(first.tolist(), stop.tolist(), strict=True)]
    figures, resets = link_ranges(days, first, stop)
    assert_agree(figures, [reader.figures[-1] for reader in readers], [reader.sizes[-1] for reader in readers])
    assert {i: [tuple(reset) for reset in cuts] for i, cuts in resets.items()} == {
        i: reader.resets for i, reader in enumerate(readers) if reader.resets
    }


@given(hostile(), st.data())
def test_each_of_several_ranges_is_linked_as_it_is_alone(values: DailyValues, data: st.DataObject) -> None:
    days = day_returns(values, Basis.NET)
    for _ in range(6):
        first = data.draw(evenly(0, len(values) - 1))
        stop = data.draw(evenly(first + 1, len(values)))
        reader = Reader(values, first, stop)
        assert resets_of(days, first, stop) == reader.resets
        assert_agree(link_to_date(days, first, stop), reader.figures, reader.sizes)


# Portfolios: a chain of values over some years, with flows and fees, all long or all short.


@st.composite
def portfolios(draw: st.DrawFn, max_rows: int = MAX_ROWS, side: float | None = 1.0) -> DailyValues:
    """Draw a portfolio that loses no capital. Flows are withdrawals as well as deposits; `side` None may be -1 too."""
    raw = np.frombuffer(draw(bytes_of_rows(5, max_rows)), dtype=np.uint8).reshape(-1, 5).T / 256.0
    gaps = 1 + np.floor(raw[3] * draw(st.sampled_from([1, 2, 12]))).astype(np.int64)
    factor = 1.0 + (raw[0] - 0.5) / draw(st.sampled_from([2.0, 10.0, 1000.0]))
    morning, evening = (np.where(raw[k] < 0.8, 1.0, 2.0 * raw[k] - 1.0) for k in (1, 2))
    start = draw(st.sampled_from([1.0, 100.0, 12_345_678.9])) * (side or draw(st.sampled_from([1.0, -1.0])))
    ends = start * np.cumprod(morning * factor * evening)
    begin_mv = np.concatenate(([start], ends[:-1]))
    capital = begin_mv * morning
    before = capital * factor
    money = {
        "begin_mv": begin_mv,
        "end_mv": ends,
        "bod_cf": capital - begin_mv,
        "eod_cf": ends - before,
        "mgmt_fees": np.where(raw[4] < 0.5, 0.0, -1e-3 * raw[4] * np.abs(capital)),
    }
    return order_by_date(np.datetime64("2019-12-20") + np.cumsum(gaps), money, ())


names = st.sampled_from([period for period in Period if period not in (Period.EXPLICIT, Period.ROLLING)])
frequencies = st.sampled_from(
    [
        (),
        (Frequency.DAILY,),
        (Frequency.MONTHLY, Frequency.YEARLY),
        (Frequency.QUARTERLY, Frequency.WEEKLY),
        tuple(Frequency),
    ]
)


@st.composite
def windows_of(draw: st.DrawFn, values: DailyValues) -> list[Window]:
    """Draw an explicit, a named and a rolling window that hold at least one row each."""
    anchor, *span = (values.perf_date[draw(evenly(0, len(values) - 1))] for _ in range(3))
    name = draw(names)
    analyses = [
        Analysis(Period.EXPLICIT, draw(frequencies), "explicit", start=min(span), end=max(span)),
        Analysis(name, draw(frequencies), name.value),
        Analysis(Period.ROLLING, draw(frequencies), "rolling", days=draw(evenly(1, 800))),
    ]
    return resolve_windows(analyses, anchor, INCEPTION)


@st.composite
def cases(draw: st.DrawFn, side: float | None = None) -> tuple[DailyValues, list[Window]]:
    values = draw(portfolios(side=side))
    return values, draw(windows_of(values))


@st.composite
def hostile_cases(draw: st.DrawFn) -> tuple[DailyValues, list[Window]]:
    values = draw(hostile(max_rows=120))
    assume(not np.isnan(day_returns(values, Basis.NET).returns).all())
    everything = Window("all", draw(frequencies), values.perf_date[0], values.perf_date[-1])
    return values, [everything, *draw(windows_of(values))]


def measure(
    values: DailyValues, windows: Sequence[Window], annualization: Annualization = ANY_LENGTH, **options: Any
) -> TimeWeightedReturn:
    options = {"with_cumulative": True, "with_fee_effect": True} | options
    return time_weighted_return(values, windows, Basis.NET, INCEPTION, annualization, **options)


def figures_of(period: PeriodReturn) -> dict[str, Any]:
    """Return every figure of a period that has no date in it, with missing ones as -9."""
    figures: dict[str, Any] = {
        name: -9.0 if getattr(period, name) is None else getattr(period, name)
        for name in ("base", "local", "net", "gross", "ann_return")
    }
    figures["resets"] = [(reset.row - period.first, reset.reason, reset.impacted_rows) for reset in period.resets]
    for frequency, buckets in period.buckets.items():
        figures[f"{frequency} rows"] = (buckets.first - period.first).tolist()
        for name in ("returns", "cum_returns", "ann_returns"):
            column = getattr(buckets, name)
            figures[f"{frequency} {name}"] = [] if column is None else np.nan_to_num(column, nan=-9.0).tolist()
    return figures


def by_label(result: TimeWeightedReturn) -> dict[str, dict[str, Any]]:
    return {period.window.label: figures_of(period) for period in result.periods}


def assert_same_to_rounding(result: TimeWeightedReturn, expected: TimeWeightedReturn) -> None:
    one, other = by_label(result), by_label(expected)
    assert one.keys() == other.keys()
    for label, figures in other.items():
        assert one[label].keys() == figures.keys()
        for name, figure in figures.items():
            np.testing.assert_allclose(one[label][name], figure, rtol=1e-9, atol=1e-9, err_msg=f"{label} {name}")


def scaled(values: DailyValues, factor: float) -> DailyValues:
    return replace(values, **{name: getattr(values, name) * factor for name in MONEY})


@given(hostile_cases(), st.integers(-300, 300))
def test_the_unit_of_money_does_not_matter(case: tuple[DailyValues, list[Window]], exponent: int) -> None:
    values, windows = case
    # A power of two changes no digit, so that not even the last one may differ.
    unit = scaled(values, 2.0**exponent)
    assert by_label(measure(unit, windows)) == by_label(measure(values, windows))


@given(cases(), st.floats(1e-6, 1e6))
def test_the_currency_of_account_does_not_matter(case: tuple[DailyValues, list[Window]], factor: float) -> None:
    values, windows = case
    assert_same_to_rounding(measure(scaled(values, factor), windows), measure(values, windows))


@given(hostile_cases())
def test_nothing_changes_when_the_calendar_repeats(case: tuple[DailyValues, list[Window]]) -> None:
    values, windows = case
    later = replace(values, perf_date=values.perf_date + FOUR_CENTURIES)
    shifted = [replace(w, start=w.start + FOUR_CENTURIES, end=w.end + FOUR_CENTURIES) for w in windows]
    assert by_label(measure(later, shifted)) == by_label(measure(values, windows))


@given(hostile_cases(), st.integers(-5000, 5000))
def test_dates_do_not_matter_where_no_bucket_is_cut_by_them(case: tuple[DailyValues, list[Window]], days: int) -> None:
    values, windows = case
    method = Annualization(True, DayCount.ACT_365, allow_short_periods=True)
    windows = [
        Window(w.label, (Frequency.DAILY,), max(w.start, values.perf_date[0]), min(w.end, values.perf_date[-1]))
        for w in windows
    ]
    later = replace(values, perf_date=values.perf_date + days)
    shifted = [replace(w, start=w.start + days, end=w.end + days) for w in windows]
    assert by_label(measure(later, shifted, method)) == by_label(measure(values, windows, method))


@given(portfolios(max_rows=200, side=None), st.data())
def test_a_day_may_be_split_at_a_value_between(values: DailyValues, data: st.DataObject) -> None:
    values = replace(values, perf_date=values.perf_date[0] + 2 * np.arange(len(values)))
    windows = [Window("all", (Frequency.MONTHLY,), values.perf_date[0] - 1, values.perf_date[-1])]
    at = data.draw(st.integers(0, len(values) - 1))
    capital = values.begin_mv[at] + values.bod_cf[at]
    between = capital * data.draw(st.floats(0.5, 1.9))
    # The morning of the day goes to the day before, which has no row; the evening stays.
    columns = {name: np.insert(getattr(values, name), at, getattr(values, name)[at]) for name in MONEY}
    columns["eod_cf"][at] = columns["bod_cf"][at + 1] = columns["mgmt_fees"][at] = 0.0
    columns["end_mv"][at] = columns["begin_mv"][at + 1] = between
    dates = np.insert(values.perf_date, at, values.perf_date[at] - 1)
    assume(dates[at].astype("M8[M]") == dates[at + 1].astype("M8[M]"))
    one, two = measure(values, windows), measure(order_by_date(dates, columns, ()), windows)
    assert two.periods[0].base == pytest.approx(one.periods[0].base, rel=1e-10, abs=1e-10)
    assert two.periods[0].buckets[Frequency.MONTHLY].returns == pytest.approx(
        one.periods[0].buckets[Frequency.MONTHLY].returns, rel=1e-10, abs=1e-10
    )


@given(hostile(), st.sampled_from([-48.0, 0.5, 1024.0]))
def test_money_that_arrives_on_the_last_evening_earns_nothing(values: DailyValues, amount: float) -> None:
    eod_cf, end_mv = values.eod_cf.copy(), values.end_mv.copy()
    eod_cf[-1] += amount
    end_mv[-1] += amount
    days = day_returns(values, Basis.NET)
    later = day_returns(replace(values, eod_cf=eod_cf, end_mv=end_mv), Basis.NET)
    assert link_to_date(later, 0, len(values)).tolist() == pytest.approx(
        link_to_date(days, 0, len(values)).tolist(), rel=0, abs=0, nan_ok=True
    )


@given(portfolios(side=None), st.floats(0.01, 100.0), st.data())
def test_a_flow_does_not_change_the_return_of_what_it_joins(
    values: DailyValues, factor: float, data: st.DataObject
) -> None:
    # From one evening on the portfolio is larger by a factor, and so is all that happens to it.
    at = data.draw(st.integers(0, len(values) - 1))
    columns = {name: getattr(values, name).copy() for name in MONEY}
    for column in columns.values():
        column[at + 1 :] *= factor
    columns["eod_cf"][at] += columns["end_mv"][at] * (factor - 1.0)
    columns["end_mv"][at] *= factor
    larger = order_by_date(values.perf_date, columns, ())
    windows = [Window("all", tuple(Frequency), values.perf_date[0], values.perf_date[-1])]
    assert_same_to_rounding(measure(larger, windows), measure(values, windows))


@given(portfolios(side=None))
def test_a_day_that_earns_nothing_may_be_left_out_with_its_flows(values: DailyValues) -> None:
    # Every second day, counted from the last, the price stands still while money comes and goes.
    is_still = np.arange(len(values))[::-1] % 2 == 0
    end_mv = np.where(is_still, values.begin_mv + values.bod_cf + values.eod_cf, values.end_mv)
    fees = np.where(is_still, 0.0, values.mgmt_fees)
    days = day_returns(replace(values, end_mv=end_mv, mgmt_fees=fees), Basis.NET)
    assume(len(values) > 1)
    moving = day_returns(values.take(~is_still), Basis.NET)
    assert link_window(days, 0, len(values))[0] == pytest.approx(
        link_window(moving, 0, len(moving.returns))[0], rel=1e-10, abs=1e-10
    )


@given(cases(side=1.0))
def test_one_plus_the_period_is_the_product_of_its_buckets(case: tuple[DailyValues, list[Window]]) -> None:
    values, windows = case
    windows = [replace(window, frequencies=tuple(Frequency)) for window in windows]
    for period in measure(values, windows).periods:
        assert not period.resets
        products = [(1.0 + buckets.returns).prod() for buckets in period.buckets.values()]
        assert products == pytest.approx([1.0 + period.base] * len(Frequency), rel=1e-12)


@given(hostile_cases())
def test_the_last_return_to_date_is_that_of_the_period(case: tuple[DailyValues, list[Window]]) -> None:
    for period in measure(*case).periods:
        for buckets in period.buckets.values():
            assert buckets.cum_returns is not None
            assert buckets.cum_returns[-1] == pytest.approx(period.base, rel=1e-12)


@given(hostile_cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(case: tuple[DailyValues, list[Window]], random: Any) -> None:
    values, windows = case
    order = np.arange(len(values))
    random.shuffle(order)
    columns = {name: getattr(values, name)[order] for name in MONEY}
    assert by_label(measure(order_by_date(values.perf_date[order], columns, ()), windows)) == by_label(
        measure(values, windows)
    )


@given(hostile_cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_windows_does_not_matter(case: tuple[DailyValues, list[Window]], random: Any) -> None:
    values, windows = case
    shuffled = random.sample(windows, len(windows))
    one, other = measure(values, windows), measure(values, shuffled)
    assert by_label(other) == by_label(one)
    assert (other.n_idle_days, other.n_reset_days) == (one.n_idle_days, one.n_reset_days)


@given(hostile_cases())
def test_another_window_changes_no_figure(case: tuple[DailyValues, list[Window]]) -> None:
    values, (everything, *others) = case
    together = by_label(measure(values, [everything, *others]))
    assert by_label(measure(values, [everything])) == {"all": together["all"]}


@given(hostile_cases(), hostile())
def test_rows_outside_the_window_change_nothing(case: tuple[DailyValues, list[Window]], strangers: DailyValues) -> None:
    values, (_, explicit, named, _) = case
    window = explicit if len(values) % 2 else named
    is_inside = (values.perf_date >= window.start) & (values.perf_date <= window.end)
    assume(not np.isnan(day_returns(values, Basis.NET).returns[is_inside]).all())
    columns = {
        name: np.where(is_inside, getattr(values, name), np.resize(getattr(strangers, name), len(values)))
        for name in MONEY
    }
    one, other = measure(values, [window]), measure(order_by_date(values.perf_date, columns, ()), [window])
    assert by_label(other) == by_label(one)
    assert (other.n_idle_days, other.n_reset_days, other.notes) == (one.n_idle_days, one.n_reset_days, one.notes)


@given(cases(side=1.0))
def test_a_long_portfolio_earns_no_more_net_than_gross(case: tuple[DailyValues, list[Window]]) -> None:
    for period in measure(*case).periods:
        assert period.net is not None
        assert period.gross is not None
        assert period.net <= period.gross


@given(cases(side=1.0))
def test_no_rate_below_a_year_and_one_from_a_year_on(case: tuple[DailyValues, list[Window]]) -> None:
    values, windows = case
    for period in measure(values, windows, PER_YEAR).periods:
        start, end = (day[0] for day in period.span)
        n_days = (end - start).astype(int) + 1
        event("a year or more" if n_days >= 365 else "less than a year")
        assert (period.ann_return is not None) == (n_days >= 365)
        if period.ann_return is not None:
            assert (1.0 + float(period.ann_return)) ** (n_days / 365.0) == pytest.approx(1.0 + period.base, rel=1e-12)
        for buckets in period.buckets.values():
            if buckets.ann_returns is not None and buckets.span is not None:
                is_short = (buckets.span[1] - buckets.span[0]).astype(int) + 1 < 365
                assert np.isnan(buckets.ann_returns).tolist() == is_short.tolist()


@given(portfolios(), st.data())
def test_capital_lost_exactly_stays_lost_until_new_capital(values: DailyValues, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(values) - 1))
    flows = data.draw(st.integers(at + 1, len(values)))
    columns = {name: getattr(values, name).copy() for name in MONEY}
    columns["end_mv"][at] = columns["eod_cf"][at : flows - 1] = columns["bod_cf"][at + 1 : flows] = 0.0
    columns["eod_cf"][at:flows] = 0.0
    columns["mgmt_fees"][:] = 0.0
    lost = order_by_date(values.perf_date, columns, ())
    days = day_returns(lost, Basis.NET)
    is_new = np.flatnonzero(days.has_new_capital[at + 1 :])
    restart = at + 1 + int(is_new[0]) if len(is_new) else len(values)
    assert restart >= flows
    figures = link_to_date(days, 0, len(values))
    assert set(figures[at:restart].tolist()) == {-1.0}
    assert figures[restart:].tolist() == link_to_date(days, restart, len(values)).tolist()
