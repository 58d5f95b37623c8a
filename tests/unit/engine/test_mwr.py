import numpy as np
import pytest

from lotus_performance.engine.mwr import (
    CashFlows,
    MoneyWeightedReturn,
    MwrMethod,
    dietz,
    modified_dietz,
    money_weighted_return,
)
from lotus_performance.engine.rootfind import Search
from lotus_performance.errors import (
    FigureOverflowError,
    FlowOutsidePeriodError,
    NoCapitalError,
    NoPeriodError,
    NoRootError,
)

ROWS = list[tuple[str, float]]


def flows_of(rows: ROWS) -> CashFlows:
    return CashFlows(
        amount=np.array([amount for _, amount in rows], dtype=float),
        date=np.array([date for date, _ in rows], dtype="M8[D]"),
        row=np.arange(len(rows)),
    )


def measure(
    begin_mv: float,
    end_mv: float,
    rows: ROWS = [],  # noqa: B006
    start: str = "2022-12-31",
    end: str = "2023-12-31",
    method: MwrMethod = MwrMethod.XIRR,
    year_days: float = 365.0,
    annualise_dietz: bool = False,
    fail_fast: bool = False,
) -> MoneyWeightedReturn:
    return money_weighted_return(
        begin_mv,
        end_mv,
        flows_of(rows),
        np.datetime64(start),
        np.datetime64(end),
        method,
        year_days,
        annualise_dietz=annualise_dietz,
        fail_fast=fail_fast,
    )


def codes(result: MoneyWeightedReturn) -> list[str]:
    return [notice.code for notice in result.notices]


def test_growth_without_flows_is_the_rate() -> None:
    result = measure(100.0, 110.0)
    assert result.money_weighted_return == pytest.approx(0.1, rel=1e-14)
    assert result.ann_rate == pytest.approx(0.1, rel=1e-14)
    assert result.method is MwrMethod.XIRR
    assert result.roots == pytest.approx([0.1], rel=1e-14)
    assert (result.search, result.is_unique, result.converged) == (Search.PROVEN, True, True)
    assert result.residual is not None
    assert result.residual < 1e-15
    assert (result.notes, result.notices) == ([], [])


def test_a_longer_period_compounds_the_rate() -> None:
    result = measure(100.0, 121.0, start="2021-12-31")
    assert result.ann_rate == pytest.approx(0.1, rel=1e-14)
    assert result.money_weighted_return == pytest.approx(0.21, rel=1e-14)


def test_the_year_may_have_a_quarter_day_more() -> None:
    result = measure(100.0, 121.0, start="2021-12-31", year_days=365.25)
    assert result.ann_rate == pytest.approx(1.21 ** (365.25 / 730.0) - 1.0, rel=1e-14)
    assert result.money_weighted_return == pytest.approx(0.21, rel=1e-14)


def test_flows_of_the_first_and_the_last_day_belong_to_the_period() -> None:
    result = measure(100.0, 240.0, [("2022-12-31", 100.0), ("2023-12-31", 20.0)])
    assert result.money_weighted_return == pytest.approx(0.1, rel=1e-14)


def test_flows_of_one_day_are_one_flow() -> None:
    several = measure(1000.0, 1100.0, [("2023-05-01", 700.0), ("2023-05-01", -650.0)])
    assert several.ann_rate == pytest.approx(measure(1000.0, 1100.0, [("2023-05-01", 50.0)]).ann_rate, rel=1e-14)
    assert several.search is Search.PROVEN


def test_what_rounding_leaves_of_flows_that_cancel_is_no_flow() -> None:
    result = measure(100.0, 110.0, [("2023-05-01", 0.1), ("2023-05-01", 0.2), ("2023-05-01", -0.3)])
    assert result.search is Search.PROVEN
    assert result.roots == pytest.approx([0.1], rel=1e-14)


def test_the_order_of_the_flows_does_not_show_in_the_last_digit() -> None:
    rows = [("2023-05-01", 0.1), ("2023-03-01", 7.7), ("2023-05-01", 0.2), ("2023-05-01", 1e5 / 3.0)]
    results = [measure(1e4, 4.5e4, list(order)) for order in (rows, rows[::-1], rows[2:] + rows[:2])]
    assert len({(result.ann_rate, result.money_weighted_return) for result in results}) == 1


def test_flows_outside_the_period_are_each_refused() -> None:
    flows = CashFlows(
        amount=np.ones(3),
        date=np.array(["2022-12-30", "2023-06-30", "2024-01-01"], "M8[D]"),
        row=np.array([7, 3, 5]),
        place=("cash_flows",),
    )
    start, end = np.datetime64("2022-12-31"), np.datetime64("2023-12-31")
    with pytest.raises(FlowOutsidePeriodError) as caught:
        money_weighted_return(100.0, 110.0, flows, start, end, MwrMethod.XIRR, 365.0)
    assert [fault.place for fault in caught.value.faults] == [("cash_flows", 7, "date"), ("cash_flows", 5, "date")]
    assert [fault.row["date"] for fault in caught.value.faults] == ["2022-12-30", "2024-01-01"]
    assert all(fault.detail == "must be from 2022-12-31 to 2023-12-31" for fault in caught.value.faults)


@pytest.mark.parametrize("method", MwrMethod)
def test_flows_and_no_days_are_refused(method: MwrMethod) -> None:
    with pytest.raises(NoPeriodError) as caught:
        measure(100.0, 120.0, [("2023-12-31", 10.0)], start="2023-12-31", method=method)
    assert caught.value.faults[0].place == ("cash_flows",)


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(NoPeriodError):
        measure(100.0, 120.0, start="2024-01-01")


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        (MwrMethod.XIRR, MwrMethod.MODIFIED_DIETZ),
        (MwrMethod.MODIFIED_DIETZ, MwrMethod.MODIFIED_DIETZ),
        (MwrMethod.DIETZ, MwrMethod.DIETZ),
    ],
)
def test_no_days_and_no_flows_have_a_return_without_a_rate(asked: MwrMethod, used: MwrMethod) -> None:
    result = measure(100.0, 120.0, start="2023-12-31", method=asked, annualise_dietz=True)
    assert result.money_weighted_return == pytest.approx(0.2, rel=1e-14)
    assert result.ann_rate is None
    assert result.method is used
    assert "no days" in result.notes[0]
    assert result.notices == []


@pytest.mark.parametrize(("start", "warned"), [("2022-12-31", False), ("2023-01-01", True)])
def test_a_rate_of_less_than_365_days_is_warned_of(start: str, warned: bool) -> None:
    result = measure(100.0, 105.0, start=start)
    assert result.ann_rate is not None
    assert ("short_period_annualised" in codes(result)) is warned


class TestSeveralRates:
    def test_the_one_nearest_the_modified_dietz_return_is_taken(self) -> None:
        result = measure(100.0, -48.0, [("2022-12-31", -150.0)], start="2021-12-31")
        assert len(result.roots) == 2
        reference = modified_dietz(100.0, -48.0, np.array([-150.0]), np.array([365]), 730)
        assert reference is not None
        returns = (1.0 + result.roots) ** 2 - 1.0
        assert result.money_weighted_return == pytest.approx(min(returns, key=lambda r: abs(r - reference)), rel=1e-12)
        assert result.is_unique is False
        assert codes(result) == ["multiple_roots"]
        assert "the Modified Dietz return" in result.notices[0].detail

    def test_without_capital_for_modified_dietz_the_one_nearest_zero_is_taken(self) -> None:
        result = measure(100.0, -132.0, [("2022-12-31", -230.0)], start="2021-12-31")
        assert result.roots == pytest.approx([0.1, 0.2], abs=1e-12)
        assert result.ann_rate == pytest.approx(0.1, rel=1e-12)
        assert result.money_weighted_return == pytest.approx(0.21, rel=1e-12)
        assert "nearest 0" in result.notices[0].detail

    def test_a_rate_that_no_double_holds_is_only_counted(self) -> None:
        # 1.001 and 20 a day; 20^365 is no double.
        rows = [("2022-12-31", -21.001e3)]
        result = measure(1e3, -20.02e3, rows, start="2022-12-30", end="2023-01-01")
        assert result.roots == pytest.approx([1.001**365.0 - 1.0], rel=1e-9)
        assert result.is_unique is False
        assert codes(result) == ["short_period_annualised", "multiple_roots"]
        assert "larger than a double" in result.notes[0]


def test_a_scan_leaves_open_whether_the_rate_is_unique() -> None:
    days = np.arange("2022-01-31", "2022-05-31", dtype="M8[D]")
    rows = [(str(day), 10.0 if i % 2 else -10.0) for i, day in enumerate(days)]
    result = measure(1000.0, 1100.0, rows, start="2021-12-31")
    assert result.search is Search.SCAN
    assert result.is_unique is None
    assert "scan" in result.notes[0]
    assert result.converged


class TestNoRate:
    def test_modified_dietz_stands_in_and_says_so(self) -> None:
        result = measure(100.0, -50.0, [("2022-12-31", -90.0)])
        assert result.method is MwrMethod.MODIFIED_DIETZ
        assert result.money_weighted_return == pytest.approx(-6.0, rel=1e-14)
        assert result.ann_rate is None
        assert (result.search, result.is_unique, result.converged) == (Search.PROVEN, False, False)
        assert result.residual is None
        assert result.notes == [
            "No internal rate of return: all net flows have one sign. The return is MODIFIED_DIETZ's."
        ]

    def test_dietz_stands_in_where_modified_dietz_has_no_capital(self) -> None:
        # The capital is 100 - 150 for the whole year; half of each flow leaves 100 - 75 + 55.
        result = measure(100.0, 150.0, [("2022-12-31", -150.0), ("2023-12-31", 110.0)])
        assert result.method is MwrMethod.DIETZ
        assert result.money_weighted_return == pytest.approx((150.0 - 100.0 + 40.0) / 80.0, rel=1e-14)
        assert result.notes == ["No internal rate of return: all net flows have one sign. The return is DIETZ's."]

    def test_no_capital_for_either_is_refused(self) -> None:
        with pytest.raises(NoCapitalError, match="MODIFIED_DIETZ and of DIETZ"):
            measure(0.0, 0.0, [("2022-12-31", -100.0)])

    def test_nothing_at_all_is_refused(self) -> None:
        with pytest.raises(NoCapitalError):
            measure(0.0, 0.0)

    @pytest.mark.parametrize(
        ("end_mv", "rows", "reason"),
        [
            pytest.param(-50.0, [], "one sign", id="one sign"),
            pytest.param(-121.0, [("2023-06-30", -219.0)], "no rate makes", id="no real root"),
        ],
    )
    def test_fail_fast_refuses_a_substitute(self, end_mv: float, rows: ROWS, reason: str) -> None:
        with pytest.raises(NoRootError, match=reason):
            measure(100.0, end_mv, rows, fail_fast=True)

    def test_a_scan_that_finds_none_says_so(self) -> None:
        # 2 - z + 2z² - ... + 2z^90 is positive for z < 2 by pairs from the left, for z > 1/2 from the right.
        days = np.arange("2022-12-31", "2023-04-01", dtype="M8[D]")
        rows = [(str(day), 1.0 if i % 2 else -2.0) for i, day in enumerate(days)]
        with pytest.raises(NoRootError, match="scan"):
            measure(0.0, 0.0, rows, fail_fast=True)


class TestTotalLoss:
    @pytest.mark.parametrize("fail_fast", [False, True])
    def test_it_is_minus_one_in_both_figures(self, fail_fast: bool) -> None:
        result = measure(1000.0, 0.0, [("2023-03-01", 500.0)], fail_fast=fail_fast)
        assert (result.money_weighted_return, result.ann_rate) == (-1.0, -1.0)
        assert result.method is MwrMethod.XIRR
        assert (result.search, result.is_unique, result.converged) == (Search.PROVEN, True, True)
        assert "total loss" in result.notes[0]
        assert result.notices == []

    def test_a_withdrawal_makes_it_a_rate(self) -> None:
        result = measure(1000.0, 0.0, [("2023-12-30", -1.0)])
        assert -1.0 < result.money_weighted_return < -0.99

    def test_owing_nothing_after_a_debt_is_none(self) -> None:
        with pytest.raises(NoCapitalError):
            measure(-1000.0, 0.0)


class TestExtremes:
    def test_a_rate_next_to_minus_one_stays_a_number(self) -> None:
        result = measure(1e9, 1e-9)
        assert result.money_weighted_return == -1.0
        assert result.ann_rate == -1.0
        assert result.converged

    def test_a_return_next_to_minus_one_keeps_its_digits(self) -> None:
        result = measure(1e6, 1e-6, start="2013-12-31")
        assert 1.0 + result.money_weighted_return == pytest.approx(1e-12, rel=1e-3)

    def test_a_rate_of_a_day_may_be_huge(self) -> None:
        result = measure(1000.0, 6000.0, start="2023-12-30")
        assert result.ann_rate == pytest.approx(6.0**365.0 - 1.0, rel=1e-12)
        assert result.money_weighted_return == pytest.approx(5.0, rel=1e-12)

    def test_a_rate_that_no_double_holds_is_refused(self) -> None:
        with pytest.raises(FigureOverflowError):
            measure(1000.0, 8000.0, start="2023-12-30")

    def test_a_return_that_no_double_holds_is_refused(self) -> None:
        # 130 % a day of 365 days a year fits, over three years it does not.
        rows = [("2020-12-31", 1.0), ("2021-01-01", -2.3)]
        with pytest.raises(FigureOverflowError):
            measure(0.0, 1e-30, rows, start="2020-12-31")

    def test_sums_of_the_largest_doubles_do_not_overflow(self) -> None:
        result = measure(1e308, 1.7e308, [("2022-12-31", 1e308), ("2023-12-31", -1e308)])
        assert result.money_weighted_return == pytest.approx(0.35, rel=1e-12)
        assert measure(1e308, 1.7e308, [("2022-12-31", 1e308)], method=MwrMethod.DIETZ).converged

    def test_ten_thousand_years_are_a_period(self) -> None:
        result = measure(100.0, 110.0, start="0001-01-01", end="9999-12-31")
        assert result.money_weighted_return == pytest.approx(0.1, rel=1e-12)
        assert result.ann_rate == pytest.approx(np.log(1.1) / 10000.0, rel=1e-3)


class TestDietz:
    def test_modified_dietz_weighs_a_flow_by_its_days(self) -> None:
        # 100 - 8,000 x 1/4 of the capital: the cash account of the Wikipedia article.
        assert modified_dietz(10000.0, 2100.0, np.array([-8000.0]), np.array([273.75]), 365) == 100.0 / 8000.0

    def test_dietz_weighs_every_flow_by_half(self) -> None:
        assert dietz(1000.0, 1200.0, np.array([100.0])) == 100.0 / 1050.0

    @pytest.mark.parametrize("method", [MwrMethod.MODIFIED_DIETZ, MwrMethod.DIETZ])
    def test_no_capital_is_refused(self, method: MwrMethod) -> None:
        with pytest.raises(NoCapitalError) as caught:
            measure(100.0, 10.0, [("2023-01-01", -300.0)], method=method)
        assert caught.value.faults[0].place == ("begin_mv",)

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param(modified_dietz(0.0, 1.0, np.array([0.1, 0.2, -0.3]), np.zeros(3), 365), id="rounding"),
            pytest.param(modified_dietz(1000.0, -150.0, np.array([-1100.0]), np.array([1]), 30), id="negative"),
            pytest.param(dietz(100.0, 0.0, np.array([-200.0])), id="zero"),
        ],
    )
    def test_capital_that_is_not_positive_gives_none(self, value: float | None) -> None:
        assert value is None

    @pytest.mark.parametrize("method", [MwrMethod.MODIFIED_DIETZ, MwrMethod.DIETZ])
    def test_it_is_annualised_on_request(self, method: MwrMethod) -> None:
        result = measure(1000.0, 1210.0, start="2021-12-31", method=method, annualise_dietz=True)
        assert result.money_weighted_return == pytest.approx(0.21, rel=1e-14)
        assert result.ann_rate == pytest.approx(0.1, rel=1e-13)
        assert result.method is method
        assert (result.search, result.is_unique, result.residual, result.converged) == (None, None, None, True)
        assert len(result.roots) == 0
        assert (result.notes, result.notices) == ([], [])

    def test_it_is_not_annualised_unasked(self) -> None:
        assert measure(1000.0, 1210.0, start="2021-12-31", method=MwrMethod.DIETZ).ann_rate is None

    @pytest.mark.parametrize(
        ("end_mv", "start", "note"),
        [
            pytest.param(1100.0, "2023-01-01", "364 days are not annualised", id="short"),
            pytest.param(-10.0, "2021-12-31", "no rate per year", id="more than everything lost"),
        ],
    )
    def test_it_is_not_annualised_without_a_reason_to(self, end_mv: float, start: str, note: str) -> None:
        result = measure(1000.0, end_mv, start=start, method=MwrMethod.MODIFIED_DIETZ, annualise_dietz=True)
        assert result.ann_rate is None
        assert note in result.notes[0]

    def test_a_substitute_is_annualised_too(self) -> None:
        result = measure(100.0, -50.0, [("2022-12-31", -90.0)], annualise_dietz=True)
        assert result.ann_rate is None
        assert len(result.notes) == 2
