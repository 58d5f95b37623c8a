"""Identities of attribution, whatever the data."""

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from flask import Flask
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from groups import Side, days, effects_of, key_of, leaf_effects, observations, period_of, window
from lotus_performance.engine.attribution import Method, PeriodAttribution, attribution, of_instruments
from lotus_performance.engine.brinson import LEVERAGE, Interaction, Model, OffBenchmark
from lotus_performance.engine.linking import EXACT_METHODS, Linking, link_factors
from lotus_performance.engine.periods import Frequency
from lotus_performance.engine.returns import Basis
from lotus_performance.engine.segments import Key
from lotus_performance.errors import LinkingUndefinedError
from rows import holdings_of, values_of

EXACT = 1e-12
ORDERLESS = [Linking.CARINO, Linking.MENCHERO, Linking.SYMMETRIC]
ALWAYS_DEFINED = [Linking.GRAP, Linking.FRONGELLO, Linking.SYMMETRIC]
ADDITIVE = [Linking.NONE, Linking.LOG, *EXACT_METHODS]
ALL = {"model": list(Model), "interaction": list(Interaction), "off_benchmark": list(OffBenchmark)}

NAMED: dict[str, Any] = {"names": ["currency", "sector"]}

FEWER = settings(max_examples=settings().max_examples // 2)
FEW = settings(max_examples=settings().max_examples // 8)
"""Of the profile's, for what is tested in many variants or takes long."""

KEYS: list[Key] = [("Eq", "Tech"), ("Eq", "Bank"), ("Bd", "Gov"), ("Bd", "Corp"), ("Cash", "USD")]
Sides = tuple[Side, Side]

# Rounded, so that no sum of weights misses 1 by about as much as is taken for rounding.
single = st.floats(-0.3, 0.3).map(lambda r: round(r, 8)) | st.sampled_from([0.0, 0.1, -0.2])
weight = st.floats(-0.5, 1.5).map(lambda w: round(w, 6)) | st.sampled_from([0.0, 0.25, 1.0])
methods = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in ALL.items()})


@st.composite
def some_sides(
    draw: st.DrawFn,
    returns: st.SearchStrategy[float] = single,
    *,
    levered: bool = True,
    complete: bool = False,
    weights: st.SearchStrategy[float] = weight,
) -> Sides:
    """Draw a portfolio and a benchmark whose weights sum to 1; groups may be missing now and then on either side."""
    n = draw(st.integers(1, 6))
    n_groups = draw(st.integers(1, len(KEYS)))
    keys = draw(st.permutations(KEYS))[:n_groups]
    return (
        _side(draw, keys, n, returns, weights, sums_to_one=not levered, complete=complete),
        _side(draw, keys, n, returns, weights, sums_to_one=True, complete=complete),
    )


def _side(
    draw: st.DrawFn,
    keys: list[Key],
    n: int,
    returns: st.SearchStrategy[float],
    weight: st.SearchStrategy[float],
    *,
    sums_to_one: bool,
    complete: bool,
) -> Side:
    side: dict[Key, list[Any]] = {key: [] for key in keys}
    for _ in range(n):
        is_there = [complete or draw(st.integers(0, 4)) > 0 for _ in keys]
        is_there[0] = True
        weights = [draw(weight) if there else 0.0 for there in is_there]
        if sums_to_one:
            weights[0] = 1.0 - math.fsum(weights[1:])
        for key, w, there in zip(keys, weights, is_there, strict=True):
            side[key].append((w, draw(returns)) if there else None)
    return {key: cells for key, cells in side.items() if any(cell is not None for cell in cells)}


def attributed(sides: Sides, **options: Any) -> PeriodAttribution:
    """Return the attribution of a case inside the domain of its linking."""
    try:
        return period_of(*sides, **options)
    except LinkingUndefinedError:
        assume(False)
        raise


def returns_of(side: Side) -> list[float]:
    """Return the sum of weight x return of each day."""
    return [
        math.fsum(cell[0] * cell[1] for cell in cells if cell is not None) for cells in zip(*side.values(), strict=True)
    ]


def compounded(returns: list[float]) -> float:
    return math.prod(1.0 + r for r in returns) - 1.0


def scale_of(period: PeriodAttribution) -> float:
    """Return the largest number that takes part: rounding is in proportion to it."""
    figures = [abs(figure) for each in leaf_effects(period).values() for figure in each]
    return max(1.0, abs(period.active_return), sum(figures))


def assert_same(
    one: dict[Key, tuple[float, float, float]], other: dict[Key, tuple[float, float, float]], scale: float = 1.0
) -> None:
    assert one.keys() == other.keys()
    for key, each in one.items():
        assert each == pytest.approx(other[key], abs=EXACT * scale, rel=EXACT)


# ------------------------------------------------------------------ parts and whole


@pytest.mark.parametrize("linking", ADDITIVE)
@given(sides=some_sides(), options=methods)
@FEWER
def test_effects_sum_to_the_active_return(linking: Linking, sides: Sides, options: dict[str, Any]) -> None:
    period = attributed(sides, linking=linking, **options)
    active = compounded(returns_of(sides[0])) - compounded(returns_of(sides[1]))
    tolerance = EXACT * scale_of(period)
    assert period.active_return == pytest.approx(active, abs=tolerance)
    assert period.sum_of_effects + period.residual == pytest.approx(period.active_return, abs=tolerance)
    if linking is not Linking.NONE:
        assert abs(period.residual) <= tolerance
    for level in period.levels:
        rows = effects_of(level).values()
        assert math.fsum(map(math.fsum, rows)) == pytest.approx(period.sum_of_effects, abs=tolerance)
        assert level.totals.total == pytest.approx(period.sum_of_effects, abs=tolerance)


@pytest.mark.parametrize("linking", ADDITIVE)
@given(sides=some_sides(), options=methods)
@FEWER
def test_the_engine_is_the_formula(linking: Linking, sides: Sides, options: dict[str, Any]) -> None:
    """Each effect of each group, day by day in plain loops from methodology 6."""
    portfolio, benchmark = sides
    period = attributed(sides, linking=linking, **options)
    r, b = returns_of(portfolio), returns_of(benchmark)
    factor = link_factors(linking, np.array(r), np.array(b))
    model, interaction, off_benchmark = (options[name] for name in ALL)
    expected = {}
    for key in {*portfolio, *benchmark}:
        sums = [0.0, 0.0, 0.0]
        for t, f in enumerate(factor.tolist()):
            mine = portfolio.get(key, [None] * len(r))[t]
            theirs = benchmark.get(key, [None] * len(r))[t]
            w, own = mine if mine is not None else (0.0, None)
            if theirs is not None:
                bmk_w, bmk = theirs
            else:
                bmk_w = 0.0
                bmk = {
                    OffBenchmark.BENCHMARK_TOTAL: b[t],
                    OffBenchmark.ZERO: 0.0,
                    OffBenchmark.OWN_RETURN: own if w else b[t],
                }[off_benchmark]
            own = own if w else bmk
            effects = [(w - bmk_w) * (bmk - (b[t] if model is Model.BF else 0.0)), bmk_w * (own - bmk)]
            effects.append((w - bmk_w) * (own - bmk))
            if interaction is Interaction.SELECTION:
                effects = [effects[0], effects[1] + effects[2], 0.0]
            elif interaction is Interaction.ALLOCATION:
                effects = [effects[0] + effects[2], effects[1], 0.0]
            sums = [total + f * effect for total, effect in zip(sums, effects, strict=True)]
        expected[key] = tuple(sums)
    found = leaf_effects(period)
    leverage = found.pop((LEVERAGE,) * 2, (0.0, 0.0, 0.0))
    assert_same(found, expected, scale_of(period))
    if model is Model.BF:
        gross = [sum(cells[t][0] for cells in portfolio.values() if cells[t] is not None) for t in range(len(r))]
        missing = sum(f * bt * (w - 1.0) for f, bt, w in zip(factor.tolist(), b, gross, strict=True))
        assert leverage[0] == pytest.approx(missing, abs=EXACT * scale_of(period))


@given(sides=some_sides(complete=True), options=methods)
def test_a_portfolio_that_is_its_benchmark_has_no_effects(sides: Sides, options: dict[str, Any]) -> None:
    _, benchmark = sides
    for linking in ADDITIVE:
        period = attributed((benchmark, benchmark), linking=linking, with_currencies=True, **NAMED, **options)
        assert period.active_return == 0.0
        assert set(leaf_effects(period).values()) == {(0.0, 0.0, 0.0)}
        assert period.currencies is not None
        assert period.currencies.total == pytest.approx(0.0, abs=1e-15)
    geometric = attributed((benchmark, benchmark), linking=Linking.GEOMETRIC)
    assert geometric.active_return == 0.0
    assert geometric.sum_of_effects == pytest.approx(0.0, abs=1e-15)


# ------------------------------------------------------------------ groups


@pytest.mark.parametrize("linking", [Linking.CARINO, Linking.SYMMETRIC, Linking.GEOMETRIC])
@given(sides=some_sides(levered=False), data=st.data())
def test_renaming_groups_only_renames(linking: Linking, sides: Sides, data: st.DataObject) -> None:
    names = data.draw(st.permutations(["z", "m", "a", "Z", "\u00e9"]))
    renamed = {key: (key[0], name) for key, name in zip(KEYS, names, strict=True)}
    plain = leaf_effects(attributed(sides, linking=linking))
    portfolio, benchmark = ({renamed[key]: cells for key, cells in side.items()} for side in sides)
    other = attributed((portfolio, benchmark), linking=linking)
    assert_same({renamed.get(key, key): each for key, each in plain.items()}, leaf_effects(other), scale_of(other))


@given(sides=some_sides(), data=st.data())
def test_the_order_of_groups_changes_nothing(sides: Sides, data: st.DataObject) -> None:
    shuffled = [{key: side[key] for key in data.draw(st.permutations(list(side)))} for side in sides]
    assert leaf_effects(attributed(sides)) == leaf_effects(attributed((shuffled[0], shuffled[1])))


@pytest.mark.parametrize("linking", EXACT_METHODS)
@given(sides=some_sides(), options=methods, share=st.floats(-1.0, 2.0))
@FEWER
def test_a_group_split_into_two_of_equal_returns_is_the_sum_of_both(
    linking: Linking, sides: Sides, options: dict[str, Any], share: float
) -> None:
    """Each leaf falls into two; a level above tells both together."""
    assume(share not in (0.0, 1.0))
    split = [
        {
            (*key, part): [None if cell is None else (cell[0] * f, cell[1]) for cell in cells]
            for key, cells in side.items()
            for part, f in (("a", share), ("b", 1.0 - share))
        }
        for side in sides
    ]
    whole = attributed(sides, linking=linking, **options)
    parts = attributed((split[0], split[1]), linking=linking, **options)
    assert_same(effects_of(parts.levels[1]), leaf_effects(whole), scale_of(parts))


@given(sides=some_sides(complete=True, weights=st.floats(0.05, 0.4)), options=methods)
def test_merging_groups_keeps_the_total(sides: Sides, options: dict[str, Any]) -> None:
    """What a level tells of its groups' sums is another split of one active return."""
    merged = []
    for side in sides:
        by_class: dict[Key, list[Any]] = {}
        for key, cells in side.items():
            before = by_class.setdefault(key[:1], [(0.0, 0.0)] * len(cells))  # weight and gain
            by_class[key[:1]] = [
                (w + cell[0], gain + cell[0] * cell[1]) for (w, gain), cell in zip(before, cells, strict=True)
            ]
        assume(all(abs(w) > 1e-3 for cells in by_class.values() for w, _ in cells))
        merged.append({key: [(w, gain / w) for w, gain in cells] for key, cells in by_class.items()})
    for linking in EXACT_METHODS:
        fine, coarse = attributed(sides, linking=linking, **options), None
        coarse = attributed((merged[0], merged[1]), linking=linking, **options)
        tolerance = EXACT * max(scale_of(fine), scale_of(coarse))
        assert fine.active_return == pytest.approx(coarse.active_return, abs=tolerance)
        assert fine.sum_of_effects == pytest.approx(coarse.sum_of_effects, abs=tolerance)


# ------------------------------------------------------------------ periods


def reordered(side: Side, order: list[int]) -> Side:
    return {key: [cells[t] for t in order] for key, cells in side.items()}


@pytest.mark.parametrize("linking", ORDERLESS)
@given(sides=some_sides(), data=st.data(), options=methods)
def test_effects_ignore_the_order_of_periods(
    linking: Linking, sides: Sides, data: st.DataObject, options: dict[str, Any]
) -> None:
    order = data.draw(st.permutations(range(len(next(iter(sides[0].values()))))))
    other = (reordered(sides[0], order), reordered(sides[1], order))
    one = attributed(sides, linking=linking, **options)
    assert_same(leaf_effects(one), leaf_effects(attributed(other, linking=linking, **options)), scale_of(one))


@given(sides=some_sides(), options=methods)
@FEW
def test_symmetric_is_the_mean_over_all_orders(sides: Sides, options: dict[str, Any]) -> None:
    """Up to 720 orders of six periods; in each, what lies before grows with the portfolio, what follows with the
    benchmark."""
    r, b = returns_of(sides[0]), returns_of(sides[1])
    n = len(r)
    orders = list(permutations(range(n)))
    symmetric = attributed(sides, linking=Linking.SYMMETRIC, **options)
    expected: dict[Key, tuple[float, float, float]] = {}
    for t in range(n):
        factor = 0.0
        for order in orders:
            place = order.index(t)
            before, after = order[:place], order[place + 1 :]
            factor += math.prod(1.0 + r[s] for s in before) * math.prod(1.0 + b[s] for s in after) / len(orders)
        day = attributed((reordered(sides[0], [t]), reordered(sides[1], [t])), linking=Linking.NONE, **options)
        for key, (a, s, i) in leaf_effects(day).items():
            x, y, z = expected.get(key, (0.0, 0.0, 0.0))
            expected[key] = (x + factor * a, y + factor * s, z + factor * i)
    assert_same(leaf_effects(symmetric), expected, scale_of(symmetric))


@pytest.mark.parametrize("linking", EXACT_METHODS)
@given(sides=some_sides(st.floats(-4.0, 2.0) | st.sampled_from([-1.0, -2.0])), options=methods)
@FEWER
def test_a_segment_may_lose_more_than_everything(linking: Linking, sides: Sides, options: dict[str, Any]) -> None:
    """What a method needs is the totals alone."""
    if linking not in ALWAYS_DEFINED:
        shrunk = []
        for side in sides:
            # A large group that earns nothing keeps the totals above ruin.
            n = len(next(iter(side.values())))
            small = {k: [None if c is None else (c[0] / 50.0, c[1]) for c in v] for k, v in side.items()}
            rest = [
                1.0 - math.fsum(c[0] for c in cells if c is not None) for cells in zip(*small.values(), strict=True)
            ]
            shrunk.append({**small, ("Rest", "Rest"): [(rest[t], 0.0) for t in range(n)]})
        sides = (shrunk[0], shrunk[1])
    period = period_of(*sides, linking=linking, **options)
    active = compounded(returns_of(sides[0])) - compounded(returns_of(sides[1]))
    assert period.sum_of_effects == pytest.approx(active, abs=EXACT * scale_of(period) * 10.0)


# ------------------------------------------------------------------ top-down, geometric, by currency


@given(sides=some_sides(), linking=st.sampled_from(EXACT_METHODS))
def test_levels_and_selection_of_top_down_are_the_active_return(sides: Sides, linking: Linking) -> None:
    portfolio, benchmark = sides
    period = attributed(sides, is_top_down=True, linking=linking)
    scale = max(scale_of(period), *(abs(x) for level in period.levels for x in level.allocation.tolist()), 1.0)
    active = compounded(returns_of(portfolio)) - compounded(returns_of(benchmark))
    assert period.sum_of_effects == pytest.approx(active, abs=EXACT * scale)
    assert math.fsum(level.totals.total for level in period.levels) == pytest.approx(active, abs=EXACT * scale)
    for level in period.levels[:-1]:
        assert level.parent is not None or not level.selection.any()
        assert not level.interaction.any()


@given(sides=some_sides(levered=False))
def test_geometric_effects_compound_to_the_active_return(sides: Sides) -> None:
    period = attributed(sides, linking=Linking.GEOMETRIC)
    total, benchmark = (compounded(returns_of(side)) for side in sides)
    totals = period.levels[-1].totals
    active = (1.0 + total) / (1.0 + benchmark) - 1.0
    scale = scale_of(period)
    assert period.active_return == pytest.approx(active, abs=EXACT * scale)
    assert (1.0 + totals.allocation) * (1.0 + totals.selection) - 1.0 == pytest.approx(active, abs=EXACT * scale)
    rows = leaf_effects(period).values()
    assert math.fsum(row[0] for row in rows) == pytest.approx(totals.allocation, abs=1e-8 * scale)
    assert math.fsum(row[1] for row in rows) == pytest.approx(totals.selection, abs=EXACT * scale)


@given(
    sides=some_sides(complete=True),
    fx=st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=3),
    linking=st.sampled_from([Linking.NONE, *EXACT_METHODS]),
)
def test_four_effects_by_currency_are_the_active_return(sides: Sides, fx: list[float], linking: Linking) -> None:
    rates = dict(zip(["Eq", "Bd", "Cash"], fx, strict=True))
    converted = [
        {
            key: [(w, (1.0 + own) * (1.0 + rates[key[0]]) - 1.0, own, rates[key[0]]) for w, own in cells]
            for key, cells in side.items()
        }
        for side in sides
    ]
    period = attributed((converted[0], converted[1]), linking=linking, with_currencies=True, **NAMED)
    assert period.currencies is not None
    parts = math.fsum(period.currencies.total.tolist())
    tolerance = EXACT * max(
        scale_of(period), *np.abs(period.currencies.local_allocation), *np.abs(period.currencies.currency_allocation)
    )
    assert parts == pytest.approx(period.sum_of_effects, abs=tolerance)
    if linking is not Linking.NONE:
        assert parts == pytest.approx(period.active_return, abs=tolerance)


# ------------------------------------------------------------------ instruments


@st.composite
def portfolios(draw: st.DrawFn) -> tuple[dict[str, list[Any]], dict[str, Key], list[Any]]:
    """Draw instruments without flows but of the whole portfolio's making, their groups, and the portfolio's rows."""
    n = draw(st.integers(1, 6))
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True))
    dates = [date for month in ("2025-01-30", "2025-01-31", "2025-02-03") for date in (month,)] + days(60)[31:]
    dates = dates[:n]
    labels = {name: draw(st.sampled_from(KEYS)) for name in names}
    rows: dict[str, list[Any]] = {}
    for name in names:
        value = draw(st.floats(-30.0, 200.0))
        series = []
        for date in dates:
            flow = draw(st.sampled_from([0.0, 0.0, 25.0, -10.0]))
            end = (value + flow) * (1.0 + draw(single)) + draw(st.sampled_from([0.0, 0.0, 1.5]))
            series.append((date, value, end, flow))
            value = end
        rows[name] = series
    portfolio = []
    for t, date in enumerate(dates):
        begin, end, flow = (math.fsum(series[t][column] for series in rows.values()) for column in (1, 2, 3))
        assume(begin + flow > 10.0)
        portfolio.append((date, begin, end, flow))
    return rows, labels, portfolio


@pytest.mark.parametrize("frequency", [Frequency.DAILY, Frequency.MONTHLY])
@given(case=portfolios(), linking=st.sampled_from(EXACT_METHODS), options=methods)
@FEWER
def test_instruments_are_the_groups_of_the_same_gains(
    frequency: Frequency, case: Any, linking: Linking, options: dict[str, Any]
) -> None:
    rows, labels, portfolio = case
    dates = [row[0] for row in portfolio]
    groups: dict[Key, list[Any]] = {}
    for t, (_, begin, _, flow) in enumerate(portfolio):
        capital = begin + flow
        for key in sorted(set(labels.values())):
            own = [rows[name][t] for name in rows if labels[name] == key]
            held = math.fsum(row[1] + row[3] for row in own)
            gain = math.fsum(row[2] - row[1] - row[3] for row in own)
            assume(abs(held) > 1.0)
            groups.setdefault(key, []).append((held / capital, gain / held))
    benchmark: Side = {("Eq", "Tech"): [(0.5, 0.01)] * len(dates), ("Bd", "Gov"): [(0.5, -0.02)] * len(dates)}
    method = {"linking": linking, "frequency": frequency, **options}
    expected = attributed((groups, benchmark), dates=dates, **method)
    found = by_instrument(rows, labels, portfolio, benchmark, dates, Method(**method))
    scale = max(scale_of(expected), 1.0) * 10.0
    assert found.active_return == pytest.approx(expected.active_return, abs=EXACT * scale)
    assert_same(leaf_effects(found), leaf_effects(expected), scale)


def by_instrument(
    rows: dict[str, list[Any]],
    labels: dict[str, Key],
    portfolio: list[Any],
    benchmark: Side,
    dates: list[str],
    method: Method,
) -> PeriodAttribution:
    instruments, values = holdings_of(rows), values_of(portfolio)
    theirs = observations(benchmark, dates)
    keys = sorted({*labels.values(), *theirs.keys})
    segment = np.array([keys.index(labels[name]) for name in instruments.ids])
    everything = np.ones(len(values), dtype=bool)
    mine = of_instruments(values, instruments, segment, len(keys), Basis.NET, None, everything)
    (period,) = attribution(mine, theirs, keys, ["class", "sector"], [window()], method).periods
    return period


# ------------------------------------------------------------------ the form of a request


@given(sides=some_sides(), data=st.data())
@FEWER
def test_rows_or_columns_in_any_order_are_one_request(app: Flask, sides: Sides, data: st.DataObject) -> None:
    def groups(side: Side, *, shuffled: bool) -> list[Any]:
        made = []
        for name in data.draw(st.permutations(list(side))) if shuffled else list(side):
            key = key_of(name)
            rows = [
                {"date": date, "weight_bop": cell[0], "return_base": cell[1]}
                for date, cell in zip(days(10), side[name], strict=False)
                if cell is not None
            ]
            observed: Any = data.draw(st.permutations(rows)) if shuffled else rows
            if shuffled and data.draw(st.booleans()):
                observed = {member: [row[member] for row in observed] for member in rows[0]}
            made.append({"key": {"class": key[0], "sector": key[1]}, "observations": observed})
        return made

    def answer(*, shuffled: bool) -> Any:
        body = {
            "portfolio_id": "P",
            "report_start_date": days(1)[0],
            "report_end_date": days(10)[-1],
            "analyses": [{"period": "ITD", "frequencies": ["daily"]}],
            "mode": "by_group",
            "group_by": ["class", "sector"],
            "frequency": "daily",
            "linking": "symmetric",
            "portfolio_groups_data": groups(sides[0], shuffled=shuffled),
            "benchmark_groups_data": groups(sides[1], shuffled=shuffled),
        }
        response = app.test_client().post("/performance/attribution", json=body)
        return response.status_code, response.get_json()

    (status, plain), (other_status, other) = answer(shuffled=False), answer(shuffled=True)
    assert status == other_status
    if status == 200:
        assert plain["results_by_period"] == other["results_by_period"]
        assert plain["meta"]["input_fingerprint"] == other["meta"]["input_fingerprint"]
