"""Request of an attribution."""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

import numpy as np
from marshmallow import ValidationError, post_load, validates_schema

from lotus_performance.engine.attribution import Method
from lotus_performance.engine.brinson import Interaction, Model, OffBenchmark
from lotus_performance.engine.fx import DEFAULT_CCY, CurrencyMode
from lotus_performance.engine.holdings import CURRENCY
from lotus_performance.engine.linking import Linking
from lotus_performance.engine.periods import Frequency
from lotus_performance.engine.requests import AttributionRequest, ValuedPortfolio
from lotus_performance.engine.segments import INSTRUMENT, Observations
from lotus_performance.engine.series import BoolArray
from lotus_performance.errors import Fault, NotSupportedError
from lotus_performance.schemas.base import (
    analyses_of,
    canonical_json,
    data_policy_of,
    dated_values_of,
    refuse,
    unused_details,
)
from lotus_performance.schemas.faults import Message, unreported
from lotus_performance.schemas.fields import (
    MAX_LABEL_LENGTH,
    Choice,
    Columns,
    Date,
    Distinct,
    Flag,
    Members,
    Number,
    Text,
)
from lotus_performance.schemas.holdings import (
    META,
    LabelsField,
    StackField,
    canonical_groups,
    holdings_of,
    observations_of,
    refuse_labels,
)
from lotus_performance.schemas.holdings_request import MAX_LEVELS, HoldingsRequestSchema
from lotus_performance.schemas.valuations import PortfolioDataSchema, valuation_table

CONTRADICTION = 1e-6
"""By what returns may fail to compound, for they come rounded."""
MOST_COMPARED_ROWS = 110
"""Rows of both sides times periods, in numbers of the longest series: some four seconds."""
MOST_KEYS = 4
"""Parts of keys that levels may tell in all periods, in numbers of the longest series; level n has keys of n parts."""
MOST_INTEGRATED = 2
"""Days times periods that symmetric linking integrates over, in numbers of the longest series: some four seconds."""


class Mode(StrEnum):
    """What the portfolio is made of."""

    BY_INSTRUMENT = "by_instrument"
    BY_GROUP = "by_group"


class HierarchyMethod(StrEnum):
    """How levels of a hierarchy relate."""

    ROLLUP = "rollup"
    TOP_DOWN = "top_down"


NEEDED = {
    Mode.BY_INSTRUMENT: ("portfolio_data", "instruments_data"),
    Mode.BY_GROUP: ("portfolio_groups_data",),
}
"""Members that a mode is about; the rows of the last one make the segments."""


def groups(description: str, **kwargs: Any) -> StackField:
    """Return the member that holds weights and returns of groups."""
    return StackField(
        {
            "key": LabelsField(
                required=True, metadata={"description": "Labels of the group; every one of `group_by` must be there."}
            )
        },
        "observations",
        Columns(
            {
                "date": Date(required=True, metadata={"description": "Day of the return."}),
                "weight_bop": Number(
                    required=True,
                    metadata={"description": "Weight at the beginning of the day.", "x-unit": "fraction"},
                ),
                "return_base": Number(
                    required=True,
                    metadata={"description": "Return of the day in the report currency.", "x-unit": "fraction"},
                ),
                "return_local": Number(
                    metadata={"description": "Return in the group's own currency.", "x-unit": "fraction"}
                ),
                "return_fx": Number(
                    above=-1.0, metadata={"description": "Return of the currency itself.", "x-unit": "fraction"}
                ),
            },
            identity="date",
            required=True,
            metadata={"description": "Rows, or columns of one length."},
        ),
        most=lambda limits: limits.max_positions,
        metadata={"description": description},
        **kwargs,
    )


class AttributionRequestSchema(HoldingsRequestSchema):
    """Request of `POST /performance/attribution`."""

    mode = Choice(Mode, required=True, metadata={"description": "Whether the portfolio comes by instrument or group."})
    group_by = Distinct(
        Text(MAX_LABEL_LENGTH),
        most=lambda limits: MAX_LEVELS,
        required=True,
        metadata={"description": "Labels that make segments, from the top down."},
    )
    frequency = Choice(
        Frequency,
        load_default=Frequency.MONTHLY,
        metadata={"description": "Length of the single periods whose effects are linked."},
    )
    model = Choice(Model, load_default=Model.BF, metadata={"description": "Brinson-Fachler or Brinson-Hood-Beebower."})
    linking = Choice(
        Linking, load_default=Linking.CARINO, metadata={"description": "How effects of single periods add up."}
    )
    interaction = Choice(
        Interaction,
        load_default=Interaction.SEPARATE,
        metadata={"description": "Whether interaction stands alone, or belongs to selection or allocation."},
    )
    off_benchmark = Choice(
        OffBenchmark,
        load_default=OffBenchmark.BENCHMARK_TOTAL,
        metadata={"description": "Benchmark return of a segment that the benchmark has not."},
    )
    hierarchy_method = Choice(
        HierarchyMethod,
        load_default=HierarchyMethod.ROLLUP,
        metadata={"description": "Levels as sums of segments, or as decisions one after another."},
    )
    portfolio_data = Members(
        PortfolioDataSchema, metadata={"description": "Values and flows of the portfolio, for by_instrument."}
    )
    instruments_data = StackField(
        {
            "instrument_id": Text(required=True, metadata={"description": "Identity of the instrument."}),
            "meta": LabelsField(
                load_default={},
                metadata={"description": "Labels that make segments, and `currency`; others are ignored."},
            ),
        },
        "valuation_points",
        valuation_table(required=True, metadata={"description": "Rows on dates of the portfolio's."}),
        most=lambda limits: limits.max_positions,
        metadata={"description": "Values and flows of the instruments, for by_instrument."},
    )
    portfolio_groups_data = groups("Weights and returns of the portfolio's groups, for by_group.")
    benchmark_groups_data = groups("Weights and returns of the benchmark's groups.", required=True)
    compare_linking = Flag(
        load_default=False, metadata={"description": "Whether totals are told for all exact linkings side by side."}
    )

    @validates_schema(skip_on_field_errors=True)
    def require_portfolio(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Require what the mode is about."""
        for name in NEEDED[data["mode"]]:
            if name not in data:
                raise refuse([name], f"is required: mode is {data['mode']}", "missing")

    @validates_schema(skip_on_field_errors=True)
    def refuse_unusable_labels(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Refuse values of labels in use that are no text, and currencies that are none."""
        names = [name.value for name in data["group_by"]]
        if data["mode"] is Mode.BY_INSTRUMENT and "instruments_data" in data:
            used = [name for name in names if name != INSTRUMENT]
            refuse_labels("instruments_data", META, data["instruments_data"], used, data["currency_mode"], self.limits)
        for place in ("portfolio_groups_data", "benchmark_groups_data"):
            if place in data:
                refuse_labels(place, "key", data[place], names, data["currency_mode"], self.limits)

    @validates_schema(skip_on_field_errors=True)
    def bound_work(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        """Bound the rows that are compared, linked or tested for outliers, and what is told of levels."""
        if not all(name in data for name in NEEDED[data["mode"]]):
            return
        n_periods = len({analysis["label"] for _, analysis in data["analyses"]})
        mine = data[NEEDED[data["mode"]][-1]]
        theirs = data["benchmark_groups_data"]
        n_compared = int(mine.n_rows.sum() + theirs.n_rows.sum()) * n_periods
        self.bound(["analyses"], n_compared, MOST_COMPARED_ROWS, "rows of both sides times periods")
        n_levels = len(data["group_by"])
        n_keys = (len(mine.n_rows) + len(theirs.n_rows)) * n_levels * (n_levels + 1) // 2 * n_periods
        self.bound(["group_by"], n_keys, MOST_KEYS, "parts of keys in all periods")
        is_symmetric = data["linking"] is Linking.SYMMETRIC
        if data["frequency"] is Frequency.DAILY and (is_symmetric or data["compare_linking"]):
            n_days = len(np.unique(theirs.columns["date"])) * n_periods
            name = "linking" if is_symmetric else "compare_linking"
            self.bound([name], n_days, MOST_INTEGRATED, "days times periods, which symmetric linking integrates over")
        if data["mode"] is Mode.BY_INSTRUMENT:
            self.bound_tested(data, mine.n_rows)

    @post_load
    def make_request(self, data: dict[str, Any], **kwargs: Any) -> AttributionRequest:
        """Return the request in engine types."""
        self._refuse_unsupported(data)
        names = tuple(name.value for name in data["group_by"])
        benchmark = observations_of(data["benchmark_groups_data"], "benchmark_groups_data", names)
        tables: dict[str, Any] = {
            "benchmark_groups_data": canonical_groups(data["benchmark_groups_data"], benchmark),
        }
        valued: ValuedPortfolio | None = None
        sides = [benchmark]
        if data["mode"] is Mode.BY_GROUP:
            stack = data["portfolio_groups_data"]
            sides.append(observations_of(stack, "portfolio_groups_data", names))
            tables["portfolio_groups_data"] = canonical_groups(stack, sides[1])
        else:
            valued, used = self._instruments(data)
            tables |= used
        if data["currency_mode"] is CurrencyMode.LOCAL_ONLY or (
            data["currency_mode"] is CurrencyMode.BOTH and CURRENCY in names
        ):
            sides = [_with_local_returns(side, names, data, self.limits.max_errors) for side in sides]
        unused = {"portfolio_data", "instruments_data", "portfolio_groups_data"} - tables.keys()
        return AttributionRequest(
            **self.common_arguments(data),
            canonical=canonical_json({name: value for name, value in data.items() if name not in unused}, **tables),
            no_effect=tuple(self._without_effect(data, sorted(unused & data.keys()))),
            portfolio=valued or sides[-1],
            benchmark=sides[0],
            analyses=tuple(analyses_of(data["analyses"], data["report_start_date"])),
            names=names,
            anchor=data["report_end_date"],
            method=Method(
                model=data["model"],
                linking=data["linking"],
                interaction=data["interaction"],
                off_benchmark=data["off_benchmark"],
                is_top_down=data["hierarchy_method"] is HierarchyMethod.TOP_DOWN,
                frequency=data["frequency"],
                compares_linkings=data["compare_linking"],
            ),
            rates=dated_values_of(data, "fx", "rates", "rate"),
            hedges=dated_values_of(data, "hedging", "series", "hedge_ratio"),
            policy=data_policy_of(data),
            currency=data.get("currency"),
        )

    def _instruments(self, data: Mapping[str, Any]) -> tuple[ValuedPortfolio, dict[str, Any]]:
        """Return portfolio and instruments in engine types, and their part of the canonical request."""
        values, portfolio = self.portfolio_of(data)
        stacked = data["instruments_data"]
        instruments = holdings_of(stacked, "instruments_data", "instrument_id")
        canonical = {
            "portfolio_data": portfolio,
            "instruments_data": stacked.canonical("instrument_id", "valuation_points", instruments),
        }
        return ValuedPortfolio(values, instruments, data["portfolio_data"]["metric_basis"]), canonical

    def _refuse_unsupported(self, data: Mapping[str, Any]) -> None:
        """Refuse what is valid by itself and yet not calculated."""
        self.refuse_window_and_decimals(data)
        is_top_down = data["hierarchy_method"] is HierarchyMethod.TOP_DOWN
        is_geometric = data["linking"] is Linking.GEOMETRIC
        if is_top_down and data["model"] is Model.BHB:
            raise NotSupportedError(
                "Top-down effects are defined for the model BF alone.",
                faults=[Fault(("hierarchy_method",), "top_down does not go with model BHB")],
            )
        if is_geometric and (data["model"] is Model.BHB or is_top_down):
            other = "model BHB" if data["model"] is Model.BHB else "hierarchy_method top_down"
            raise NotSupportedError(
                f"Geometric attribution does not go with {other}.",
                faults=[Fault(("linking",), f"geometric does not go with {other}")],
            )
        if is_geometric and data["interaction"] is Interaction.ALLOCATION:
            raise NotSupportedError(
                "Geometric attribution has no interaction; it is part of selection.",
                faults=[Fault(("interaction",), "allocation does not go with linking geometric")],
            )

    def _without_effect(self, data: Mapping[str, Any], unused: list[str]) -> list[str]:
        names = self.changed(data, self.NEVER_EFFECTIVE) + unused
        mode = data["currency_mode"]
        if data["hierarchy_method"] is HierarchyMethod.TOP_DOWN:
            names += self.changed(data, ("interaction",))
        if data["linking"] is Linking.GEOMETRIC:
            names += self.changed(data, ("compare_linking",))
        if mode is CurrencyMode.BASE_ONLY:
            names += self.unconverted(data)
        if data["mode"] is Mode.BY_GROUP:
            is_by_currency = any(name.value == CURRENCY for name in data["group_by"])
            if mode is CurrencyMode.BOTH and (not is_by_currency or data["linking"] is Linking.GEOMETRIC):
                names.append("currency_mode")
            names += self.changed(data, ("fx", "hedging", "data_policy.overrides", "data_policy.ignore_days"))
            names += self.changed(data, ("data_policy.outliers.enabled",))
        else:
            if mode is CurrencyMode.BASE_ONLY:
                names += self.changed(data, ("fx",))
            if mode is not CurrencyMode.BOTH or "fx" not in data:
                names += self.changed(data, ("hedging",))
        if not data["data_policy"]["outliers"]["enabled"]:
            names += self.changed(data, ("data_policy.outliers.params",))
        return names + unused_details(data["analyses"])


def _with_local_returns(
    groups: Observations, names: tuple[str, ...], data: Mapping[str, Any], max_errors: int
) -> Observations:
    """Return groups with the returns in their own currency, and of it, filled in where they follow from the others."""
    base_ccy = data.get("report_ccy") or data.get("currency") or DEFAULT_CCY
    is_base = np.zeros(len(groups.keys), dtype=bool)
    if CURRENCY in names:
        level = names.index(CURRENCY)
        is_base = np.array([key[level] == base_ccy for key in groups.keys], dtype=bool)
    of_base = is_base[groups.group]
    _refuse_contradictions(groups, of_base, base_ccy, max_errors)
    local = np.where(of_base, groups.returns, groups.local)
    fx = np.where(of_base, 0.0, groups.fx)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        local = np.where(np.isnan(local), (1.0 + groups.returns) / (1.0 + fx) - 1.0, local)
        fx = np.where(np.isnan(fx), np.where(local == -1.0, 0.0, (1.0 + groups.returns) / (1.0 + local) - 1.0), fx)
    absent = np.flatnonzero(np.isnan(local)).tolist()
    if absent:
        text = f"is required, or return_fx, for a group that is not in {base_ccy} by its key"
        raise _faults_of(groups, absent, text, "missing", max_errors)
    return replace(groups, local=local, fx=fx)


def _refuse_contradictions(groups: Observations, of_base: BoolArray, base_ccy: str, max_errors: int) -> None:
    """Refuse returns in the own currency, and of it, that do not compound to those in the report currency."""
    fx = np.where(of_base & np.isnan(groups.fx), 0.0, groups.fx)
    local = np.where(of_base & np.isnan(groups.local), groups.returns, groups.local)
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs((1.0 + local) * (1.0 + fx) - 1.0 - groups.returns)
        wrong = np.flatnonzero(gap > CONTRADICTION * (1.0 + np.abs(groups.returns))).tolist()
    if wrong:
        text = (
            f"and return_fx do not compound to return_base; of groups in {base_ccy}, the report currency, it is equal"
        )
        raise _faults_of(groups, wrong, text, "conflict", max_errors)


def _faults_of(groups: Observations, rows: list[int], text: str, code: str, max_errors: int) -> ValidationError:
    """Return the refusal of `return_local` of some observations."""
    faults: dict[Any, Any] = {}
    for i in rows[:max_errors]:
        place, index, member, row = groups.place_of(i)
        rows_at_fault = faults.setdefault(place, {}).setdefault(index, {}).setdefault(member, {})
        rows_at_fault[row] = {"return_local": [Message(text, code)]}
    if len(rows) > max_errors:
        faults["_schema"] = [unreported(len(rows) - max_errors)]
    return ValidationError(faults)
