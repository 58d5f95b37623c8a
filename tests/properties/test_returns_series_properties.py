"""Identities of series of returns: no return is lost, no label leaves the window, coverage and gaps tell one story."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lotus_performance.engine.returns_series import (
    CalendarPolicy,
    DataPolicy,
    FillMethod,
    Grid,
    MissingDataPolicy,
    Points,
    ResolvedWindow,
    SentReturns,
    SeriesFrequency,
    SeriesName,
    align,
    compounded,
    expected_dates,
)
from lotus_performance.errors import InsufficientDataError

PARTIAL, INTERSECTION = MissingDataPolicy.ALLOW_PARTIAL, MissingDataPolicy.STRICT_INTERSECTION


@st.composite
def windows(draw: st.DrawFn) -> ResolvedWindow:
    start = np.datetime64("2023-12-01", "D") + draw(st.integers(0, 120))
    return ResolvedWindow(start, start + draw(st.integers(0, 120)), "EXPLICIT")


@st.composite
def series(draw: st.DrawFn, window: ResolvedWindow, name: SeriesName) -> SentReturns:
    n_days = int((window.end - window.start).astype(int)) + 1
    days = sorted(draw(st.sets(st.integers(-5, n_days + 5), min_size=1, max_size=60)))
    values = draw(st.lists(st.floats(-0.5, 0.5), min_size=len(days), max_size=len(days)))
    return SentReturns(window.start + np.array(days), np.array(values), ("stateless_input", name.value))


@st.composite
def cases(
    draw: st.DrawFn,
) -> tuple[ResolvedWindow, SeriesFrequency, CalendarPolicy, list[SentReturns], list[Points], Grid]:
    window, frequency = draw(windows()), draw(st.sampled_from(SeriesFrequency))
    calendar = draw(st.sampled_from(CalendarPolicy))
    names = list(SeriesName)[: draw(st.integers(1, 3))]
    sent = [draw(series(window, name)) for name in names]
    points = [compounded(name, each, frequency, window) for name, each in zip(names, sent, strict=True)]
    try:
        grid = expected_dates(window, frequency, calendar, [each.date for each in points], 1_000)
    except InsufficientDataError:
        grid = Grid(*(np.empty(0, "datetime64[D]"),) * 3, np.empty(0, np.int64))
    return window, frequency, calendar, sent, points, grid


def inside(sent: SentReturns, window: ResolvedWindow) -> np.ndarray:
    return (sent.date >= window.start) & (sent.date <= window.end)


@given(cases())
def test_compounding_loses_no_return(case: tuple) -> None:
    window, _, _, sent, points, _ = case
    for each, told in zip(sent, points, strict=True):
        days = np.prod(1.0 + each.value[inside(each, window)])
        assert np.prod(1.0 + told.value) == pytest.approx(days, rel=1e-12)


@given(cases())
def test_labels_rise_and_stay_inside_the_window(case: tuple) -> None:
    window, _, _, _, points, grid = case
    for labels in (grid.label, *(each.label for each in points)):
        assert (labels[1:] > labels[:-1]).all()
        assert ((labels >= window.start) & (labels <= window.end)).all()


@given(cases())
def test_expected_dates_stand_for_days_that_follow_one_another(case: tuple) -> None:
    *_, grid = case
    assert (grid.first <= grid.last).all()
    assert (grid.last[:-1] < grid.first[1:]).all()
    assert ((grid.label >= grid.first) & (grid.label <= grid.last)).all()


@given(cases(), st.sampled_from(FillMethod))
def test_coverage_and_gaps_tell_one_story(case: tuple, fill: FillMethod) -> None:
    *_, points, grid = case
    if not len(grid) or not all(len(each.label) for each in points):
        return
    aligned = align(points, grid, DataPolicy(PARTIAL, fill))
    missing = {str(date) for gap in aligned.gaps for date in grid.label if gap.start <= date <= gap.end}
    assert aligned.n_requested == len(grid)
    assert aligned.n_requested - aligned.n_returned == len(missing)
    if fill is FillMethod.ZERO_FILL:
        assert missing == set()
    for sent, told in zip(points, aligned.series, strict=True):
        assert set(sent.label) <= set(told.label)


@given(cases(), st.sampled_from(FillMethod))
def test_an_intersection_has_the_common_dates_of_the_partial_answer(case: tuple, fill: FillMethod) -> None:
    *_, points, grid = case
    if not len(grid) or not all(len(each.label) for each in points):
        return
    partial = align(points, grid, DataPolicy(PARTIAL, fill)).series
    common = set.intersection(*({str(label) for label in each.label} for each in partial))
    try:
        told = align(points, grid, DataPolicy(INTERSECTION, fill)).series
    except InsufficientDataError:
        assert common == set()
        return
    assert all({str(label) for label in each.label} == common for each in told)


@given(cases())
def test_fail_fast_answers_where_nothing_is_missing(case: tuple) -> None:
    *_, points, grid = case
    if not len(grid):
        return
    is_whole = all(len(each.label) and np.isin(grid.label, each.label).all() for each in points)
    try:
        align(points, grid, DataPolicy())
    except InsufficientDataError:
        assert not is_whole
    else:
        assert is_whole
