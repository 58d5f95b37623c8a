"""Time-weighted return: day's returns, linked over every requested period and every bucket of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from lotus_performance.engine.day_count import (
    WEEKDAYS,
    Annualization,
    annualise,
    count_days,
    is_short_window,
    measured_end,
)
from lotus_performance.engine.fx import Conversion, currency_path, in_report_currency
from lotus_performance.engine.notices import Notice, dated, late_note, order_note, reset_notices, value_notices
from lotus_performance.engine.periods import Frequency, Window, bucket_labels, bucket_starts, rows_of, slice_rows
from lotus_performance.engine.returns import (
    Basis,
    DayReturns,
    Reset,
    day_returns,
    link_ranges,
    link_to_date,
    link_window,
    refuse_undefined_days,
)
from lotus_performance.engine.series import (
    BoolArray,
    DailyValues,
    DateArray,
    Day,
    Figure,
    FloatArray,
    IntArray,
)
from lotus_performance.errors import FigureOverflowError, NoCapitalError

Span = tuple[DateArray, DateArray]


@dataclass(frozen=True)
class Buckets:
    """A period cut by one frequency; arrays of shape (k,), returns are fractions, NaN where there is none.

    `start` is the first calendar day of each bucket; `span` are its first and last day that count for a rate per year.
    """

    frequency: Frequency
    start: DateArray
    first: IntArray
    stop: IntArray
    returns: FloatArray
    cum_returns: FloatArray | None
    ann_returns: FloatArray | None = None
    span: Span | None = None

    @property
    def labels(self) -> list[str]:
        """Return the name of each bucket.

        Returns
        -------
        list of str, length k
            Date, Friday of the week, month, quarter or year.
        """
        return bucket_labels(self.start, self.frequency)


@dataclass(frozen=True)
class PeriodReturn:
    """Everything about one requested period; returns are fractions."""

    window: Window
    first: int
    stop: int
    base: Figure
    local: Figure
    fx: float | None
    ann_return: Figure | None
    span: Span
    gross: Figure | None
    net: Figure | None
    resets: list[Reset]
    buckets: dict[Frequency, Buckets]

    @property
    def fee_effect(self) -> Figure | None:
        """Return what the fees did.

        Returns
        -------
        float or Decimal or None
            Net less gross return as a fraction; None where it was not asked for.
        """
        if self.net is None or self.gross is None:
            return None
        return self.net - self.gross  # type: ignore[operator] # both are doubles, or both decimals


@dataclass(frozen=True)
class TimeWeightedReturn:
    """The answer: rows used, their returns, one figure for each period, and what is to be said about them.

    `days` are the returns that the figures link, in the report currency; `local_days` are those before conversion,
    and `fx_return` is the currency return of each row that lies between the two, None without conversion.
    """

    values: DailyValues
    days: DayReturns
    local_days: DayReturns
    fx_return: FloatArray | None
    periods: list[PeriodReturn]
    n_used_rows: int
    n_idle_days: int
    n_reset_days: int
    notes: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def time_weighted_return(
    values: DailyValues,
    windows: Sequence[Window],
    basis: Basis,
    inception: Day,
    annualization: Annualization,
    *,
    with_cumulative: bool = False,
    with_fee_effect: bool = False,
    fail_fast: bool = False,
    conversion: Conversion | None = None,
    calendar: np.busdaycalendar = WEEKDAYS,
    is_defined: BoolArray | None = None,
) -> TimeWeightedReturn:
    r"""Return the time-weighted return of a portfolio over several windows.

    Parameters
    ----------
    values : DailyValues
        Values and flows in date order.
    windows : sequence of Window
        Requested periods.
    basis : Basis
        NET or GROSS of management fees.
    inception : datetime64[D]
        Rows before it are left out.
    annualization : Annualization
        How to turn a return into a rate per year.
    with_cumulative, with_fee_effect : bool
        Whether buckets carry the return to date, and periods the return net and gross of fees.
    fail_fast : bool
        Refuse days whose return is undefined, instead of leaving them out.
    conversion : Conversion, optional
        Currency, rates and hedges by which the returns become those in the report currency.
    calendar : busdaycalendar
        Business days for BUS/252.
    is_defined : ndarray of bool, optional
        Rows from `inception` on that have a return for exact decimals: what doubles round to nothing can be a gain.

    Returns
    -------
    TimeWeightedReturn
        One figure for each window that has a return, and what was left out.

    Raises
    ------
    NoResolvedPeriodError
        No window holds a row.
    NoCapitalError
        No window has a return; or, under `fail_fast`, a day has a gain without capital.
    FxRateMissingError
        A row of a window has no exchange rate.
    FigureOverflowError
        A figure is larger than a double.

    Notes
    -----
    .. math:: 1 + R = \prod_t (1 + r_t)

    over the window's own rows, long and short days apart, after the last restart: see `returns.link_ranges`. A figure
    depends on its window alone, never on which other windows were asked for.

    References
    ----------
    Bacon, C. R.: Practical Portfolio Performance Measurement and Attribution, 2nd edition, Wiley 2008, chapter 2.
    Global Investment Performance Standards (GIPS) for Firms, 2020.
    """
    is_before = values.perf_date < inception
    used = values.take(~is_before) if is_before.any() else values
    slices = slice_rows(used.perf_date, windows, values.perf_date, f" with performance_start_date {inception}")
    is_requested = rows_of(slices, len(used))
    local_days = day_returns(used, basis)
    if is_defined is not None:
        local_days = replace(local_days, returns=np.where(is_defined, local_days.returns, np.nan))
    is_converted = is_requested & (local_days.sign != 0.0)
    fx_return = None if conversion is None else currency_path(conversion, used.perf_date, is_converted).returns
    calculation = _Calculation(
        used, basis, local_days, annualization, calendar, with_cumulative, with_fee_effect, fx_return
    )
    if fail_fast:
        refuse_undefined_days(used, calculation.days, is_requested)

    periods, notes = [], []
    for part in slices:
        if part.is_empty:
            notes.append(part.no_rows)
        elif calculation.days.n_defined[part.stop] == calculation.days.n_defined[part.first]:
            notes.append(part.no_capital)
        else:
            periods.append(calculation.period_return(part.window, part.first, part.stop))
    if not periods:
        raise NoCapitalError("No requested period has a row with capital, so that there is no return to state.")

    return TimeWeightedReturn(
        values=used,
        days=calculation.days,
        local_days=local_days,
        fx_return=fx_return,
        periods=periods,
        n_used_rows=int(np.count_nonzero(is_requested)),
        n_idle_days=int(np.count_nonzero(calculation.days.is_idle & is_requested)),
        n_reset_days=int(np.count_nonzero(calculation.is_reset)),
        notes=[
            *order_note(values.is_reordered),
            *late_note(used.perf_date, windows),
            *notes,
            *_annualisation_notes(periods, annualization, calendar),
        ],
        notices=[
            *dated(
                "before_inception",
                "Rows before performance_start_date were left out.",
                values.perf_date[is_before],
            ),
            *value_notices(used, calculation.days, is_requested),
            *reset_notices(used.perf_date[calculation.is_reset | calculation.is_bucket_reset]),
        ],
    )


class _Calculation:
    """The day's returns of one series and basis, and what each window makes of them."""

    def __init__(
        self,
        values: DailyValues,
        basis: Basis,
        local_days: DayReturns,
        annualization: Annualization,
        calendar: np.busdaycalendar,
        with_cumulative: bool,
        with_fee_effect: bool,
        fx_return: FloatArray | None,
    ) -> None:
        self.values = values
        self.annualization = annualization
        self.calendar = calendar
        self.with_cumulative = with_cumulative
        self.fx_return = fx_return
        self.is_reset = np.zeros(len(values), dtype=bool)
        self.is_bucket_reset = np.zeros(len(values), dtype=bool)
        self.basis = basis
        self.local_days = local_days
        self.days = self._converted(local_days)
        other = Basis.GROSS if basis is Basis.NET else Basis.NET
        self.other_days = self._converted(day_returns(values, other)) if with_fee_effect else None

    def _converted(self, days: DayReturns) -> DayReturns:
        return days if self.fx_return is None else in_report_currency(days, self.fx_return)

    def period_return(self, window: Window, first: int, stop: int) -> PeriodReturn:
        """Return the figures of one window that has a return."""
        with overflow_named(self.values, self.days, window.label, first, stop):
            return self._period_return(window, first, stop)

    def _period_return(self, window: Window, first: int, stop: int) -> PeriodReturn:
        linked, resets = link_window(self.days, first, stop)
        self.is_reset[[reset.row for reset in resets]] = True
        local = linked if self.fx_return is None else link_window(self.local_days, first, stop)[0]
        other = None if self.other_days is None else link_window(self.other_days, first, stop)[0]
        net, gross = (linked, other) if self.basis is Basis.NET else (other, linked)
        to_date = link_to_date(self.days, first, stop) if self.with_cumulative else None
        # Arrays of one element: a period is annualised by the very rule of the buckets.
        span = self._measured(np.array([window.start]), np.array([window.end]), np.array([stop]))
        ann_return = self._annualised(np.array([linked]), span, np.array([bool(resets)]))
        return PeriodReturn(
            window=window,
            first=first,
            stop=stop,
            base=linked,
            local=local,
            fx=0.0 if self.fx_return is None else _currency_return(linked, local),
            ann_return=None if ann_return is None or np.isnan(ann_return[0]) else float(ann_return[0]),
            span=span,
            gross=None if other is None else gross,
            net=None if other is None else net,
            resets=resets,
            buckets={each: self._buckets(each, window, first, stop, to_date) for each in window.frequencies},
        )

    def _buckets(
        self, frequency: Frequency, window: Window, first: int, stop: int, to_date: FloatArray | None
    ) -> Buckets:
        starts, calendar_start, calendar_end = bucket_starts(self.values.perf_date[first:stop], frequency)
        begin = first + starts
        end = np.append(begin[1:], stop)
        cumulative = None if to_date is None else to_date[end - 1 - first]
        if frequency is Frequency.DAILY:
            return Buckets(frequency, calendar_start, begin, end, self.days.returns[first:stop], cumulative)
        linked, resets = link_ranges(self.days, begin, end)
        self.is_bucket_reset[[reset.row for cuts in resets.values() for reset in cuts]] = True
        span = self._measured(np.maximum(calendar_start, window.start), np.minimum(calendar_end, window.end), end)
        has_reset = np.zeros(len(begin), dtype=bool)
        has_reset[list(resets)] = True
        ann_returns = self._annualised(linked, span, has_reset)
        return Buckets(frequency, calendar_start, begin, end, linked, cumulative, ann_returns, span)

    def _measured(self, start: DateArray, end: DateArray, stop: IntArray) -> Span:
        """Return the days that count for a rate per year, of windows or buckets that stop before row `stop`."""
        dates = self.values.perf_date
        return np.maximum(start, dates[0]), measured_end(end, dates[stop - 1], self.calendar)

    def _annualised(self, linked: FloatArray, span: Span, has_reset: BoolArray) -> FloatArray | None:
        if not self.annualization.is_enabled:
            return None
        return annualise(linked, *span, self.annualization, self.calendar, has_reset)


@contextmanager
def overflow_named(values: DailyValues, days: DayReturns, label: str, first: int, stop: int) -> Iterator[None]:
    """Name the period, and its row with the largest return, where a figure of it is larger than a double.

    Parameters
    ----------
    values : DailyValues
        Values and flows.
    days : DayReturns
        Their returns.
    label : str
        Name of the period.
    first, stop : int
        Its rows, a half-open range with at least one return.

    Yields
    ------
    None
        While the figures of the period are calculated or written.

    Raises
    ------
    FigureOverflowError
        The same, with the names.
    """
    try:
        yield
    except FigureOverflowError as error:
        row = first + int(np.nanargmax(np.abs(days.returns[first:stop])))
        raise FigureOverflowError(
            f"Period {label}, {stop - first} rows from {values.perf_date[first]} to {values.perf_date[stop - 1]}: "
            f"{error.message} The largest return is that of {values.perf_date[row]}."
        ) from error


def _currency_return(base: float, local: float) -> float | None:
    """Return (1 + base) / (1 + local) - 1, None where the local return is -100 %: nothing is left to convert."""
    return None if local == -1.0 else (1.0 + base) / (1.0 + local) - 1.0


def _annualisation_notes(
    periods: Sequence[PeriodReturn], annualization: Annualization, calendar: np.busdaycalendar
) -> list[str]:
    if not annualization.is_enabled:
        return []
    by_reason: dict[str, list[str]] = {}
    for period in periods:
        if period.ann_return is None:
            by_reason.setdefault(_reason(period, annualization, calendar), []).append(period.window.label)
    notes = [f"Not annualised, because {reason}: {', '.join(labels)}." for reason, labels in by_reason.items()]
    without = [
        f"{period.window.label} {frequency}"
        for period in periods
        for frequency, buckets in period.buckets.items()
        if buckets.ann_returns is None or np.isnan(buckets.ann_returns).any()
    ]
    if without:
        notes.append(
            f"Days have no rate per year, other buckets by the rules of periods; without one: {', '.join(without)}."
        )
    return notes


def _reason(period: PeriodReturn, annualization: Annualization, calendar: np.busdaycalendar) -> str:
    if is_short_window(*period.span)[0] and not annualization.allow_short_periods:
        return "shorter than 365 days (GIPS)"
    if not count_days(*period.span, annualization.basis, calendar)[0]:
        return "without a business day"
    return "of a reset, a total loss or too large a rate"
