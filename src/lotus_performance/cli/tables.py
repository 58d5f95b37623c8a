"""Answers as tables that read well in a terminal. Every figure is one of the answer's; nothing is calculated here."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

WIDTH = 100
GAP = "  "
MONEY_DECIMALS = 2
MOST_DATES = 5
EFFECTS = {"allocation": "allocation", "selection": "selection", "interaction": "interaction", "total_effect": "total"}


def tables_of(command: str, answer: Mapping[str, Any], decimals: int) -> str:
    """Return an answer as text; percent have `decimals`, those of the answer, and money at most two."""
    shape = {"twr": _twr, "mwr": _mwr, "contribution": _contribution, "attribution": _attribution}[command]
    blocks = [block for block in shape(answer, _Grid(decimals)) if block]
    return "\n\n".join([*blocks, *_remarks(answer["diagnostics"])]) + "\n"


class _Grid:
    """Rows under a header, columns aligned; the title of a column says its unit."""

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals

    def table(self, heading: str, rows: Sequence[Row], totals: Sequence[Row] = ()) -> str:
        """Return rows, and totals below a line, under a heading; nothing where there are no rows."""
        if not rows:
            return ""
        everything = [*rows, *totals]
        titles = list(dict.fromkeys(title for row in everything for title in row))
        texts = [[self._text(title, row.get(title)) for title in titles] for row in everything]
        widths = [max(map(len, column)) for column in zip(titles, *texts, strict=True)]
        is_left = [all(isinstance(row.get(title, ""), str) for row in everything) for title in titles]
        rule = GAP.join("-" * width for width in widths)
        lines = [_line(cells, widths, is_left) for cells in (titles, *texts)]
        n_above = 1 + len(rows)
        below = [rule, *lines[n_above:]] if totals else []
        return "\n".join([*([heading] if heading else []), lines[0], rule, *lines[1:n_above], *below])

    def _text(self, title: str, value: Any) -> str:
        if not isinstance(value, float):
            return "" if value is None else str(value)
        n = self.decimals if title.endswith(("%", "bp")) else min(self.decimals, MONEY_DECIMALS)
        return f"{round(value, n) + 0.0:,.{n}f}"  # + 0.0: no -0


def _line(cells: Sequence[str], widths: Sequence[int], is_left: Sequence[bool]) -> str:
    aligned = zip(cells, widths, is_left, strict=True)
    return GAP.join(cell.ljust(width) if left else cell.rjust(width) for cell, width, left in aligned).rstrip()


def _renamed(source: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """Return the members that are there, under their titles."""
    return {title: source[name] for name, title in titles.items() if name in source}


def _title(answer: Mapping[str, Any], what: str) -> str:
    periods = answer["meta"]["periods"]
    return f"{answer['portfolio_id']}: {what}, {periods['master_start']} to {periods['master_end']}"


# ---------------------------------------------------------------------- one function a calculation

OF_PERIOD = {
    "annualized_return_pct": "per year %",
    "gross_return_pct": "gross %",
    "net_return_pct": "net %",
    "fee_effect_pct": "fee effect %",
}
OF_BUCKET = {
    "begin_mv": "begin_mv",
    "end_mv": "end_mv",
    "net_cash_flow": "net_cash_flow",
    "period_return_pct": "return %",
    "cumulative_return_pct_to_date": "to date %",
    "annualized_return_pct": "per year %",
}
OF_RETURN = {"local": "local %", "fx": "fx %", "base": "return %"}


def _twr(answer: Mapping[str, Any], grid: _Grid) -> Iterator[str]:
    results = answer["results_by_period"]
    yield _title(answer, "time-weighted return")
    is_converted = any(result["portfolio_return"].get("fx") for result in results.values())
    shown = OF_RETURN if is_converted else {"base": "return %"}
    yield grid.table(
        "",
        [
            {"period": label, **_renamed(result["portfolio_return"], shown), **_renamed(result, OF_PERIOD)}
            for label, result in results.items()
        ],
    )
    for label, result in results.items():
        for frequency, buckets in result["breakdowns"].items():
            rows = [{"period": bucket["period"], **_renamed(bucket["summary"], OF_BUCKET)} for bucket in buckets]
            yield grid.table(f"{label}, {frequency}", rows)
        yield grid.table(f"{label}, cuts of the chain", result.get("reset_events", []))


def _mwr(answer: Mapping[str, Any], grid: _Grid) -> Iterator[str]:
    yield f"{answer['portfolio_id']}: money-weighted return, {answer['start_date']} to {answer['end_date']}"
    titles = {"method": "method", "money_weighted_return": "return %", "mwr_annualized": "per year %"}
    yield grid.table("", [_renamed(answer, titles)])
    roots = answer["convergence"].get("roots", [])
    if len(roots) > 1:
        yield grid.table("rates per year that solve the equation", [{"rate %": root} for root in roots])
    yield grid.table("cash flows, positive into the portfolio", answer.get("cashflows_used", []))


OF_POSITION = {
    "position_id": "position_id",
    "total_contribution": "contribution %",
    "local_contribution": "local %",
    "fx_contribution": "fx %",
    "average_weight": "weight %",
    "total_return": "return %",
}
OF_LEVEL = {
    "contribution": "contribution %",
    "local_contribution": "local %",
    "fx_contribution": "fx %",
    "weight_avg": "weight %",
}
OF_SUMMARY = {
    "portfolio_contribution": "contribution %",
    "local_contribution": "local %",
    "fx_contribution": "fx %",
    "coverage_mv_pct": "weight %",
}


def _contribution(answer: Mapping[str, Any], grid: _Grid) -> Iterator[str]:
    yield _title(answer, "contribution to the return")
    for label, result in answer["results_by_period"].items():
        if "summary" in result:
            summary = _renamed(result["summary"], OF_SUMMARY)
            for level in result.get("levels", []):
                rows = [{**row["key"], **_renamed(row, OF_LEVEL)} for row in level["rows"]]
                yield grid.table(f"{label}, by {level['name']}", rows, [_total(rows, summary)])
            residual = result["summary"]["residual_bp"]
            yield grid.table(f"{label}, in total", [{**summary, "residual bp": residual}])
        else:
            positions = result["position_contributions"]
            is_converted = any(position.get("fx_contribution") for position in positions)
            titles = {n: t for n, t in OF_POSITION.items() if is_converted or n.partition("_")[0] not in OF_RETURN}
            rows = [_renamed(position, titles) for position in positions]
            sums = {"contribution %": result["total_contribution"], "return %": result["total_portfolio_return"]}
            yield grid.table(f"{label}, by position_id", rows, [_total(rows, sums)])
            yield grid.table(f"{label}, in total", [{**sums, "residual bp": result["residual_bp"]}])


def _attribution(answer: Mapping[str, Any], grid: _Grid) -> Iterator[str]:
    yield _title(answer, "attribution against the benchmark")
    titles = {name: f"{title} %" for name, title in EFFECTS.items()}
    for label, result in answer["results_by_period"].items():
        for level in result["levels"]:
            rows = [{**group["key"], **_renamed(group, titles)} for group in level["groups"]]
            below = f", of {' / '.join(level['parent_key'].values())}" if "parent_key" in level else ""
            totals = [_total(rows, _renamed(level["totals"], titles))]
            yield grid.table(f"{label}, by {level['dimension']}{below}", rows, totals)
        yield from _currencies(label, result, grid)
        reconciled = {"total_active_return": "active return %", "sum_of_effects": "effects %", "residual": "residual %"}
        yield grid.table(f"{label}, in total", [_renamed(result["reconciliation"], reconciled)])
        compared = result.get("linking_comparison", {}).items()
        rows = [{"linking": linking, **_renamed(totals, titles)} for linking, totals in compared]
        spread = {"linking": "spread", **_renamed(result.get("linking_spread", {}), titles)}
        yield grid.table(f"{label}, linkings side by side", rows, [spread])


def _currencies(label: str, result: Mapping[str, Any], grid: _Grid) -> Iterator[str]:
    rows = [
        {
            "currency": each["currency"],
            "portfolio %": each["weight_portfolio_avg"],
            "benchmark %": each["weight_benchmark_avg"],
            **_named_effects(each["effects"]),
        }
        for each in result.get("currency_attribution", [])
    ]
    if rows:
        totals = _named_effects(result["currency_attribution_totals"]["effects"])
        yield grid.table(f"{label}, effects of currencies (weights are averages)", rows, [_total(rows, totals)])


def _named_effects(effects: Mapping[str, float]) -> dict[str, float]:
    return {f"{name.replace('_', ' ').replace('total effect', 'total')} %": value for name, value in effects.items()}


def _total(rows: Sequence[Row], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of totals, named in the first column."""
    return {**({next(iter(rows[0])): "total"} if rows else {}), **figures}


def _remarks(diagnostics: Mapping[str, Any]) -> Iterator[str]:
    for warning in diagnostics["warnings"]:
        dates = warning.get("dates", [])
        more = ", ..." if len(dates) > MOST_DATES else ""
        on = f" ({', '.join(dates[:MOST_DATES])}{more})" if dates else ""
        yield _wrapped(f"warning {warning['code']}: {warning['detail']}{on}")
    for note in diagnostics["notes"]:
        yield _wrapped(f"note: {note}")


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=GAP, break_long_words=False, break_on_hyphens=False)
