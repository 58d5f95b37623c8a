"""What the command line takes: commands, options, help. Imports nothing that takes time."""

import argparse
import textwrap
from dataclasses import dataclass
from typing import Any

from lotus_performance import __version__

MOST_DAYS = 36_525
"""A hundred years."""

TEXT_WIDTH = 100

STATUSES = """\
exit status:
  0  answered, done, or nothing found to differ
  1  valid, yet no answer: no figure exists, a calculation failed, or a check found a difference
  2  refused: options, settings or input; standard error names every fault and its place
  130 and 141  ended by Ctrl-C, or because nobody reads the output any more
"""


@dataclass(frozen=True)
class Member:
    """An option that sets a member of the request, given by its path; a dot leads into an object."""

    flag: str
    path: str
    metavar: str
    help: str
    kind: str = "text"

    @property
    def name(self) -> str:
        """Name of the option among those that were parsed."""
        return self.flag.removeprefix("--").replace("-", "_")


_PORTFOLIO_ID = Member("--portfolio-id", "portfolio_id", "ID", "identity of the portfolio (the name of FILE)")
_WINDOW = (
    Member("--report-start", "report_start_date", "DATE", "first day (that of the first row)"),
    Member("--report-end", "report_end_date", "DATE", "last day of every period (that of the last row)"),
)

MEMBERS: dict[str, tuple[Member, ...]] = {
    "twr": (
        _PORTFOLIO_ID,
        Member("--basis", "metric_basis", "BASIS", "NET takes fees off, GROSS does not (NET)"),
        Member("--inception", "performance_start_date", "DATE", "no row before it counts (that of the first row)"),
        Member("--report-end", "report_end_date", "DATE", "last day of every period (that of the last row)"),
        Member("--annualize", "annualization.basis", "BASIS", "rates per year, too: BUS/252, ACT/365 or ACT/ACT"),
    ),
    "mwr": (
        _PORTFOLIO_ID,
        Member("--begin-mv", "begin_mv", "AMOUNT", "opening value; 0 where a flow is the first money", "number"),
        Member("--end-mv", "end_mv", "AMOUNT", "closing value", "number"),
        Member("--as-of", "as_of", "DATE", "day of the closing value"),
        Member("--start", "periods.explicit.start", "DATE", "day of the opening value (that of the first flow)"),
        Member("--method", "mwr_method", "METHOD", "XIRR, MODIFIED_DIETZ or DIETZ (XIRR)"),
    ),
    "contribution": (
        _PORTFOLIO_ID,
        Member("--basis", "portfolio_data.metric_basis", "BASIS", "NET takes fees off, GROSS does not (NET)"),
        *_WINDOW,
        Member("--hierarchy", "hierarchy", "NAMES", "labels to group by, from the top, as a,b,position_id", "names"),
        Member("--weighting", "weighting_scheme", "SCHEME", "BOD, AVG_CAPITAL or TWR_DENOM (BOD)"),
        Member("--smoothing", "smoothing.method", "METHOD", "CARINO, NONE, MENCHERO, TO_DATE or SYMMETRIC (CARINO)"),
    ),
    "attribution": (
        _PORTFOLIO_ID,
        *_WINDOW,
        Member("--group-by", "group_by", "NAMES", "columns that make groups, from the top, as a,b", "names"),
        Member("--frequency", "frequency", "FREQUENCY", "length of the periods that are linked (monthly)"),
        Member("--model", "model", "MODEL", "BF or BHB (BF)"),
        Member("--linking", "linking", "METHOD", "carino, log, menchero, grap, frongello, symmetric, geometric, none"),
        Member("--interaction", "interaction", "WHERE", "separate, selection or allocation (separate)"),
    ),
}
"""Options that set members, by calculation; what they are where they are not given stands in brackets."""

WITH_PERIODS = ("twr", "contribution", "attribution")

CALCULATIONS = {
    "twr": (
        "the time-weighted return",
        "Columns of a CSV: perf_date,begin_mv,end_mv and, where there are any, bod_cf,eod_cf,mgmt_fees.",
        "lotus-performance twr prices.csv --period YTD --period ITD --frequency yearly --annualize ACT/365",
    ),
    "mwr": (
        "the money-weighted return: XIRR, Modified Dietz, Dietz",
        "Columns of a CSV: date,amount; an amount is positive where it goes into the portfolio.",
        "lotus-performance mwr flows.csv --begin-mv 0 --end-mv 1150 --as-of 2025-12-31",
    ),
    "contribution": (
        "what each position contributed to the return",
        "Columns of a CSV, a row a position and day: position_id,perf_date,begin_mv,end_mv, where there are any "
        "bod_cf,eod_cf,mgmt_fees, `currency`, and the labels that --hierarchy and --label name.",
        "lotus-performance contribution positions.csv --hierarchy sector,position_id",
    ),
    "attribution": (
        "why the return differs from that of a benchmark",
        "Columns of a CSV, a row a group and day: side (portfolio or benchmark), the labels that --group-by names, "
        "date,weight_bop,return_base and, where there are any, return_local,return_fx. Weights and returns are "
        "fractions: 0.25 is 25 %. A portfolio by instrument is a JSON request.",
        "lotus-performance attribution sectors.csv --group-by sector --linking menchero",
    ),
}
"""Of each calculation: what it is, the columns of its CSV, an example."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; of each it sets the module and the function that run it."""
    parser = _Parser(
        prog="lotus-performance",
        description="Portfolio performance analytics. Calculate from files, or run the service that does.",
        epilog=f"{STATUSES}\nHelp on a command, with an example: lotus-performance COMMAND --help",
    )
    parser.add_argument("--version", action="version", version=f"lotus-performance {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, columns, example) in CALCULATIONS.items():
        _add_calculation(commands, name, summary, columns, example)
    _add_service(commands)
    _add_lineage(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser whose epilog keeps its lines, and which takes no shortened options."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)


def _add(commands: Any, name: str, summary: str, description: str, example: str, run: str) -> argparse.ArgumentParser:
    """Add a command; `run` names the module and the function that run it."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(description, TEXT_WIDTH),
        epilog=f"example:\n  {example}\n\n{STATUSES}",
    )
    module, _, function = run.partition(".")
    parser.set_defaults(module=module, function=function)
    return parser


def _add_calculation(commands: Any, name: str, summary: str, columns: str, example: str) -> None:
    description = (
        f"Calculate {summary}. Needs no server, and stores nothing. Limits are those of the service, by its settings."
    )
    parser = _add(commands, name, summary, description, example, "analytics.run")
    parser.add_argument(
        "file", metavar="FILE", help="JSON request as the service takes it, or CSV; - for standard input"
    )
    parser.add_argument(
        "--format", choices=("json", "csv"), help="of FILE (csv where its name ends in .csv, else json)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the service's answer (where no terminal reads it)")
    form.add_argument("--table", action="store_true", help="print tables: percent as answered, money to cents (else)")
    note = f"{columns} Brackets hold what a CSV has without the option. Options win over members of a JSON request."
    members = parser.add_argument_group("members of the request", textwrap.fill(note, TEXT_WIDTH))
    for member in MEMBERS[name]:
        members.add_argument(member.flag, metavar=member.metavar, help=member.help)
    if name in WITH_PERIODS:
        members.add_argument(
            "--period",
            action="append",
            metavar="PERIOD",
            help="MTD QTD YTD WTD ITD 1Y 3Y 5Y or FIRST_DATE..LAST_DATE; may be repeated (ITD)",
        )
    if name == "twr":
        members.add_argument(
            "--frequency",
            action="append",
            metavar="FREQUENCY",
            help="daily, weekly, monthly, quarterly, yearly; may be repeated (monthly)",
        )
    if name == "contribution":
        members.add_argument("--label", action="append", metavar="NAME", help="a further column of labels")
        members.add_argument("--portfolio", metavar="CSV", help="rows of the portfolio (the sum of its positions)")
    members.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="MEMBER=VALUE",
        help="any other member, such as rounding_precision=2 or output.include_cumulative=true",
    )


def _add_service(commands: Any) -> None:
    serve = _add(
        commands,
        "serve",
        "run the service",
        "Run the service until SIGTERM, and a worker beside it.",
        "lotus-performance serve --port 8080",
        "operations.serve",
    )
    serve.add_argument("--host", help="address to listen on (setting HOST, default 127.0.0.1)")
    serve.add_argument("--port", help="port to listen on (setting PORT, default 8000)")
    serve.add_argument("--workers", help="processes (setting WEB_CONCURRENCY, default one a core)")
    worker = _add(
        commands,
        "worker",
        "write lineage and answer what nobody waits for",
        "Write lineage and answer what was left to a worker, until SIGTERM. `serve` has one; more may run anywhere on "
        "the same storage.",
        "lotus-performance worker",
        "operations.work",
    )
    worker.add_argument("--parent", type=int, metavar="PID", help="end when this process is no longer the parent")
    _add(
        commands,
        "migrate",
        "bring the database to this version",
        "Make the database and folders, or bring them to this version, and end. `serve` does it by itself.",
        "lotus-performance migrate",
        "operations.migrate",
    )
    _add(
        commands,
        "openapi",
        "print the OpenAPI document",
        "Print what GET /openapi.json answers.",
        "lotus-performance openapi",
        "openapi.run",
    )


def _add_lineage(commands: Any) -> None:
    lineage = commands.add_parser(
        "lineage",
        help="check, repeat or remove what is kept",
        description="Check, repeat or remove calculations that are kept.",
        epilog=f"example:\n  lotus-performance lineage verify\n\n{STATUSES}",
    )
    actions = lineage.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add(
        actions,
        "verify",
        "hash all that is kept anew; exit status 1 when something is not as it was written",
        "Hash every request, answer and artifact anew, and compare them with one another and with their row.",
        "lotus-performance lineage verify",
        "operations.verify",
    )
    replay = _add(
        actions,
        "replay",
        "calculate anew and compare; exit status 1 when a figure differs",
        "Calculate anew and compare.",
        "lotus-performance lineage replay",
        "operations.replay",
    )
    replay.add_argument("id", nargs="*", metavar="ID", help="calculations; all when none is named")
    rebuild = _add(
        actions,
        "rebuild",
        "write artifacts that were set aside, or those of the calculations named",
        "Write artifacts that were set aside as failed, or those of the calculations named where they are not whole.",
        "lotus-performance lineage rebuild",
        "operations.rebuild",
    )
    rebuild.add_argument("id", nargs="*", metavar="ID", help="calculations; all that failed when none is named")
    prune = _add(
        actions,
        "prune",
        "remove calculations older than some days, artifacts and all",
        "Remove calculations older than some days, artifacts and all.",
        "lotus-performance lineage prune --older-than 3650",
        "operations.prune",
    )
    prune.add_argument("--older-than", type=_days, required=True, metavar="DAYS", help=f"0 to {MOST_DAYS}")


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:9]) > MOST_DAYS:
        raise argparse.ArgumentTypeError(f"must be a number of days from 0 to {MOST_DAYS}")
    return int(text)
