"""Request of a contribution."""

from collections.abc import Mapping
from typing import Any

from marshmallow import post_load, validates_schema

from lotus_performance.engine.contribution import Smoothing, WeightingScheme
from lotus_performance.engine.fx import CurrencyMode
from lotus_performance.engine.hierarchy import IDENTITY, Folding
from lotus_performance.engine.requests import ContributionRequest
from lotus_performance.errors import (
    Fault,
    NotSupportedError,
)
from lotus_performance.schemas.base import (
    StrictSchema,
    analyses_of,
    canonical_json,
    data_policy_of,
    dated_values_of,
    unused_details,
)
from lotus_performance.schemas.fields import (
    MAX_LABEL_LENGTH,
    Choice,
    Distinct,
    Flag,
    Members,
    Number,
    Text,
    Whole,
)
from lotus_performance.schemas.holdings import META, LabelsField, StackField, holdings_of, refuse_labels
from lotus_performance.schemas.holdings_request import MAX_LEVELS, HoldingsRequestSchema
from lotus_performance.schemas.valuations import PortfolioDataSchema, valuation_table

OF_LEVELS = (
    "emit.top_n_per_level",
    "emit.threshold_weight",
    "emit.include_other",
    "emit.include_unclassified",
)
"""Members that say something about the rows of a hierarchy alone."""

MOST_LINKED = 110
"""Rows of positions times periods, in numbers of the longest series: some four seconds where all of them are shorts."""
MOST_TOLD = 25
"""Rows times periods, in numbers of the longest series, whose contribution is told by day: 64 MB of answer at most."""
MOST_KEYS = 4
"""Parts of keys that levels may tell in all periods, in numbers of the longest series; level n has keys of n parts."""


class SmoothingSchema(StrictSchema):
    """How the contributions of days are linked."""

    method = Choice(
        Smoothing,
        load_default=Smoothing.CARINO,
        metadata={"description": "How days add up to the return of the period; NONE adds them up as they are."},
    )


class EmitSchema(StrictSchema):
    """What the answer tells beside the totals."""

    timeseries = Flag(load_default=False, metadata={"description": "Whether each day's linked contribution is told."})
    by_position_timeseries = Flag(
        load_default=False, metadata={"description": "Whether each day's is told of each position."}
    )
    by_level = Flag(load_default=True, metadata={"description": "Whether the levels of the hierarchy are told."})
    top_n_per_level = Whole(
        1,
        5000,
        load_default=20,
        metadata={"description": "Rows of a parent that stand alone; the others are folded.", "x-unit": "count"},
    )
    threshold_weight = Number(
        low=0.0,
        high=1.0,
        load_default=0.005,
        metadata={"description": "Rows of a smaller average weight are folded.", "x-unit": "fraction"},
    )
    include_other = Flag(load_default=True, metadata={"description": "Whether folded rows are told as `Other`."})
    include_unclassified = Flag(
        load_default=True, metadata={"description": "Whether rows without a level's label are told."}
    )
    residual_per_position = Flag(
        load_default=False,
        metadata={"description": "Whether what positions leave unexplained is spread over them by average weight."},
    )


class ContributionRequestSchema(HoldingsRequestSchema):
    """Request of `POST /performance/contribution`."""

    portfolio_data = Members(
        PortfolioDataSchema, required=True, metadata={"description": "Values and flows of the portfolio."}
    )
    positions_data = StackField(
        {
            "position_id": Text(required=True, metadata={"description": "Identity of the position."}),
            "meta": LabelsField(
                load_default={},
                metadata={"description": "Labels by which positions are grouped, and `currency`; others are ignored."},
            ),
        },
        "valuation_points",
        valuation_table(required=True, metadata={"description": "Rows on dates of the portfolio's."}),
        most=lambda limits: limits.max_positions,
        required=True,
        metadata={"description": "Values and flows of the positions."},
    )
    hierarchy = Distinct(
        Text(MAX_LABEL_LENGTH),
        most=lambda limits: MAX_LEVELS,
        allow_empty=True,
        load_default=[],
        metadata={"description": "Labels by which positions are rolled up, from the top; `position_id` is themselves."},
    )
    weighting_scheme = Choice(
        WeightingScheme,
        load_default=WeightingScheme.BOD,
        metadata={"description": "Capital of a day: at its beginning (BOD, TWR_DENOM) or with half of its flows."},
    )
    smoothing = Members(
        SmoothingSchema, load_default=SmoothingSchema().load({}), metadata={"description": "Linking of days."}
    )
    emit = Members(EmitSchema, load_default=EmitSchema().load({}), metadata={"description": "Details of the answer."})
    lookthrough = LabelsField(metadata={"description": "Not supported: refused when used."})
    bucketing = LabelsField(metadata={"description": "Not supported: refused when used."})

    @validates_schema(skip_on_field_errors=True)
    def refuse_unusable_labels(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Refuse values of labels in use that are no text."""
        used = [level.value for level in data["hierarchy"] if level.value != IDENTITY]
        refuse_labels("positions_data", META, data["positions_data"], used, data["currency_mode"], self.limits)

    @validates_schema(skip_on_field_errors=True)
    def bound_work(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Bound the rows that are linked, told by day or tested for outliers, and what is told of levels."""
        n_portfolio = len(data["portfolio_data"]["valuation_points"]["perf_date"])
        n_rows = data["positions_data"].n_rows
        n_periods = len({analysis["label"] for _, analysis in data["analyses"]})
        emit, n_levels = data["emit"], len(data["hierarchy"])
        self.bound(["analyses"], int(n_rows.sum()) * n_periods, MOST_LINKED, "rows times periods")
        n_told = int(n_rows.sum()) * emit["by_position_timeseries"] + n_portfolio * emit["timeseries"]
        name = "by_position_timeseries" if emit["by_position_timeseries"] else "timeseries"
        self.bound(["emit", name], n_told * n_periods, MOST_TOLD, "rows times periods")
        if emit["by_level"]:
            # Each parent shows the first rows, and beside them Other and Unclassified.
            widest = (min(len(n_rows), (emit["top_n_per_level"] + 2) ** level) for level in range(1, n_levels + 1))
            n_keys = sum(level * n for level, n in enumerate(widest, start=1)) * n_periods
            self.bound(["hierarchy"], n_keys, MOST_KEYS, "parts of keys in all periods")
        self.bound_tested(data, n_rows)

    @post_load
    def make_request(self, data: dict[str, Any], **kwargs: Any) -> ContributionRequest:
        """Return the request in engine types."""
        self._refuse_unsupported(data)
        values, portfolio = self.portfolio_of(data)
        stacked = data["positions_data"]
        positions = holdings_of(stacked, "positions_data", "position_id")
        emit = data["emit"]
        return ContributionRequest(
            **self.common_arguments(data),
            canonical=canonical_json(
                data,
                portfolio_data=portfolio,
                positions_data=stacked.canonical("position_id", "valuation_points", positions),
            ),
            no_effect=tuple(self._without_effect(data)),
            values=values,
            positions=positions,
            analyses=tuple(analyses_of(data["analyses"], data["report_start_date"])),
            basis=data["portfolio_data"]["metric_basis"],
            anchor=data["report_end_date"],
            scheme=data["weighting_scheme"],
            smoothing=data["smoothing"]["method"],
            rates=dated_values_of(data, "fx", "rates", "rate"),
            hedges=dated_values_of(data, "hedging", "series", "hedge_ratio"),
            policy=data_policy_of(data),
            hierarchy=tuple(level.value for level in data["hierarchy"]),
            folding=Folding(emit["threshold_weight"], emit["top_n_per_level"]),
            with_levels=emit["by_level"],
            with_other=emit["include_other"],
            with_unclassified=emit["include_unclassified"],
            with_timeseries=emit["timeseries"],
            with_position_timeseries=emit["by_position_timeseries"],
            spreads_residual=emit["residual_per_position"],
            currency=data.get("currency"),
        )

    def _refuse_unsupported(self, data: Mapping[str, Any]) -> None:
        """Refuse what is valid by itself and yet not calculated."""
        self.refuse_window_and_decimals(data)
        used = [name for name in ("lookthrough", "bucketing") if data.get(name, {}).get("enabled", data.get(name))]
        if used:
            raise NotSupportedError(
                f"{' and '.join(used)} is not supported; leave it out.",
                faults=[Fault((name,), "is not supported") for name in used],
            )
        if data["emit"]["residual_per_position"] and data["smoothing"]["method"] is Smoothing.NONE:
            raise NotSupportedError(
                "Without smoothing the residual holds what compounding adds, which is no position's; leave "
                "residual_per_position out, or choose another smoothing method.",
                faults=[Fault(("emit", "residual_per_position"), "does not go with smoothing method NONE")],
            )

    def _without_effect(self, data: Mapping[str, Any]) -> list[str]:
        names = self.changed(data, self.NEVER_EFFECTIVE)
        if not data["hierarchy"]:
            names += self.changed(data, ("emit.by_level", *OF_LEVELS))
        elif not data["emit"]["by_level"]:
            names += self.changed(data, OF_LEVELS)
        if not data["data_policy"]["outliers"]["enabled"]:
            names += self.changed(data, ("data_policy.outliers.params",))
        mode = data["currency_mode"]
        if mode is CurrencyMode.BASE_ONLY or (mode is CurrencyMode.BOTH and "fx" not in data):
            names += [*self.unconverted(data), *self.changed(data, ("fx",))]
        elif data.get("currency", data.get("report_ccy")) != data.get("report_ccy", data.get("currency")):
            names.append(f"currency (the values of the portfolio are taken to be in {data['report_ccy']}, report_ccy)")
        if mode is not CurrencyMode.BOTH or "fx" not in data:
            names += self.changed(data, ("hedging",))
        return names + unused_details(data["analyses"])
