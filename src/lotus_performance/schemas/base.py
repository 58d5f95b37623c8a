"""What all requests share: strict objects, the common members, the canonical request, members without effect."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import MAX_PREC, Context, Decimal
from enum import StrEnum
from typing import Any

import numpy as np
import orjson
from marshmallow import EXCLUDE, Schema, ValidationError, post_load, validates_schema

from lotus_performance.engine.day_count import Annualization, DayCount
from lotus_performance.engine.fx import CurrencyMode, DatedValues, order_by_currency
from lotus_performance.engine.periods import Analysis, Frequency, Period
from lotus_performance.engine.policies import DataPolicy, EntityType, IgnoredDays, OutlierTest, Overrides
from lotus_performance.engine.requests import Calendar, CalendarType, PrecisionMode
from lotus_performance.engine.series import Day
from lotus_performance.schemas.faults import Message, unreported
from lotus_performance.schemas.fields import (
    MAX_LABEL_LENGTH,
    Choice,
    Columns,
    Currency,
    Date,
    Distinct,
    Exchange,
    Flag,
    Members,
    Number,
    Placed,
    Table,
    Text,
    Uuid,
    Whole,
    unknown_member,
    without_gaps,
)
from lotus_performance.schemas.limits import Limits

WINDOW = ("performance_start_date", "report_start_date", "report_end_date", "as_of")
"""Dates by which a request is told from others of its portfolio."""
MAX_IGNORED = 1_000
MAX_FREQUENCIES = 64
"""Far more than there are, so that each wrong one is named."""
MAX_ROLLING_MONTHS = 1_200
DETAILS = ("start", "end", "months", "days")
USED_DETAILS = {Period.EXPLICIT: ("start", "end"), Period.ROLLING: ("months", "days")}
"""Members of an analysis that say more of its period, and those that a period has a use for."""
EXACT = Context(prec=MAX_PREC)
"""Changes no digit."""
MAX_ROLLING_DAYS = 36_525


class StrictSchema(Schema):
    """An object that refuses unknown members, each with the nearest known name."""

    class Meta:
        """Unknown members are refused below, all at once and in the order in which they were sent."""

        unknown = EXCLUDE

    def __init__(self, *, limits: Limits | None = None, **kwargs: Any) -> None:
        self.limits = limits or Limits()
        super().__init__(**kwargs)
        self.error_messages = {**self.error_messages, "type": Message("must be an object", "wrong_type")}

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def refuse_unknown(self, data: Any, original: Any, **kwargs: Any) -> None:
        """Refuse members that the schema does not have."""
        if not isinstance(original, Mapping):
            return
        known = self.load_fields
        unknown = [name for name in original if name not in known]
        if unknown:
            shown = unknown[: self.limits.max_errors]
            messages: dict[str, Any] = {name: [unknown_member(name, known)] for name in shown}
            if len(unknown) > len(shown):
                messages["_schema"] = [unreported(len(unknown) - len(shown))]
            raise ValidationError(messages)


def refuse(place: Sequence[str | int], text: str, code: str) -> ValidationError:
    """Return the error of one member, given by its path."""
    messages: Any = [Message(text, code)]
    for step in reversed(place):
        messages = {step: messages}
    return ValidationError(messages)


class AnalysisSchema(StrictSchema):
    """One requested period."""

    period = Choice(Period, required=True, metadata={"description": "Period that ends on the anchor, or EXPLICIT."})
    frequencies = Distinct(
        Choice(Frequency),
        most=lambda limits: MAX_FREQUENCIES,
        required=True,
        metadata={"description": "Buckets into which the period is broken down."},
    )
    label = Text(MAX_LABEL_LENGTH, metadata={"description": "Name of the answer; default: the period."})
    start = Date(metadata={"description": "First day of EXPLICIT; default `report_start_date`."})
    end = Date(metadata={"description": "Last day of EXPLICIT; default `report_end_date`."})
    months = Whole(
        1, MAX_ROLLING_MONTHS, metadata={"description": "Length of ROLLING in calendar months.", "x-unit": "months"}
    )
    days = Whole(1, MAX_ROLLING_DAYS, metadata={"description": "Length of ROLLING in days.", "x-unit": "days"})

    @post_load
    def name_answer(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Name the answer after its period where no label was sent."""
        return {"label": data["period"].value, **data}

    @validates_schema(skip_on_field_errors=True)
    def require_one_length(self, data: Any, **kwargs: Any) -> None:
        """Require months or days, and not both, for ROLLING."""
        refuse_ambiguous_rolling(data, is_rolling=data["period"] is Period.ROLLING)


def refuse_ambiguous_rolling(data: Mapping[str, Any], *, is_rolling: bool) -> None:
    """Refuse a rolling period with both lengths, or with none."""
    if is_rolling and ("months" in data) == ("days" in data):
        raise refuse(
            ["months"], "ROLLING takes either months or days", "missing" if "months" not in data else "conflict"
        )


class AnnualizationSchema(StrictSchema):
    """How a return becomes a rate per year."""

    enabled = Flag(load_default=False, metadata={"description": "Whether returns are told as a rate per year, too."})
    basis = Choice(
        DayCount,
        load_default=DayCount.BUS_252,
        metadata={"description": "Monday to Friday and 252 days a year, or all days and 365 or 365.25."},
    )
    periods_per_year = Number(
        low=1, high=1000, metadata={"description": "Replaces the basis' days per year.", "x-unit": "days"}
    )
    allow_short_periods = Flag(
        load_default=False, metadata={"description": "Whether periods of fewer than 365 days are annualised, too."}
    )


class CalendarSchema(StrictSchema):
    """Calendar on which the portfolio is valued."""

    type = Choice(CalendarType, load_default=CalendarType.BUSINESS, metadata={"description": "A label."})
    trading_calendar = Exchange(
        metadata={"description": "Exchange whose sessions are the business days; without one: Monday to Friday."}
    )


class OutputSchema(StrictSchema):
    """What the answer holds beside its figures."""

    include_timeseries = Flag(
        load_default=False, metadata={"description": "Whether each bucket holds the working of its days."}
    )
    include_cumulative = Flag(
        load_default=False, metadata={"description": "Whether each bucket holds the return from the period's start."}
    )
    top_n = Whole(1, 5000, load_default=20, metadata={"description": "Rows of a ranking.", "x-unit": "count"})


class FlagsSchema(StrictSchema):
    """Switches of a calculation."""

    fail_fast = Flag(
        load_default=False,
        metadata={"description": "Whether to refuse where a day or a method has no result, instead of going without."},
    )


class HedgeMode(StrEnum):
    """How hedges are told."""

    RATIO = "RATIO"


class FxSchema(StrictSchema):
    """Exchange rates: report currency per unit of `ccy`."""

    source = Text(metadata={"description": "A label."})
    fixing = Text(metadata={"description": "A label."})
    rates = Columns(
        {
            "date": Date(required=True, metadata={"description": "Day of the rate."}),
            "ccy": Currency(required=True, metadata={"description": "Currency that is converted."}),
            "rate": Number(
                above=0.0,
                required=True,
                metadata={"description": "Report currency per unit of `ccy`.", "x-unit": "ratio"},
            ),
        },
        identity="date",
        required=True,
        metadata={"description": "Rows, or columns of one length."},
    )


class HedgingSchema(StrictSchema):
    """Part of the currency return that is hedged away, by date and currency."""

    mode = Choice(HedgeMode, load_default=HedgeMode.RATIO, metadata={"description": "RATIO: a part of the return."})
    series = Columns(
        {
            "date": Date(required=True, metadata={"description": "Day of the hedge."}),
            "ccy": Currency(required=True, metadata={"description": "Currency that is hedged."}),
            "hedge_ratio": Number(
                low=0.0,
                high=1.0,
                required=True,
                metadata={"description": "Hedged part of the currency return.", "x-unit": "fraction"},
            ),
        },
        identity="date",
        required=True,
        metadata={"description": "Rows, or columns of one length."},
    )


class IgnoredDaysSchema(StrictSchema):
    """Days on which an entity is taken as unchanged."""

    entity_type = Choice(EntityType, required=True, metadata={"description": "Whether `entity_id` is a portfolio's."})
    entity_id = Text(required=True, metadata={"description": "Identity of the portfolio or position."})
    dates = Distinct(
        Date(),
        most=lambda limits: limits.max_rows,
        required=True,
        metadata={"description": "Days on which it is taken as unchanged."},
    )


class OverridesSchema(StrictSchema):
    """Values that replace those of the rows, by date."""

    market_values = Columns(
        {
            "perf_date": Date(required=True, metadata={"description": "Date of the row that is corrected."}),
            "position_id": Text(metadata={"description": "Position of the row; default: the portfolio."}),
            "begin_mv": Number(metadata={"description": "Value before the first flow.", "x-unit": "money"}),
            "end_mv": Number(metadata={"description": "Value after the last flow.", "x-unit": "money"}),
        },
        identity="perf_date",
        allow_empty=True,
        metadata={"description": "Rows, or columns of one length."},
    )
    cash_flows = Columns(
        {
            "perf_date": Date(required=True, metadata={"description": "Date of the row that is corrected."}),
            "position_id": Text(metadata={"description": "Position of the row; default: the portfolio."}),
            "bod_cf": Number(metadata={"description": "Flow before trading, in positive.", "x-unit": "money"}),
            "eod_cf": Number(metadata={"description": "Flow after trading, in positive.", "x-unit": "money"}),
            "mgmt_fees": Number(metadata={"description": "Management fees, negative.", "x-unit": "money"}),
        },
        identity="perf_date",
        allow_empty=True,
        metadata={"description": "Rows, or columns of one length."},
    )


class OutlierMethod(StrEnum):
    """How outliers are found."""

    MAD = "MAD"


class OutlierAction(StrEnum):
    """What is done with an outlier."""

    FLAG = "FLAG"


class OutlierParamsSchema(StrictSchema):
    """Window and width of the outlier test."""

    mad_k = Number(
        above=0.0,
        load_default=5.0,
        metadata={"description": "Median absolute deviations from the median that are too far.", "x-unit": "ratio"},
    )
    window = Whole(
        5, 5000, load_default=63, metadata={"description": "Rows before the day that are looked at.", "x-unit": "count"}
    )


class OutliersSchema(StrictSchema):
    """Outlier test of the day's returns."""

    enabled = Flag(load_default=False, metadata={"description": "Whether days are tested."})
    method = Choice(
        OutlierMethod, load_default=OutlierMethod.MAD, metadata={"description": "Median absolute deviation."}
    )
    params = Members(
        OutlierParamsSchema,
        load_default=OutlierParamsSchema().load({}),
        metadata={"description": "Window and width of the test."},
    )
    action = Choice(
        OutlierAction, load_default=OutlierAction.FLAG, metadata={"description": "FLAG: tell, change nothing."}
    )


class DataPolicySchema(StrictSchema):
    """Corrections and tests of the rows before the calculation."""

    overrides = Members(OverridesSchema, load_default={}, metadata={"description": "Values that replace those sent."})
    ignore_days = Distinct(
        Members(IgnoredDaysSchema),
        most=lambda limits: MAX_IGNORED,
        allow_empty=True,
        load_default=[],
        metadata={"description": "Days that are taken as unchanged."},
    )
    outliers = Members(
        OutliersSchema, load_default=OutliersSchema().load({}), metadata={"description": "Test for outliers."}
    )


class RequestSchema(StrictSchema):
    """The members that every request may have."""

    calculation_id = Uuid(metadata={"description": "Identity of the calculation; made by the service when absent."})
    portfolio_id = Text(required=True, metadata={"description": "Identity of the portfolio; comes back as sent."})
    currency = Currency(metadata={"description": "Currency of the portfolio; a label without conversion."})
    report_ccy = Currency(metadata={"description": "Currency of the answer."})
    precision_mode = Choice(
        PrecisionMode, load_default=PrecisionMode.FLOAT64, metadata={"description": "Arithmetic of the calculation."}
    )
    rounding_precision = Whole(
        0,
        15,
        load_default=6,
        metadata={"description": "Decimals of every number of the answer.", "x-unit": "decimals"},
    )
    calendar = Members(
        CalendarSchema, load_default=CalendarSchema().load({}), metadata={"description": "Days of valuation."}
    )
    annualization = Members(
        AnnualizationSchema,
        load_default=AnnualizationSchema().load({}),
        metadata={"description": "Rates per year; off by default."},
    )
    output = Members(
        OutputSchema, load_default=OutputSchema().load({}), metadata={"description": "Details of the answer."}
    )
    flags = Members(FlagsSchema, load_default=FlagsSchema().load({}), metadata={"description": "Strictness."})
    data_policy = Members(
        DataPolicySchema,
        load_default=DataPolicySchema().load({}),
        metadata={"description": "Corrections and tests of the rows."},
    )
    currency_mode = Choice(
        CurrencyMode,
        load_default=CurrencyMode.BASE_ONLY,
        metadata={"description": "Whether the currency's part of the return is told."},
    )
    fx = Members(FxSchema, metadata={"description": "Exchange rates; without effect under BASE_ONLY."})
    hedging = Members(HedgingSchema, metadata={"description": "Currency hedges; without effect under BASE_ONLY."})

    def is_changed(self, data: Mapping[str, Any], path: str) -> bool:
        """Return whether a member was sent with a value that is not its default; a dot leads into an object."""
        schema: Schema = self
        *parents, name = path.split(".")
        for parent in parents:
            schema, data = schema.fields[parent].schema, data.get(parent, {})  # type: ignore[attr-defined]
        default = schema.fields[name].load_default
        return name in data and bool(data[name] != default)

    def changed(self, data: Mapping[str, Any], paths: Sequence[str]) -> list[str]:
        """Return those of the members that were sent with a value that is not their default."""
        return [path for path in paths if self.is_changed(data, path)]

    @staticmethod
    def unconverted(data: Mapping[str, Any]) -> list[str]:
        """Return the report currency, with the reason, where the figures stay in another."""
        ccy, report_ccy = data.get("currency"), data.get("report_ccy")
        return [f"report_ccy (the figures stay in {ccy})"] if ccy and report_ccy and ccy != report_ccy else []

    def common_arguments(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that all requests of the engine share."""
        annualization = data["annualization"]
        return {
            "portfolio_id": data["portfolio_id"],
            "calculation_id": data.get("calculation_id"),
            "report_ccy": data.get("report_ccy"),
            "currency_mode": data["currency_mode"],
            "precision_mode": data["precision_mode"],
            "rounding_precision": data["rounding_precision"],
            "annualization": Annualization(
                annualization["enabled"],
                annualization["basis"],
                annualization.get("periods_per_year"),
                annualization["allow_short_periods"],
            ),
            "calendar": Calendar(data["calendar"]["type"], data["calendar"].get("trading_calendar")),
            "fail_fast": data["flags"]["fail_fast"],
            "requested_window": {name: str(data[name]) for name in WINDOW if name in data},
        }


class PeriodsRequestSchema(RequestSchema):
    """The members of requests about periods that end on a report date."""

    report_start_date = Date(metadata={"description": "Start of EXPLICIT periods that bring none."})
    report_end_date = Date(required=True, metadata={"description": "Anchor: the last day of every period."})
    analyses = Distinct(
        Members(AnalysisSchema),
        required=True,
        identity=lambda analysis: (
            {k: v for k, v in analysis.items() if k != "frequencies"} if isinstance(analysis, dict) else analysis
        ),
        most=lambda limits: limits.max_periods,
        metadata={"description": "Requested periods."},
    )

    @validates_schema(skip_on_field_errors=True)
    def require_explicit_start(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Require a start for every EXPLICIT period."""
        if "report_start_date" in data:
            return
        text = "is required: EXPLICIT takes its start from here, or from report_start_date"
        without = [i for i, a in data["analyses"] if a["period"] is Period.EXPLICIT and "start" not in a]
        if without:
            raise ValidationError({"analyses": {i: {"start": [Message(text, "missing")]} for i in without}})


def dated_values_of(data: Mapping[str, Any], block: str, rows: str, value: str) -> DatedValues | None:
    """Return exchange rates or hedge ratios as engine types, None where they were not sent."""
    if block not in data:
        return None
    table = data[block][rows]
    return order_by_currency(table["date"], table["ccy"], table[value], (block, rows))


def data_policy_of(data: Mapping[str, Any]) -> DataPolicy | None:
    """Return a data policy as engine types, None where it does nothing."""
    policy = data["data_policy"]
    outliers = policy["outliers"]
    made = DataPolicy(
        market_values=_overrides_of(policy["overrides"], "market_values", ("begin_mv", "end_mv")),
        cash_flows=_overrides_of(policy["overrides"], "cash_flows", ("bod_cf", "eod_cf", "mgmt_fees")),
        ignored_days=tuple(
            IgnoredDays(
                ignored["entity_type"],
                ignored["entity_id"],
                np.array([date.value for date in ignored["dates"]], dtype="datetime64[D]"),
            )
            for _, ignored in policy["ignore_days"]
        ),
        outliers=OutlierTest(outliers["params"]["mad_k"], outliers["params"]["window"])
        if outliers["enabled"]
        else None,
    )
    return None if made == DataPolicy() else made


def _overrides_of(data: Mapping[str, Table], name: str, columns: Sequence[str]) -> Overrides | None:
    if name not in data or not len(data[name]["perf_date"]):
        return None
    table = data[name]
    dates = table["perf_date"]
    positions = table["position_id"] if "position_id" in table.columns else [None] * len(dates)
    place = ("data_policy", "overrides", name)
    return Overrides(dates, positions, {column: table[column] for column in columns}, place)


def canonical_json(data: Mapping[str, Any], **tables: Any) -> bytes:
    """Return the canonical request: defaults filled in, rows in date order, members sorted, no `calculation_id`.

    `tables` replace the members of the same name.
    """
    members = {name: _plain(value) for name, value in data.items() if name != "calculation_id" and name not in tables}
    options = orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY
    return orjson.dumps({**members, **tables}, default=_decimal_text, option=options)


def _decimal_text(value: Any) -> orjson.Fragment:
    """Return a decimal without the zeros that do not count, so that 1.50 and 1.5 are one input."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value.normalize(EXACT)) if value else "0")
    raise TypeError(type(value).__name__)


def _plain(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return str(value)
    if isinstance(value, Placed):
        return _plain(value.value)
    if isinstance(value, Table):
        return without_gaps(value.canonical(value.date_order()))
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(element) for element in value] if isinstance(value, list) else value


def analyses_of(elements: Sequence[Placed], start: Day | None) -> Iterator[Analysis]:
    """Yield the requested periods as engine types; `start`: of EXPLICIT periods without their own."""
    for index, data in elements:
        is_explicit = data["period"] is Period.EXPLICIT
        yield Analysis(
            period=data["period"],
            frequencies=tuple(frequency.value for frequency in data["frequencies"]),
            label=data["label"],
            start=data.get("start", start) if is_explicit else None,
            end=data.get("end") if is_explicit else None,
            months=data.get("months"),
            days=data.get("days"),
            place=("analyses", index),
        )


def unused_details(elements: Sequence[Placed]) -> list[str]:
    """Return the members of analyses for which their period has no use."""
    return [
        f"analyses.{index}.{name}"
        for index, analysis in elements
        for name in DETAILS
        if name in analysis and name not in USED_DETAILS.get(analysis["period"], ())
    ]
