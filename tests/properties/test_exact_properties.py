"""DECIMAL_STRICT against fractions, which are exact, and against FLOAT64, which is not."""

import datetime
import json
import math
from collections.abc import Iterator
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lotus_performance.engine.exact import (
    ExactDay,
    ExactFlows,
    ExactRows,
    exact_days,
    exact_link,
    exact_money_weighted_return,
)
from lotus_performance.engine.mwr import CashFlows, MoneyWeightedReturn, MwrMethod, money_weighted_return
from lotus_performance.engine.returns import Basis
from lotus_performance.errors import NotComputableError
from lotus_performance.schemas.mwr import MwrRequestSchema
from lotus_performance.schemas.twr import TwrRequestSchema
from lotus_performance.services.mwr import calculate_mwr
from lotus_performance.services.twr import calculate_twr
from lotus_performance.strict_json import dump_json, load_exact_json, load_json

COLUMNS = ("begin_mv", "end_mv", "bod_cf", "eod_cf", "mgmt_fees")
Row = tuple[int, ...]
"""Cents of each of the columns."""

LONG_BEFORE = Fraction(1, 10**9)
"""Nearer than this to a cut of the chain, doubles may fall on its other side."""


# ------------------------------------------------------------------ random rows


def amounts(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high) | st.just(0)


@st.composite
def rows_of_a_day(draw: st.DrawFn, begin: int) -> Row:
    """Draw a day that is ordinary, wild, idle, without a return, or that loses everything."""
    kind = draw(st.sampled_from(("calm", "calm", "calm", "wild", "short", "idle", "undefined", "lost")))
    eod, fees = draw(amounts(-50_000, 50_000)), draw(amounts(-500, 0))
    if kind in ("idle", "undefined"):
        return begin, eod + (kind == "undefined") * draw(st.integers(1, 1000)), -begin, eod, fees
    bod = draw(amounts(-50_000, 50_000))
    if kind == "short":
        bod = -abs(begin) - draw(st.integers(1_000, 100_000)) - begin
    if kind == "lost":
        return begin, eod - fees, bod, eod, fees
    change = draw(st.integers(-30, 30) if kind == "calm" else st.integers(-300, 300))
    capital = begin + bod
    return begin, capital + capital * change // 100 + eod, bod, eod, fees


@st.composite
def row_lists(draw: st.DrawFn) -> list[Row]:
    rows: list[Row] = []
    for _ in range(draw(st.integers(1, 12))):
        end = rows[-1][1] if rows else 0
        begin = draw(st.just(end) | st.integers(10_000, 100_000) | st.integers(-100_000, -10_000))
        rows.append(draw(rows_of_a_day(begin)))
    return rows


def exact_rows(rows: list[Row]) -> ExactRows:
    return ExactRows(**{name: [Decimal(row[i]) / 100 for row in rows] for i, name in enumerate(COLUMNS)})


# ------------------------------------------------------------------ the rules once more, in fractions


class Linked:
    """Return to a day, and how large and how near to a cut its parts are."""

    def __init__(self, figure: Fraction | None, scale: Fraction, is_close: bool) -> None:
        self.figure, self.scale, self.is_close = figure, scale, is_close


def legs(chain: list[tuple[bool, Fraction]]) -> tuple[Fraction, Fraction]:
    """Return L and S."""
    long = math.prod((1 + r for is_long, r in chain if is_long), start=Fraction(1))
    return long, 2 - math.prod((1 - r for is_long, r in chain if not is_long), start=Fraction(1))


def linked_to_each_day(rows: list[Row], basis: Basis) -> Iterator[Linked]:
    chain: list[tuple[bool, Fraction]] = []
    lost, figure, eod_before = "", None, 0
    scale, is_close = Fraction(1), False
    for begin, end, bod, eod, fees in rows:
        capital = Fraction(begin + bod)
        arrived = bool(capital and (bod or eod_before))
        eod_before = eod
        if lost and (arrived or (capital and lost == "NCTRL_2")):
            chain, lost = [], ""
        gain = end - eod - capital + (fees if basis is Basis.NET and (capital or end != eod) else 0)
        if not lost and (capital or end == eod):
            if capital > 0 and legs(chain)[1] < 0 and not any(is_long for is_long, _ in chain):
                chain = []
            if capital:
                chain.append((capital > 0, gain / abs(capital)))
            long, short = legs(chain)
            figure = long * short - 1
            lost = (
                "NCTRL_1"
                if long < 0
                else "NCTRL_2"
                if short > 2
                else "NCTRL_3"
                if short < 0 and any(is_long for is_long, _ in chain)
                else "everything"
                if long == 0 or short == 2
                else ""
            )
            is_close |= any(0 < abs(x) < LONG_BEFORE for x in (long, short - 2)) or abs(short) < LONG_BEFORE
            scale = max(scale, (1 + abs(long)) * (1 + abs(short)))
        yield Linked(figure, scale, is_close)


def last_linked(rows: list[Row], basis: Basis) -> Linked:
    *_, last = linked_to_each_day(rows, basis)
    return last


def is_fit_for_doubles(rows: list[Row]) -> bool:
    """Return whether no window of the rows comes near to a cut or grows beyond what 16 digits can tell."""
    lasts = [last_linked(rows[first:], basis) for first in range(len(rows)) for basis in Basis]
    return not any(last.is_close for last in lasts) and max(last.scale for last in lasts) < 10**6


@given(row_lists(), st.sampled_from(Basis))
def test_the_linked_return_of_each_day_is_that_of_fractions(rows: list[Row], basis: Basis) -> None:
    found = exact_link(exact_days(exact_rows(rows), basis))
    for figure, expected in zip(found, linked_to_each_day(rows, basis), strict=True):
        if expected.figure is None:
            assert figure is None
        else:
            assert isinstance(figure, Decimal)
            assert abs(Fraction(figure) - expected.figure) <= expected.scale / 10**30


@given(row_lists(), st.sampled_from(Basis))
def test_the_return_of_each_day_is_that_of_fractions(rows: list[Row], basis: Basis) -> None:
    def check(day: ExactDay, row: Row) -> None:
        begin, end, bod, eod, fees = row
        capital = Fraction(begin + bod)
        gain = end - eod - capital + (fees if basis is Basis.NET and (capital or end != eod) else 0)
        assert (Fraction(day.capital) * 100, Fraction(day.gain) * 100) == (capital, gain)
        if day.returns is None:
            assert capital == 0
            assert end != eod
        else:
            assert abs(Fraction(day.returns) - (gain / abs(capital) if capital else 0)) <= (1 + abs(gain)) / 10**30

    for day, row in zip(exact_days(exact_rows(rows), basis), rows, strict=True):
        check(day, row)


# ------------------------------------------------------------------ time-weighted answers


def twr_body(rows: list[Row], steps: list[int], **options: Any) -> bytes:
    date = datetime.date(2023, 1, 2)
    points = []
    for row, step in zip(rows, steps, strict=False):
        points.append({"perf_date": str(date)} | {name: cents / 100 for name, cents in zip(COLUMNS, row, strict=True)})
        date += datetime.timedelta(days=step)
    body = {
        "portfolio_id": "P1",
        "performance_start_date": "2023-01-01",
        "metric_basis": "NET",
        "report_end_date": points[-1]["perf_date"],
        "analyses": [{"period": "ITD", "frequencies": ["daily", "monthly", "yearly"]}],
        "valuation_points": points,
        "rounding_precision": 9,
        **options,
    }
    return json.dumps(body).encode()


def outcome_of(kind: str, body: bytes, is_exact: bool) -> Any:
    """Return the figures of an answer, or the code of a refusal."""
    schema, calculate = {"twr": (TwrRequestSchema, calculate_twr), "mwr": (MwrRequestSchema, calculate_mwr)}[kind]
    document = load_exact_json(body) if is_exact else load_json(body)
    mode = "DECIMAL_STRICT" if is_exact else "FLOAT64"
    try:
        result = calculate(schema().load({**document, "precision_mode": mode}))
    except NotComputableError as refusal:
        return refusal.code
    return json.loads(dump_json({**result.figures, **result.details, "diagnostics": result.diagnostics}))


def assert_equal(ours: Any, theirs: Any, place: str = "") -> None:
    """Fail unless two answers have the same members, and figures that agree to ten digits."""
    assert type(ours) is type(theirs), place
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), place
        for name in ours.keys() - {"residual"}:
            assert_equal(ours[name], theirs[name], f"{place}/{name}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), place
        for i, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_equal(*pair, f"{place}/{i}")
    elif isinstance(ours, float):
        assert ours == pytest.approx(theirs, rel=1e-8, abs=2e-8), place
    else:
        assert ours == theirs, place


steps_of_days = st.lists(st.integers(1, 90), min_size=12, max_size=12)
switches = st.booleans()


@given(row_lists(), steps_of_days, st.sampled_from(("NET", "GROSS")), switches, switches, switches)
def test_doubles_and_decimals_agree_on_every_member_of_a_time_weighted_answer(
    rows: list[Row], steps: list[int], basis: str, cumulative: bool, working: bool, fee_effect: bool
) -> None:
    assume(is_fit_for_doubles(rows))
    options = {
        "metric_basis": basis,
        "analyses": [
            {"period": "ITD", "frequencies": ["daily", "weekly", "monthly", "quarterly", "yearly"]},
            {"period": "YTD", "frequencies": ["monthly"]},
            {"period": "ROLLING", "days": 100, "frequencies": ["weekly"]},
        ],
        "output": {"include_cumulative": cumulative, "include_timeseries": working},
        "fee_effect": {"enabled": fee_effect},
        "reset_policy": {"emit": True},
        "annualization": {"enabled": True, "basis": "ACT/365"},
    }
    body = twr_body(rows, steps, **options)
    assert_equal(outcome_of("twr", body, is_exact=True), outcome_of("twr", body, is_exact=False))


@given(row_lists(), steps_of_days, st.integers(0, 15))
def test_a_window_in_decimals_is_rounded_as_its_fraction(rows: list[Row], steps: list[int], decimals: int) -> None:
    expected = last_linked(rows, Basis.NET)
    assume(expected.scale < 10**6)
    answer = outcome_of("twr", twr_body(rows, steps, rounding_precision=decimals), is_exact=True)
    if expected.figure is None:
        assert answer == "not_computable.no_capital"
        return
    percent = answer["results_by_period"]["ITD"]["portfolio_return"]["base"]
    rounded = round(expected.figure * 100 * 10**decimals) / Fraction(10**decimals)
    assert percent == pytest.approx(float(rounded), rel=5e-16, abs=0.0)


@given(row_lists(), steps_of_days)
def test_buckets_in_decimals_are_those_of_fractions(rows: list[Row], steps: list[int]) -> None:
    options = {"output": {"include_cumulative": True}, "fee_effect": {"enabled": True}, "rounding_precision": 12}
    answer = outcome_of("twr", twr_body(rows, steps, **options), is_exact=True)
    assume(answer != "not_computable.no_capital")
    period = answer["results_by_period"]["ITD"]
    to_date = list(linked_to_each_day(rows, Basis.NET))
    for i, bucket in enumerate(period["breakdowns"]["daily"]):
        check_percent(bucket["summary"].get("period_return_pct"), last_linked(rows[i : i + 1], Basis.NET))
        check_percent(bucket["summary"].get("cumulative_return_pct_to_date"), to_date[i])
    net, gross = (last_linked(rows, basis) for basis in (Basis.NET, Basis.GROSS))
    check_percent(period["net_return_pct"], net)
    check_percent(period["gross_return_pct"], gross)
    effect = Linked((net.figure or 0) - (gross.figure or Fraction(0)), net.scale + gross.scale, is_close=False)
    check_percent(period["fee_effect_pct"], effect)


def check_percent(percent: float | None, expected: Linked) -> None:
    if expected.figure is None:
        assert percent is None
    else:
        assert percent == pytest.approx(float(expected.figure * 100), rel=1e-13, abs=1e-12)


# ------------------------------------------------------------------ money-weighted answers

START = np.datetime64("2015-06-30")


class Portfolio:
    """A measuring period in cents."""

    def __init__(self, begin: int, end: int, flows: list[tuple[int, int]], days: int) -> None:
        self.begin, self.end, self.flows, self.days = begin, end, flows, days

    def __repr__(self) -> str:
        return f"Portfolio({self.begin}, {self.end}, {self.flows}, {self.days})"

    def returns(self, method: MwrMethod) -> tuple[MoneyWeightedReturn, MoneyWeightedReturn]:
        """Return the answer of the fast engine, and the exact one."""
        offsets = np.array([offset for offset, _ in self.flows], dtype=np.int64)
        cents = [amount for _, amount in self.flows]
        flows = CashFlows(np.array(cents) / 100.0, START + offsets, np.arange(len(cents)))
        begin, end = self.begin / 100, self.end / 100
        try:
            fast = money_weighted_return(
                begin, end, flows, START, START + self.days, method, 365.0, annualise_dietz=True
            )
        except NotComputableError:
            assume(False)
        exact = ExactFlows(*(Decimal(x) / 100 for x in (self.begin, self.end)), [Decimal(x) / 100 for x in cents])
        return fast, exact_money_weighted_return(fast, exact, offsets, self.days, 365.0)

    def dated(self) -> list[tuple[Fraction, Fraction]]:
        """Return the flows as years from the start and cents out of the portfolio."""
        moved = [(offset, -amount) for offset, amount in self.flows]
        return [
            (Fraction(offset, 365), Fraction(amount))
            for offset, amount in [(0, -self.begin), *moved, (self.days, self.end)]
        ]

    def is_well_conditioned(self, x: float) -> bool:
        """Return whether ten digits of a root, ln(1 + rate), are told by sixteen of the flows."""
        if x * self.days / 365 < -20.0:
            return False  # a loss of all but a billionth
        values = [(float(t), float(cents) * math.exp(-float(t) * x)) for t, cents in self.dated()]
        slope = math.fsum(t * value for t, value in values)
        return abs(slope) > 1e-4 * math.fsum(abs(value) for _, value in values) * self.days / 365


@st.composite
def portfolios(draw: st.DrawFn) -> Portfolio:
    days = draw(st.integers(1, 3650))
    flow = st.tuples(st.integers(0, days), st.integers(-1_000_000, 1_000_000))
    return Portfolio(draw(amounts(0, 10**7)), draw(amounts(-(10**6), 10**7)), draw(st.lists(flow, max_size=12)), days)


@given(portfolios(), st.sampled_from((MwrMethod.MODIFIED_DIETZ, MwrMethod.DIETZ)))
def test_the_dietz_returns_in_decimals_are_those_of_fractions(portfolio: Portfolio, method: MwrMethod) -> None:
    _, exact = portfolio.returns(method)
    weighted = [
        amount * (Fraction(1, 2) if method is MwrMethod.DIETZ else 1 - Fraction(offset, portfolio.days))
        for offset, amount in portfolio.flows
    ]
    capital = portfolio.begin + sum(weighted)
    expected = (portfolio.end - portfolio.begin - sum(amount for _, amount in portfolio.flows)) / Fraction(capital)
    found = Fraction(Decimal(exact.money_weighted_return))
    assert abs(found - expected) <= (1 + abs(expected)) * max(abs(portfolio.begin), 10**7) / capital / 10**30


@given(portfolios(), st.sampled_from(MwrMethod))
def test_doubles_and_decimals_agree_on_a_money_weighted_return(portfolio: Portfolio, method: MwrMethod) -> None:
    fast, exact = portfolio.returns(method)
    if fast.method is MwrMethod.XIRR:
        assume((fast.roots > -0.999999).all() and (fast.roots < 1e6).all())
        assume(all(map(portfolio.is_well_conditioned, np.log1p(fast.roots).tolist())))
        assert [float(root) for root in exact.roots] == pytest.approx(fast.roots.tolist(), rel=1e-9, abs=1e-9)
    value = float(exact.money_weighted_return)
    assert value == pytest.approx(float(fast.money_weighted_return), rel=1e-9, abs=1e-9)
    assert (exact.ann_rate is None) == (fast.ann_rate is None)
    if fast.ann_rate is not None:
        assert float(exact.ann_rate or 0) == pytest.approx(float(fast.ann_rate), rel=1e-9, abs=1e-9)


@given(portfolios())
def test_at_an_internal_rate_in_decimals_nothing_is_left_over(portfolio: Portfolio) -> None:
    fast, exact = portfolio.returns(MwrMethod.XIRR)
    assume(fast.method is MwrMethod.XIRR)
    assume((fast.roots > -0.999999).all() and (fast.roots < 1e6).all())
    assume(all(map(portfolio.is_well_conditioned, np.log1p(fast.roots).tolist())))
    with localcontext(prec=50):
        for root in exact.roots:
            x = (1 + root).ln()
            values = [Decimal(int(cents)) * (-x * t.numerator / t.denominator).exp() for t, cents in portfolio.dated()]
            assert abs(sum(values)) <= sum(map(abs, values)) * Decimal("1e-26")
        growth = (1 + Decimal(exact.ann_rate or 0)) ** (Decimal(portfolio.days) / 365)
        assert abs(growth - 1 - Decimal(exact.money_weighted_return)) <= (1 + growth) * Decimal("1e-26")


@given(portfolios(), st.sampled_from(("XIRR", "MODIFIED_DIETZ", "DIETZ")))
def test_doubles_and_decimals_agree_on_every_member_of_a_money_weighted_answer(
    portfolio: Portfolio, method: str
) -> None:
    fast, _ = portfolio.returns(MwrMethod(method))
    roots = np.log1p(np.maximum(fast.roots, -0.999999))
    assume((fast.roots < 1e6).all() and (fast.roots > -0.999999).all())
    assume(all(map(portfolio.is_well_conditioned, roots.tolist())))
    body = json.dumps(
        {
            "portfolio_id": "P1",
            "begin_mv": portfolio.begin / 100,
            "end_mv": portfolio.end / 100,
            "as_of": str(START + portfolio.days),
            "cash_flows": [{"date": str(START + day), "amount": cents / 100} for day, cents in portfolio.flows],
            "periods": {
                "type": "EXPLICIT",
                "explicit": {"start": str(START), "end": str(START + portfolio.days)},
            },
            "mwr_method": method,
            "annualization": {"enabled": True},
            "rounding_precision": 9,
        }
    ).encode()
    ours, theirs = (outcome_of("mwr", body, is_exact=is_exact) for is_exact in (True, False))
    assert_equal(ours, theirs)
