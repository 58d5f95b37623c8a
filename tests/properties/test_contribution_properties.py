"""Identities of contribution, whatever the positions, flows, currencies and periods."""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lotus_performance.engine.contribution import (
    Contribution,
    PeriodContribution,
    Smoothing,
    WeightingScheme,
    contribution,
)
from lotus_performance.engine.fx import DatedValues, order_by_currency
from lotus_performance.engine.hierarchy import Folding, group_positions, roll_up
from lotus_performance.engine.holdings import HoldingCurrencies, Holdings, stack
from lotus_performance.engine.periods import Window
from lotus_performance.engine.returns import Basis
from lotus_performance.engine.series import MONEY, DailyValues, order_by_date
from lotus_performance.schemas.contribution import ContributionRequestSchema
from lotus_performance.services.contribution import calculate_contribution

FIRST = np.datetime64("2025-01-06")
EXACT = [Smoothing.CARINO, Smoothing.MENCHERO, Smoothing.TO_DATE, Smoothing.SYMMETRIC]
ORDERLESS = [Smoothing.CARINO, Smoothing.MENCHERO, Smoothing.SYMMETRIC]
CURRENCIES = ("USD", "EUR", "JPY")
CASH = 5_000
"""Value of a position that keeps the portfolio's capital positive, and its returns above -50 %."""

Columns = dict[str, np.ndarray]


# ------------------------------------------------------------------ random positions, and the portfolio that they are


@dataclass(frozen=True)
class Book:
    """Positions on T dates: `money` by member of a row, each (n, T); `is_there` tells the rows that exist."""

    dates: np.ndarray
    money: Columns
    is_there: np.ndarray
    ccy: tuple[str, ...]
    rates: np.ndarray
    """Report currency per unit of each currency before the first date and on each: (3, T + 1)."""

    @property
    def names(self) -> list[str]:
        return [f"P{i}" for i in range(len(self.is_there))]

    def select(self, rows: Any) -> "Book":
        """Return some of the positions, in any order."""
        money = {name: column[rows] for name, column in self.money.items()}
        return replace(self, money=money, is_there=self.is_there[rows], ccy=tuple(np.array(self.ccy)[rows].tolist()))

    def holdings(self, names: list[str] | None = None) -> Holdings:
        names = names or self.names
        _, day = np.nonzero(self.is_there)
        return stack(
            names,
            [{"currency": ccy} for ccy in self.ccy],
            [("positions_data", i, "valuation_points") for i in range(len(names))],
            self.is_there.sum(axis=1),
            self.dates[day],
            {name: column[self.is_there] for name, column in self.money.items()},
        )

    def converted(self) -> "Book":
        """Return the same positions in the report currency, as their custodian would book them."""
        rate = self.rates[[CURRENCIES.index(ccy) for ccy in self.ccy]]
        opening, closing = rate[:, :-1], rate[:, 1:]
        of = {"begin_mv": opening, "bod_cf": opening}
        money = {name: column * of.get(name, closing) for name, column in self.money.items()}
        return replace(self, money=money, ccy=("USD",) * len(self.ccy))

    def portfolio(self) -> DailyValues:
        sums = {name: np.where(self.is_there, column, 0.0).sum(axis=0) for name, column in self.money.items()}
        return order_by_date(self.dates, sums, ("portfolio_data", "valuation_points"))

    def quotes(self) -> DatedValues:
        when = np.concatenate((self.dates[:1] - 1, self.dates))
        return order_by_currency(
            np.tile(when, len(CURRENCIES) - 1),
            np.repeat(CURRENCIES[1:], len(when)).tolist(),
            self.rates[1:].ravel(),
            ("fx", "rates"),
        )


@st.composite
def books(draw: st.DrawFn, n_currencies: int = 1, max_days: int = 6, with_flows: bool = True) -> Book:
    """Draw longs, shorts and positions without capital that come and go, beside cash that is always there."""
    n, days = draw(st.integers(1, 4)), draw(st.integers(1, max_days))
    shape = (n, days)

    def cells(size: int) -> np.ndarray:
        return draw(arrays(np.int64, shape, elements=st.integers(-size, size))).astype(float)

    nothing = np.zeros(shape)
    begin_mv, gain = cells(300), cells(200)
    bod_cf, eod_cf, fees = (cells(100) if with_flows else nothing for _ in range(3))
    fees = -np.abs(fees) / 10.0
    begin_mv[0], bod_cf[0], eod_cf[0], gain[0], fees[0] = CASH, 0.0, 0.0, np.abs(gain[0]), 0.0
    is_there = draw(arrays(bool, shape, fill=st.just(True)))
    is_there[0] = True
    is_there[~is_there.any(axis=1), 0] = True
    rates = np.exp2(draw(arrays(np.int64, (3, days + 1), elements=st.integers(-40, 40))) / 80.0)
    rates[0] = 1.0
    ccy = ("USD", *(CURRENCIES[draw(st.integers(0, n_currencies - 1))] for _ in range(n - 1)))
    money = {
        "begin_mv": begin_mv,
        "end_mv": begin_mv + bod_cf + gain + eod_cf,
        "bod_cf": bod_cf,
        "eod_cf": eod_cf,
        "mgmt_fees": fees,
    }
    dates = FIRST + np.cumsum(draw(st.lists(st.integers(1, 4), min_size=days, max_size=days)))
    return Book(dates, money, is_there, ccy, rates)


def window(first: Any = FIRST, last: Any = FIRST + 100, label: str = "W") -> Window:
    return Window(label, (), np.datetime64(first, "D"), np.datetime64(last, "D"))


def answer_of(
    portfolio: DailyValues,
    holdings: Holdings,
    *windows: Window,
    smoothing: Smoothing = Smoothing.CARINO,
    scheme: WeightingScheme = WeightingScheme.BOD,
    basis: Basis = Basis.NET,
    currencies: HoldingCurrencies | None = None,
) -> Contribution:
    return contribution(portfolio, holdings, windows or (window(),), basis, scheme, smoothing, currencies=currencies)


def period_of(portfolio: DailyValues, holdings: Holdings, **options: Any) -> PeriodContribution:
    return answer_of(portfolio, holdings, **options).periods[0]


def assert_close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


schemes = st.sampled_from(list(WeightingScheme))
smoothings = st.sampled_from(list(Smoothing))
bases = st.sampled_from(list(Basis))


# ------------------------------------------------------------------ sums


@pytest.mark.parametrize("smoothing", EXACT)
@given(books(), schemes, bases)
def test_contributions_sum_to_the_return(smoothing: Smoothing, book: Book, scheme: Any, basis: Basis) -> None:
    period = period_of(book.portfolio(), book.holdings(), smoothing=smoothing, scheme=scheme, basis=basis)
    assert abs(period.residual) <= 1e-12
    assert_close(period.weight.sum(), 1.0)


@pytest.mark.parametrize("smoothing", EXACT)
@given(books(n_currencies=3), schemes, bases)
def test_contributions_of_several_currencies_sum_to_the_return(
    smoothing: Smoothing, book: Book, scheme: Any, basis: Basis
) -> None:
    portfolio, currencies = book.converted().portfolio(), HoldingCurrencies("USD", book.quotes())
    period = period_of(
        portfolio, book.holdings(), smoothing=smoothing, scheme=scheme, basis=basis, currencies=currencies
    )
    assert abs(period.residual) <= 1e-12


@pytest.mark.parametrize("smoothing", EXACT)
@given(books(n_currencies=3), schemes)
def test_local_contributions_sum_to_the_local_return(smoothing: Smoothing, book: Book, scheme: Any) -> None:
    portfolio, currencies = book.converted().portfolio(), HoldingCurrencies("USD", book.quotes(), is_local=True)
    period = period_of(portfolio, book.holdings(), smoothing=smoothing, scheme=scheme, currencies=currencies)
    assert abs(period.residual) <= 1e-12
    assert not period.fx.any()


@given(books(n_currencies=3), smoothings, schemes, bases)
def test_local_and_currency_part_are_the_contribution_of_the_converted_position(
    book: Book, smoothing: Smoothing, scheme: Any, basis: Basis
) -> None:
    """The same positions, converted before they were sent."""
    converted = book.converted()
    options: dict[str, Any] = {"smoothing": smoothing, "scheme": scheme, "basis": basis}
    both = period_of(
        converted.portfolio(), book.holdings(), currencies=HoldingCurrencies("USD", book.quotes()), **options
    )
    plain = period_of(converted.portfolio(), converted.holdings(), **options)
    assert_close(both.local + both.fx, plain.total)
    assert_close(both.portfolio_return, plain.portfolio_return)
    if scheme is not WeightingScheme.AVG_CAPITAL:  # whose flow of the evening is converted at the rate of the morning
        assert_close(both.weight, plain.weight)


@given(books(n_currencies=3), smoothings)
def test_constant_rates_leave_no_currency_part(book: Book, smoothing: Smoothing) -> None:
    still = replace(book, rates=np.repeat(book.rates[:, :1], book.rates.shape[1], axis=1))
    currencies = HoldingCurrencies("USD", still.quotes())
    period = period_of(still.converted().portfolio(), still.holdings(), smoothing=smoothing, currencies=currencies)
    assert not period.fx.any()


@given(books(), schemes)
def test_without_linking_the_residual_is_the_sum_of_days_less_the_return(book: Book, scheme: Any) -> None:
    answer = answer_of(book.portfolio(), book.holdings(), smoothing=Smoothing.NONE, scheme=scheme)
    returns = answer.days.returns
    assert_close(answer.periods[0].residual, returns.sum() - (np.prod(1.0 + returns) - 1.0))


@given(books(), smoothings, schemes, st.integers(0, 3))
def test_a_position_that_was_not_sent_is_the_residual(book: Book, smoothing: Smoothing, scheme: Any, i: int) -> None:
    i %= len(book.names)
    portfolio, others = book.portfolio(), [j for j in range(len(book.names)) if j != i]
    if not others:
        return
    whole = period_of(portfolio, book.holdings(), smoothing=smoothing, scheme=scheme)
    part = period_of(portfolio, book.select(others).holdings(), smoothing=smoothing, scheme=scheme)
    assert part.total.tolist() == whole.total[others].tolist()
    assert_close(part.residual, whole.residual - whole.total[i])


@given(books(), st.sampled_from(EXACT))
def test_a_spread_residual_leaves_none(book: Book, smoothing: Smoothing) -> None:
    part = book.select([0])
    period = period_of(book.portfolio(), part.holdings(), smoothing=smoothing)
    spread = period.with_residual_spread()
    assert abs(spread.residual) <= 1e-12
    assert_close(spread.total.sum() - period.total.sum(), spread.spread)
    assert spread.fx.tolist() == period.fx.tolist()


# ------------------------------------------------------------------ identities of positions


@given(books(n_currencies=3), smoothings, st.randoms(use_true_random=False))
def test_order_and_names_of_positions_change_nothing_else(book: Book, smoothing: Smoothing, random: Any) -> None:
    portfolio, currencies = book.converted().portfolio(), HoldingCurrencies("USD", book.quotes())
    order = list(range(len(book.names)))
    random.shuffle(order)
    plain = period_of(portfolio, book.holdings(), smoothing=smoothing, currencies=currencies)
    # Under new names, whose order is that of the shuffled positions.
    names = [f"Q{rank}" for rank in range(len(order))]
    other = period_of(portfolio, book.select(order).holdings(names), smoothing=smoothing, currencies=currencies)
    for name in ("local", "fx", "weight", "returns"):
        np.testing.assert_array_equal(getattr(other, name), getattr(plain, name)[order])
    # In another order under the old names.
    same = period_of(
        portfolio,
        book.select(order).holdings([book.names[i] for i in order]),
        smoothing=smoothing,
        currencies=currencies,
    )
    np.testing.assert_array_equal(same.total, plain.total)


@given(books(n_currencies=3), smoothings, schemes)
def test_two_halves_of_a_position_add_up_to_it(book: Book, smoothing: Smoothing, scheme: Any) -> None:
    portfolio, currencies = book.converted().portfolio(), HoldingCurrencies("USD", book.quotes())
    n = len(book.names)
    halves = book.select([*range(n), n - 1])
    halves.money.update(
        {name: column * np.where(np.arange(n + 1) >= n - 1, 0.5, 1.0)[:, None] for name, column in halves.money.items()}
    )
    options: dict[str, Any] = {"smoothing": smoothing, "scheme": scheme, "currencies": currencies}
    whole = period_of(portfolio, book.holdings(), **options)
    split = period_of(portfolio, halves.holdings(), **options)
    for name in ("local", "fx", "weight"):
        before, after = getattr(whole, name), getattr(split, name)
        np.testing.assert_array_equal(after[: n - 1], before[: n - 1])
        assert_close(after[n - 1] + after[n], before[n - 1])
    np.testing.assert_array_equal(split.returns[n - 1 :], np.repeat(whole.returns[-1], 2))


@given(books(), smoothings, schemes)
def test_merged_positions_contribute_what_they_did_apart(book: Book, smoothing: Smoothing, scheme: Any) -> None:
    sums = {name: np.where(book.is_there, column, 0.0).sum(axis=0)[None] for name, column in book.money.items()}
    merged = replace(book, money=sums, is_there=book.is_there.any(axis=0)[None], ccy=("USD",))
    portfolio = book.portfolio()
    apart = period_of(portfolio, book.holdings(), smoothing=smoothing, scheme=scheme, basis=Basis.GROSS)
    together = period_of(portfolio, merged.holdings(), smoothing=smoothing, scheme=scheme, basis=Basis.GROSS)
    assert_close(together.total[0], apart.total.sum())
    assert_close(together.weight[0], apart.weight.sum())


# ------------------------------------------------------------------ levels


@given(
    st.lists(st.tuples(*[st.sampled_from(["a", "b", "Other", "Unclassified", None])] * 3), min_size=1, max_size=12),
    st.floats(0.0, 0.6),
    st.integers(1, 4),
    st.data(),
)
def test_every_level_sums_to_the_total_however_it_is_folded(
    groups: list[Any], threshold: float, top_n: int, data: Any
) -> None:
    n = len(groups)
    labels = [{name: value for name, value in zip("xyz", each, strict=True) if value} for each in groups]
    labels[0] |= dict.fromkeys("xyz", "a")
    figures = data.draw(arrays(np.float64, (3, n), elements=st.integers(-8, 8).map(lambda i: i / 8.0)))
    ids = [f"P{i:02}" for i in range(n)]
    hierarchy = group_positions(["x", "y", "z", "position_id"], ids, labels)
    levels = roll_up(hierarchy, *figures, Folding(threshold, top_n))
    for above, level in zip([None, *levels], levels, strict=False):
        for got, expected in zip((level.local, level.fx, level.weight), figures, strict=True):
            assert got.sum() == expected.sum()
        assert len(set(level.keys)) == len(level.keys)
        assert level.keys == sorted(level.keys)
        if above is None:
            continue
        # The rows below a row sum to it.
        for i, key in enumerate(above.keys):
            below = [j for j, child in enumerate(level.keys) if child[:-1] == key]
            assert below
            assert level.weight[below].sum() == above.weight[i]
            assert (level.local + level.fx)[below].sum() == (above.local + above.fx)[i]


# ------------------------------------------------------------------ days, windows, units


@pytest.mark.parametrize("smoothing", ORDERLESS)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 4)), elements=st.floats(-0.1, 0.1)),
    st.randoms(use_true_random=False),
)
def test_the_order_of_days_does_not_matter(smoothing: Smoothing, parts: np.ndarray, random: Any) -> None:
    order = np.arange(len(parts))
    random.shuffle(order)

    def totals(parts: np.ndarray) -> PeriodContribution:
        """Return contributions to the return of a portfolio without flows, given what each day added."""
        growth = 1.0 + parts.sum(axis=1)
        value = 1000.0 * np.cumprod(np.append(1.0, growth))
        days, n = parts.shape
        nothing = np.zeros((n, days))
        begin_mv = np.tile(value[:-1] / n, (n, 1))
        money = {"begin_mv": begin_mv, "end_mv": begin_mv + (parts * value[:-1, None]).T}
        money |= dict.fromkeys(("bod_cf", "eod_cf", "mgmt_fees"), nothing)
        book = Book(FIRST + np.arange(days), money, np.ones((n, days), bool), ("USD",) * n, np.ones((3, days + 1)))
        return period_of(book.portfolio(), book.holdings(), smoothing=smoothing)

    one, other = totals(parts), totals(parts[order])
    np.testing.assert_allclose(other.total, one.total, rtol=1e-11, atol=1e-11)
    assert_close(other.weight, one.weight)


@given(books(n_currencies=3), smoothings, schemes, st.integers(0, 10), st.integers(0, 10))
def test_a_window_does_not_depend_on_the_others(
    book: Book, smoothing: Smoothing, scheme: Any, first: int, length: int
) -> None:
    asked = window(FIRST + first, FIRST + first + length, "asked")
    if not ((book.dates >= asked.start) & (book.dates <= asked.end)).any():
        return
    currencies = HoldingCurrencies("USD", book.quotes())
    arguments = (book.converted().portfolio(), book.holdings())
    options: dict[str, Any] = {"smoothing": smoothing, "scheme": scheme, "currencies": currencies}
    alone = answer_of(*arguments, asked, **options).periods[0]
    beside = answer_of(*arguments, window(), asked, window(FIRST + first, label="tail"), **options).periods[1]
    for name in ("local", "fx", "weight", "returns", "factor"):
        np.testing.assert_array_equal(getattr(beside, name), getattr(alone, name))
    assert beside.portfolio_return == alone.portfolio_return


@given(books(n_currencies=3), smoothings, schemes, st.floats(1e-6, 1e6))
def test_the_unit_of_the_currency_does_not_matter(book: Book, smoothing: Smoothing, scheme: Any, factor: float) -> None:
    scaled = replace(book, money={name: column * factor for name, column in book.money.items()})
    options: dict[str, Any] = {"smoothing": smoothing, "scheme": scheme}
    options["currencies"] = HoldingCurrencies("USD", book.quotes())
    one = period_of(book.converted().portfolio(), book.holdings(), **options)
    other = period_of(scaled.converted().portfolio(), scaled.holdings(), **options)
    for name in ("local", "fx", "weight"):
        assert_close(getattr(other, name), getattr(one, name))
    assert_close(other.portfolio_return, one.portfolio_return)


# ------------------------------------------------------------------ forms of a request


def body_of(book: Book, form: Any) -> dict[str, Any]:
    """Return a request; `form` makes a table of the rows of one entity."""

    def rows_of(money: Columns, is_there: np.ndarray) -> list[dict[str, Any]]:
        days = np.flatnonzero(is_there).tolist()
        return [{"perf_date": str(book.dates[t]), **{name: float(money[name][t]) for name in MONEY}} for t in days]

    values = book.portfolio()
    whole = rows_of({name: getattr(values, name) for name in MONEY}, np.ones(len(book.dates), bool))
    return {
        "portfolio_id": "P",
        "report_start_date": str(book.dates[0]),
        "report_end_date": str(book.dates[-1]),
        "analyses": [{"period": "ITD", "frequencies": ["daily"]}],
        "portfolio_data": {"metric_basis": "NET", "valuation_points": form(whole)},
        "positions_data": [
            {
                "position_id": name,
                "meta": {"sector": f"S{i % 2}"},
                "valuation_points": form(rows_of({n: column[i] for n, column in book.money.items()}, is_there)),
            }
            for i, (name, is_there) in enumerate(zip(book.names, book.is_there, strict=True))
        ],
    }


def as_columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


@given(books(), st.randoms(use_true_random=False))
def test_rows_or_columns_in_any_order_are_one_request(book: Book, random: Any) -> None:
    schema = ContributionRequestSchema()
    plain = schema.load(body_of(book, list))

    def shuffled(rows: list[dict[str, Any]]) -> Any:
        random.shuffle(rows)
        without_zeros = [{n: v for n, v in row.items() if v or n in ("begin_mv", "end_mv")} for row in rows]
        return random.choice([rows, as_columns(rows), without_zeros])

    body = body_of(book, shuffled)
    random.shuffle(body["positions_data"])
    other = schema.load(body)
    assert other.canonical == plain.canonical
    assert calculate_contribution(other).figures == calculate_contribution(plain).figures
    assert json.loads(plain.canonical)["positions_data"][0]["position_id"] == "P0"
