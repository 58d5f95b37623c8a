"""Request of a series of returns."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from marshmallow import post_load, validates_schema

from lotus_performance.engine.returns import Basis
from lotus_performance.engine.returns_series import (
    MAX_RETURN,
    AskedWindow,
    CalendarPolicy,
    DataPolicy,
    FillMethod,
    MissingDataPolicy,
    RelativePeriod,
    ReturnsRequest,
    SentReturns,
    SeriesFrequency,
    SeriesName,
    WindowMode,
)
from lotus_performance.engine.series import FloatArray
from lotus_performance.errors import DuplicateDatesError, Fault, InvalidRequestError
from lotus_performance.schemas.base import StrictSchema, canonical_json, refuse
from lotus_performance.schemas.faults import Message
from lotus_performance.schemas.fields import (
    MAX_LABEL_LENGTH,
    Choice,
    Columns,
    Currency,
    Date,
    Flag,
    Members,
    Number,
    Table,
    Text,
    Whole,
)
from lotus_performance.strict_json import DECIMAL_TEXT

MAX_GAP_DAYS = 1_000_000
SELECTION = {
    "include_portfolio": SeriesName.PORTFOLIO,
    "include_benchmark": SeriesName.BENCHMARK,
    "include_risk_free": SeriesName.RISK_FREE,
}


class InputMode(StrEnum):
    """Whether the request holds the data, or names where it is."""

    STATELESS = "stateless"
    STATEFUL = "stateful"


class Fraction(Number):
    """Finite number, as such or as a decimal in quotes."""

    def fault(self, value: Any) -> Message | None:
        """Return what is wrong with a value."""
        if type(value) is str:
            if not DECIMAL_TEXT.fullmatch(value):
                return Message('must be a number, or a decimal such as "0.0012"', "wrong_type")
            value = float(value)
        return super().fault(value)

    def array(self, cells: Sequence[Any]) -> FloatArray | None:
        """Return a column of values, or None when at least one of them is at fault."""
        if str in set(map(type, cells)):
            if not all(type(cell) is not str or DECIMAL_TEXT.fullmatch(cell) for cell in cells):
                return None
            cells = [float(cell) if type(cell) is str else cell for cell in cells]
        return super().array(cells)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of this member."""
        text = {"type": "string", "pattern": f"^{DECIMAL_TEXT.pattern}$"}
        return {"oneOf": [super().json_schema() | {"x-unit": "fraction"}, text]}


def _returns(description: str) -> Columns:
    return Columns(
        {
            "date": Date(required=True, metadata={"description": "Day of the return."}),
            "return_value": Fraction(
                low=-MAX_RETURN,
                high=MAX_RETURN,
                required=True,
                metadata={"description": "Return of the day: 0.01 is 1 %.", "x-unit": "fraction"},
            ),
        },
        identity="date",
        metadata={"description": f"{description} Rows, or columns of one length."},
    )


class SeriesWindowSchema(StrictSchema):
    """The window of a series of returns."""

    mode = Choice(WindowMode, required=True, metadata={"description": "Whether dates or a period are told."})
    from_date = Date(metadata={"description": "First day of EXPLICIT."})
    to_date = Date(metadata={"description": "Last day of EXPLICIT, not after `as_of_date`."})
    period = Choice(RelativePeriod, metadata={"description": "Period of RELATIVE; SI is since inception."})
    year = Whole(
        1,
        9999,
        metadata={"description": "Year of YEAR, of which it has all days up to `as_of_date`.", "x-unit": "none"},
    )

    @validates_schema(skip_on_field_errors=True)
    def require_dates(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Require what the mode needs."""
        needed = ["from_date", "to_date"] if data["mode"] is WindowMode.EXPLICIT else ["period"]
        if data.get("period") is RelativePeriod.YEAR and data["mode"] is WindowMode.RELATIVE:
            needed.append("year")
        for name in needed:
            if name not in data:
                raise refuse([name], f"is required: {data['mode']} needs {' and '.join(needed)}", "missing")


class SeriesSelectionSchema(StrictSchema):
    """Which series the answer holds."""

    include_portfolio = Flag(load_default=True, metadata={"description": "Whether it holds the portfolio's returns."})
    include_benchmark = Flag(load_default=False, metadata={"description": "Whether it holds the benchmark's."})
    include_risk_free = Flag(load_default=False, metadata={"description": "Whether it holds the risk-free ones."})


class SeriesPolicySchema(StrictSchema):
    """What is expected of the data, and what is done where it is not there."""

    missing_data_policy = Choice(
        MissingDataPolicy,
        load_default=MissingDataPolicy.FAIL_FAST,
        metadata={"description": "What is done where an expected date has no return."},
    )
    fill_method = Choice(
        FillMethod, load_default=FillMethod.NONE, metadata={"description": "What a missing return is taken for."}
    )
    calendar_policy = Choice(
        CalendarPolicy, load_default=CalendarPolicy.BUSINESS, metadata={"description": "Which dates are expected."}
    )
    max_gap_days = Whole(
        0,
        MAX_GAP_DAYS,
        metadata={"description": "Longest gap of a series that is not refused, in calendar days.", "x-unit": "days"},
    )


class StatelessInputSchema(StrictSchema):
    """Returns of single days, as fractions."""

    portfolio_returns = _returns("Returns of the portfolio.")
    benchmark_returns = _returns("Returns of the benchmark.")
    risk_free_returns = _returns("Risk-free returns.")


class StatefulInputSchema(StrictSchema):
    """On whose behalf lotus-core is asked."""

    consumer_system = Text(
        MAX_LABEL_LENGTH, load_default="lotus-performance", metadata={"description": "Name that lotus-core is told."}
    )


class ReturnsSeriesRequestSchema(StrictSchema):
    """Request of `POST /integration/returns/series`."""

    portfolio_id = Text(required=True, metadata={"description": "Identity of the portfolio; comes back as sent."})
    as_of_date = Date(required=True, metadata={"description": "Last day of which anything is known."})
    window = Members(SeriesWindowSchema, required=True, metadata={"description": "Which days are asked for."})
    frequency = Choice(
        SeriesFrequency, load_default=SeriesFrequency.DAILY, metadata={"description": "Length of time of each return."}
    )
    metric_basis = Choice(
        Basis, load_default=Basis.NET, metadata={"description": "A label: whether the returns are net of fees."}
    )
    reporting_currency = Currency(metadata={"description": "Currency of the returns; of stateless input a label."})
    series_selection = Members(
        SeriesSelectionSchema,
        load_default=SeriesSelectionSchema().load({}),
        metadata={"description": "Which series the answer holds."},
    )
    data_policy = Members(
        SeriesPolicySchema,
        load_default=SeriesPolicySchema().load({}),
        metadata={"description": "What is done where data is missing."},
    )
    input_mode = Choice(
        InputMode, load_default=InputMode.STATELESS, metadata={"description": "Whether the request holds the data."}
    )
    stateless_input = Members(StatelessInputSchema, metadata={"description": "The data, under stateless."})
    stateful_input = Members(StatefulInputSchema, metadata={"description": "Where the data is, under stateful."})

    @validates_schema(skip_on_field_errors=True)
    def require_input(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Require the input of a stateful request."""
        if data["input_mode"] is InputMode.STATEFUL and "stateful_input" not in data:
            raise refuse(["stateful_input"], "is required: input_mode is stateful", "missing")

    @post_load
    def make_request(self, data: dict[str, Any], **kwargs: Any) -> ReturnsRequest:
        """Return the request in engine types."""
        selected = tuple(name for member, name in SELECTION.items() if data["series_selection"][member])
        is_stateful = data["input_mode"] is InputMode.STATEFUL
        refuse_unselected(selected)
        sent: dict[SeriesName, SentReturns] = {}
        if is_stateful:
            _refuse_without_currency(selected, data)
        else:
            tables = data.get("stateless_input", {})
            _refuse_unsent(selected, tables)
            sent = {name: _sent(name, tables[name]) for name in selected}
        window, policy = data["window"], data["data_policy"]
        return ReturnsRequest(
            portfolio_id=data["portfolio_id"],
            as_of=data["as_of_date"],
            window=AskedWindow(
                window["mode"],
                window.get("from_date"),
                window.get("to_date"),
                window.get("period"),
                window.get("year"),
            ),
            frequency=data["frequency"],
            basis=data["metric_basis"],
            selected=selected,
            policy=DataPolicy(
                policy["missing_data_policy"],
                policy["fill_method"],
                policy["calendar_policy"],
                policy.get("max_gap_days"),
            ),
            canonical=canonical_json(data),
            currency=data.get("reporting_currency"),
            consumer_system=data["stateful_input"]["consumer_system"] if is_stateful else None,
            sent=tuple(sent.items()),
            no_effect=tuple(_without_effect(data, selected)),
            max_dates=self.limits.max_rows,
        )


def refuse_unselected(selected: Sequence[SeriesName]) -> None:
    """Refuse a request for no series at all."""
    if not selected:
        raise InvalidRequestError(
            "No series is selected; set include_portfolio, include_benchmark or include_risk_free.",
            faults=[Fault(("series_selection",), "selects no series")],
        )


def _refuse_without_currency(selected: Sequence[SeriesName], data: Mapping[str, Any]) -> None:
    if SeriesName.RISK_FREE in selected and "reporting_currency" not in data:
        raise InvalidRequestError(
            "There is a risk-free return in each currency: send reporting_currency.",
            faults=[Fault(("reporting_currency",), "is needed for risk-free returns of lotus-core")],
        )


def _refuse_unsent(selected: Sequence[SeriesName], tables: Mapping[str, Table]) -> None:
    unsent = [name for name in selected if name not in tables]
    if unsent:
        raise InvalidRequestError(
            f"Asked for and not sent: {' and '.join(unsent)}.",
            faults=[Fault(("stateless_input", name), "is asked for and not sent") for name in unsent],
        )


def _sent(name: SeriesName, table: Table) -> SentReturns:
    """Return a table in date order; refuse dates that repeat."""
    date, place = table["date"], ("stateless_input", name.value)
    order = np.argsort(date, kind="stable")
    date = date[order]
    repeats = np.flatnonzero(date[1:] == date[:-1]) + 1
    if len(repeats):
        raise DuplicateDatesError(
            f"{len(np.unique(date[repeats]))} dates have more than one return; send one a date.",
            faults=[
                Fault(
                    (*place, int(order[i]), "date"),
                    f"row {order[i - 1]} has the same date; merge the two or correct one",
                    {"date": str(date[i])},
                )
                for i in repeats.tolist()
            ],
        )
    return SentReturns(date, table["return_value"][order], place)


def _without_effect(data: Mapping[str, Any], selected: Sequence[SeriesName]) -> Iterator[str]:
    """Yield the members that were sent and change nothing."""
    window = data["window"]
    used = {"from_date", "to_date"} if window["mode"] is WindowMode.EXPLICIT else {"period"}
    if window.get("period") is RelativePeriod.YEAR and "period" in used:
        used |= {"year"}
    yield from (f"window.{name}" for name in window if name != "mode" and name not in used)
    if data["input_mode"] is InputMode.STATEFUL:
        if "stateless_input" in data:
            yield "stateless_input"
        if data["metric_basis"] is Basis.GROSS:
            yield "metric_basis (lotus-core tells no fees)"
    else:
        if "stateful_input" in data:
            yield "stateful_input"
        yield from (f"stateless_input.{name}" for name in data.get("stateless_input", {}) if name not in selected)
