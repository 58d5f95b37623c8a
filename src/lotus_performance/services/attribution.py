"""The answer to an attribution."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lotus_performance.engine.attribution import (
    Attribution,
    CurrencyAttribution,
    EffectTotals,
    LevelEffects,
    PeriodAttribution,
    Portfolio,
    Working,
    attribution,
    of_groups,
    of_instruments,
)
from lotus_performance.engine.brinson import LEVERAGE, Effects
from lotus_performance.engine.fx import CurrencyMode
from lotus_performance.engine.hierarchy import UNCLASSIFIED
from lotus_performance.engine.holdings import CURRENCY, HoldingCurrencies, Holdings
from lotus_performance.engine.linking import Linking
from lotus_performance.engine.notices import Notice, order_note, value_notices
from lotus_performance.engine.periods import Window, resolve_windows, rows_of, slice_of
from lotus_performance.engine.policies import AppliedPolicy, DataPolicy, apply_policy
from lotus_performance.engine.requests import AttributionRequest, ValuedPortfolio
from lotus_performance.engine.returns import Basis, day_returns
from lotus_performance.engine.segments import INSTRUMENT, Key, Observations
from lotus_performance.engine.series import BoolArray, date_texts
from lotus_performance.errors import Fault, UnknownHierarchyKeyError
from lotus_performance.services.currencies import (
    holding_currencies,
    idle_currencies,
    one_currency_note,
    with_still_days,
)
from lotus_performance.services.figures import Rounding, figures_of, without_missing
from lotus_performance.services.policies import Tested, policy_effect, tested_holdings
from lotus_performance.services.result import Result, shared_diagnostics, shared_meta
from lotus_performance.services.workings import csv_of, file_name

PATH = " -> "
"""Between the names of the levels that make a dimension."""


@dataclass(frozen=True)
class _Side:
    """The portfolio's side of a request, in engine types, and what is to be said about it."""

    portfolio: Portfolio
    keys: list[Key]
    windows: list[Window]
    n_rows: int
    is_in_one_currency: bool = False
    notes: Sequence[str] = ()
    notices: Sequence[Notice] = ()
    no_effect: Sequence[str] = ()
    policy: Mapping[str, Any] = field(default_factory=dict)


def calculate_attribution(request: AttributionRequest) -> Result:
    """Calculate why one portfolio returned something else than its benchmark."""
    shape = _Shape(request)
    if isinstance(request.portfolio, ValuedPortfolio):
        side = _instruments(request, request.portfolio, shape.rounding)
    else:
        side = _groups(request, request.portfolio)
    request = replace(request, no_effect=(*request.no_effect, *side.no_effect))
    is_told_by_currency = (
        CURRENCY in request.names
        and request.currency_mode is CurrencyMode.BOTH
        and not side.is_in_one_currency
        and request.method.linking is not Linking.GEOMETRIC
    )
    result = attribution(
        side.portfolio,
        request.benchmark,
        side.keys,
        request.names,
        side.windows,
        request.method,
        is_local=request.currency_mode is CurrencyMode.LOCAL_ONLY,
        with_currencies=is_told_by_currency,
        fail_fast=request.fail_fast,
    )
    first = min(period.slice.first for period in result.periods)
    worst = max((period.residual for period in result.periods), key=abs)
    windows = side.windows
    start, end = min(window.start for window in windows), max(window.end for window in windows)
    return Result(
        figures={"results_by_period": {p.slice.window.label: shape.period(p) for p in result.periods}},
        meta=shared_meta(request, [window.label for window in windows], start, end),
        diagnostics={
            **shared_diagnostics(
                request,
                result.dates[first],
                [*side.notes, *result.notes, *_geometric_note(request)],
                [*side.notices, *result.notices],
                result.n_idle_days,
                result.n_reset_days,
            ),
            **side.policy,
        },
        workings=lambda: _workings(request, side.keys, result),
        audit={
            "counts": {
                "portfolio_rows": side.n_rows,
                "benchmark_rows": len(request.benchmark.date),
                "segments": result.n_segments,
                "periods": len(result.periods),
            },
            "sum_of_parts_vs_total_bp": shape.rounding.basis_points(-worst),
        },
    )


def _groups(request: AttributionRequest, groups: Observations) -> _Side:
    """Return the portfolio as the sum of groups."""
    is_local = request.currency_mode is CurrencyMode.LOCAL_ONLY
    keys = sorted({*groups.keys, *request.benchmark.keys})
    return _Side(
        portfolio=of_groups(groups, keys, is_local=is_local),
        keys=keys,
        windows=resolve_windows(request.analyses, request.anchor, groups.dates[0]),
        n_rows=len(groups.date),
        notes=_unit_note(groups, request.benchmark),
    )


def _unit_note(*sides: Observations) -> list[str]:
    """Return the note of returns that look as if they were in percent."""
    n_large = sum(int(np.count_nonzero(np.abs(side.returns) > 1.0)) for side in sides)
    if not n_large:
        return []
    n_all = sum(len(side.returns) for side in sides)
    return [f"Returns beyond 100 % in {n_large} of {n_all} observations; returns are fractions, 0.01 is 1 %."]


def _instruments(request: AttributionRequest, sent: ValuedPortfolio, rounding: Rounding) -> _Side:
    """Return the portfolio as the sum of instruments."""
    policy = request.policy or DataPolicy()
    applied = apply_policy(sent.values, policy, request.portfolio_id, sent.instruments)
    values, instruments = applied.values, applied.holdings or sent.instruments
    currencies, notices = holding_currencies(request)
    own = _keys_of(request, instruments, currencies)
    converting = with_still_days(currencies, applied)
    keys = sorted({*own, *request.benchmark.keys})
    position = {key: i for i, key in enumerate(keys)}
    segment = np.array([position[key] for key in own], dtype=np.int64)
    windows = resolve_windows(request.analyses, request.anchor, values.perf_date[0])
    is_requested = rows_of([slice_of(values.perf_date, window) for window in windows], len(values))
    portfolio = of_instruments(
        values, instruments, segment, len(keys), sent.basis, converting, is_requested, fail_fast=request.fail_fast
    )
    days = portfolio.days
    return _Side(
        portfolio=portfolio,
        keys=keys,
        windows=windows,
        n_rows=len(values),
        is_in_one_currency=currencies is None,
        notes=[
            *order_note(values.is_reordered or instruments.is_reordered),
            *applied.notes,
            *one_currency_note(request, currencies, instruments),
            *_unit_note(request.benchmark),
        ],
        notices=[*notices, *([] if days is None else value_notices(values, days, is_requested))],
        # By currency, rates are told of even where nothing is converted by them.
        no_effect=[] if CURRENCY in request.names else idle_currencies(currencies, instruments),
        policy=policy_effect(
            applied, policy.outliers, _tested(sent.basis, applied, instruments, is_requested), rounding
        ),
    )


def _keys_of(request: AttributionRequest, instruments: Holdings, currencies: HoldingCurrencies | None) -> list[Key]:
    """Return the segment of each instrument; what lacks a label is unclassified, or in the portfolio's currency."""
    known = set().union(*instruments.labels) | {INSTRUMENT} | ({CURRENCY} if currencies else set())
    unknown = [(i, name) for i, name in enumerate(request.names) if name not in known]
    if unknown:
        raise UnknownHierarchyKeyError(
            "A level of group_by is a label that no instrument has.",
            faults=[
                Fault(
                    ("group_by", i), f"no instrument has the label {name!r}; known are {', '.join(sorted(known)[:20])}"
                )
                for i, name in unknown
            ],
        )
    absent = dict.fromkeys(request.names, UNCLASSIFIED)
    if currencies:
        absent[CURRENCY] = currencies.report_ccy
    return [
        tuple(identity if name == INSTRUMENT else labels.get(name, absent[name]) for name in request.names)
        for identity, labels in zip(instruments.ids, instruments.labels, strict=True)
    ]


def _tested(basis: Basis, applied: AppliedPolicy, instruments: Holdings, is_requested: BoolArray) -> Iterator[Tested]:
    """Yield the portfolio and each instrument with the days on which an outlier is told."""
    values = applied.values
    yield Tested(values.perf_date, day_returns(values, basis).returns, is_requested & ~applied.is_ignored)
    stacked = instruments.values
    returns = day_returns(stacked, basis, begins=instruments.first[:-1]).returns
    day = np.minimum(values.perf_date.searchsorted(stacked.perf_date), len(values) - 1)
    is_told = is_requested[day] & ~applied.is_ignored_holding
    yield from tested_holdings(instruments, returns, is_told)


def _workings(request: AttributionRequest, keys: Sequence[Key], result: Attribution) -> dict[str, bytes]:
    """Return daily returns, both sides bucket by bucket, the effects of each bucket with their factors, by currency."""
    panels, effects, files = [], [], {}
    for number, period in enumerate(result.periods, start=1):
        label, working = period.slice.window.label, period.working
        panels.append(_panel(label, request.names, keys, working))
        effects += [
            _effects_of(label, request.names, groups, working, each)
            for each, (groups, _) in zip(working.effects, _levels_of(result, working), strict=True)
        ]
        if period.currencies is not None:
            files[f"{file_name(label, number)}_currency_attribution_effects.csv"] = csv_of(
                _by_currency(period.currencies)
            )
    daily: dict[str, Any] = {
        "date": result.dates,
        "portfolio_return": result.daily,
        "benchmark_return": result.bmk_daily,
        "periods": _labels_of_days(result),
    }
    return {
        "daily_returns.csv": csv_of(daily),
        "aligned_panel.csv": csv_of(_joined(panels)),
        "single_period_effects.csv": csv_of(_joined(effects)),
        **files,
    }


def _levels_of(result: Attribution, working: Working) -> Sequence[tuple[Sequence[Key], Any]]:
    """Return the groups to which effects belong: those of each level top-down, else the segments."""
    return result.groups if len(working.effects) > 1 else result.groups[-1:]


def _labels_of_days(result: Attribution) -> list[str]:
    labels: list[list[str]] = [[] for _ in result.dates]
    for period in result.periods:
        for day in range(period.slice.first, period.slice.stop):
            labels[day].append(period.slice.window.label)
    return [";".join(each) for each in labels]


def _panel(label: str, names: Sequence[str], keys: Sequence[Key], working: Working) -> dict[str, list[Any]]:
    sides = working.sides
    return {
        "period": [label] * len(sides.time),
        "bucket": date_texts(working.starts[sides.time]),
        **_key_columns(names, [keys[i] for i in sides.segment.tolist()]),
        "portfolio_weight": sides.weight.tolist(),
        "benchmark_weight": sides.bmk_weight.tolist(),
        "portfolio_return": sides.returns.tolist(),
        "benchmark_return": sides.bmk_returns.tolist(),
        "gain_without_capital": sides.alone.tolist(),
    }


def _effects_of(
    label: str, names: Sequence[str], groups: Sequence[Key], working: Working, effects: Effects
) -> dict[str, list[Any]]:
    """Return the effects of one level, below them the leverage of each bucket where there is any."""
    allocation, selection = working.factors
    levered = np.flatnonzero(effects.leverage)
    none = [0.0] * len(levered)
    time = np.concatenate((effects.time, levered))
    found = [groups[i] for i in effects.group.tolist()]
    return {
        "period": [label] * len(time),
        "bucket": date_texts(working.starts[time]),
        **_key_columns(names, [*found, *[(LEVERAGE,)] * len(levered)]),
        "allocation": [*effects.allocation.tolist(), *effects.leverage[levered].tolist()],
        "selection": [*effects.selection.tolist(), *none],
        "interaction": [*effects.interaction.tolist(), *none],
        "allocation_factor": allocation[time].tolist(),
        "selection_factor": selection[time].tolist(),
    }


def _key_columns(names: Sequence[str], keys: Sequence[Key]) -> dict[str, list[Any]]:
    """Return a column for each label; groups of upper levels lack those below."""
    return {
        f"key {name}": [key[depth] if depth < len(key) else None for key in keys] for depth, name in enumerate(names)
    }


def _by_currency(parts: CurrencyAttribution) -> dict[str, Any]:
    return {
        "currency": parts.names,
        "portfolio_weight": parts.weight,
        "benchmark_weight": parts.bmk_weight,
        "local_allocation": parts.local_allocation,
        "local_selection": parts.local_selection,
        "currency_allocation": parts.currency_allocation,
        "currency_selection": parts.currency_selection,
    }


def _joined(tables: Sequence[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    return {name: [cell for table in tables for cell in table[name]] for name in tables[0]}


def _geometric_note(request: AttributionRequest) -> list[str]:
    is_asked = CURRENCY in request.names and request.currency_mode is CurrencyMode.BOTH
    if request.method.linking is not Linking.GEOMETRIC or not is_asked:
        return []
    return ["Effects by currency are arithmetic; under geometric linking they are not told."]


class _Shape:
    """Turns figures of the engine into members of the wire."""

    def __init__(self, request: AttributionRequest) -> None:
        self.request = request
        self.rounding = Rounding(request.rounding_precision)
        self.is_geometric = request.method.linking is Linking.GEOMETRIC

    def period(self, period: PeriodAttribution) -> dict[str, Any]:
        """Return one entry of `results_by_period`."""
        percent = self.rounding.one_percent
        shaped: dict[str, Any] = {
            "levels": [self._level(level) for level in period.levels],
            "reconciliation": {
                "total_active_return": percent(period.active_return),
                "sum_of_effects": percent(period.sum_of_effects),
                "residual": percent(period.residual),
            },
        }
        if period.currencies is not None:
            shaped |= self._currencies(period, period.currencies)
        if period.comparison is not None:
            by_linking = period.comparison
            shaped["linking_comparison"] = {each.value: self._totals(totals) for each, totals in by_linking.items()}
            shaped["linking_spread"] = self._spread(list(period.comparison.values()))
        return shaped

    def _level(self, level: LevelEffects) -> dict[str, Any]:
        percent = self.rounding.percent
        columns: dict[str, Any] = {
            "key": [dict(zip(level.names, key, strict=True)) for key in level.keys],
            "allocation": percent(level.allocation),
            "selection": percent(level.selection),
            "interaction": percent(level.interaction),
        }
        if not self.is_geometric:
            columns["total_effect"] = percent(level.allocation + level.selection + level.interaction)
        parent = None if level.parent is None else dict(zip(level.names, level.parent, strict=False))
        return without_missing(
            {
                "dimension": PATH.join(level.names),
                "parent_key": parent,
                "groups": figures_of(columns),
                "totals": self._totals(level.totals),
            }
        )

    def _totals(self, totals: EffectTotals) -> dict[str, float]:
        percent = self.rounding.one_percent
        return {
            "allocation": percent(totals.allocation),
            "selection": percent(totals.selection),
            "interaction": percent(totals.interaction),
            "total_effect": percent(totals.total),
        }

    def _spread(self, totals: Sequence[EffectTotals]) -> dict[str, float]:
        columns = {
            "allocation": [each.allocation for each in totals],
            "selection": [each.selection for each in totals],
            "interaction": [each.interaction for each in totals],
            "total_effect": [each.total for each in totals],
        }
        return {name: self.rounding.one_percent(max(column) - min(column)) for name, column in columns.items()}

    def _currencies(self, period: PeriodAttribution, parts: CurrencyAttribution) -> dict[str, Any]:
        percent = self.rounding.percent
        effects = {
            "local_allocation": parts.local_allocation,
            "local_selection": parts.local_selection,
            "currency_allocation": parts.currency_allocation,
            "currency_selection": parts.currency_selection,
            "total_effect": parts.total,
        }
        rows = figures_of(
            {
                "currency": parts.names,
                "weight_portfolio_avg": percent(parts.weight),
                "weight_benchmark_avg": percent(parts.bmk_weight),
                "effects": figures_of({name: percent(column) for name, column in effects.items()}),
            }
        )
        totals = {name: self.rounding.one_percent(float(column.sum())) for name, column in effects.items()}
        residual = period.active_return - float(parts.total.sum())
        return {
            "currency_attribution": rows,
            "currency_attribution_totals": {
                "effects": totals,
                "reconciliation_residual_bp": self.rounding.basis_points(residual),
            },
        }
