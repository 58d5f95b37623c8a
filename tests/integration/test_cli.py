"""The command line: the service's answers without a server, tables, and every fault with its place."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient

from lotus_performance import __version__
from lotus_performance.cli import main
from lotus_performance.cli.parser import CALCULATIONS
from lotus_performance.services import twr as twr_service

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
COMMANDS = [*CALCULATIONS, "serve", "worker", "migrate", "openapi", "lineage"]
ID = "3f6c2f0e-8f6a-4d0e-9d57-6a3f6a1b2c3d"

TWR = ["--portfolio-id", "TWENTY-STOCKS", "--frequency", "daily"]
MWR = ["--begin-mv", "1000000", "--end-mv", "1150000", "--as-of", "2025-12-31"]
CSV_OPTIONS = {
    "twr_five_days": TWR,
    "mwr_one_year": [
        *MWR,
        *("--start", "2024-12-31", "--method", "XIRR", "--portfolio-id", "ROUND-NUMBERS"),
    ],
    "contribution_three_days": ["--portfolio-id", "THREE-POSITIONS", "--hierarchy", "sector,position_id"],
    "attribution_four_quarters": [
        *("--portfolio-id", "THREE-MARKETS", "--group-by", "region", "--frequency", "quarterly"),
        *("--interaction", "selection", "--set", "compare_linking=true"),
    ],
}


class Outcome(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)

    @property
    def faults(self) -> list[str]:
        return self.err.splitlines()[1:]


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command, with a text or bytes as its standard input."""

    def run(*arguments: str | Path, stdin: str | bytes = b"") -> Outcome:
        content = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = int(end.code or 0)
        return Outcome(status, *capsys.readouterr())

    return run


def from_csv(run: Run, command: str, text: str | bytes, *options: str) -> Outcome:
    return run(command, "-", "--format", "csv", *options, stdin=text)


def command_of(name: str) -> str:
    return name.partition("_")[0]


# ---------------------------------------------------------------- the service's answers


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_a_json_request_gives_the_bytes_of_the_service(run: Run, client: FlaskClient, path: Path) -> None:
    body = json.dumps(json.loads(path.read_text()) | {"calculation_id": ID})
    command = command_of(path.stem)
    served = client.post(f"/performance/{command}", data=body, content_type="application/json")
    outcome = run(command, "-", stdin=body)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == served.text + "\n"


@pytest.mark.parametrize("name", CSV_OPTIONS)
def test_a_csv_is_the_same_input_as_its_json_request(run: Run, name: str) -> None:
    command = command_of(name)
    of_json = run(command, EXAMPLES / f"{name}.json").answer
    of_csv = run(command, EXAMPLES / f"{name}.csv", *CSV_OPTIONS[name]).answer
    assert of_csv["meta"]["input_fingerprint"] == of_json["meta"]["input_fingerprint"]
    assert of_csv["meta"]["result_hash"] == of_json["meta"]["result_hash"]


@pytest.mark.parametrize("name", ["twr_five_days", "mwr_one_year"])
def test_a_csv_keeps_every_digit_under_decimal_strict(run: Run, name: str, tmp_path: Path) -> None:
    digits = "50000.000000000000000000000000000001"
    command, strict = command_of(name), ["--set", "precision_mode=DECIMAL_STRICT"]
    texts = {}
    for suffix in ("json", "csv"):
        text = (EXAMPLES / f"{name}.{suffix}").read_text()
        texts[suffix] = re.sub(r"\b(50000|1000000\.00)\b(?!.*\1)", digits, text, count=1)
        (tmp_path / f"x.{suffix}").write_text(texts[suffix])
    assert all(digits in text for text in texts.values())
    of_json = run(command, tmp_path / "x.json", *strict).answer["meta"]
    of_csv = run(command, tmp_path / "x.csv", *CSV_OPTIONS[name], *strict).answer["meta"]
    rounded = run(command, EXAMPLES / f"{name}.csv", *CSV_OPTIONS[name], *strict).answer["meta"]
    assert of_csv["input_fingerprint"] == of_json["input_fingerprint"] != rounded["input_fingerprint"]


def test_a_portfolio_of_its_own_takes_the_place_of_the_sum(run: Run, tmp_path: Path) -> None:
    request = json.loads((EXAMPLES / "contribution_three_days.json").read_text())
    rows = request["portfolio_data"]["valuation_points"]
    sheet = tmp_path / "portfolio.csv"
    sheet.write_text("".join(",".join(map(str, row)) + "\n" for row in ([*rows[0]], *(row.values() for row in rows))))
    arguments = ["contribution", EXAMPLES / "contribution_three_days.csv", *CSV_OPTIONS["contribution_three_days"]]
    summed, given = run(*arguments).answer, run(*arguments, "--portfolio", sheet).answer
    assert given["meta"]["input_fingerprint"] == summed["meta"]["input_fingerprint"]


def test_a_label_without_a_use_is_part_of_the_input(run: Run) -> None:
    file = EXAMPLES / "contribution_three_days.csv"
    outcome = run("contribution", file, "--label", "sector", "--weighting", "AVG_CAPITAL", "--smoothing", "NONE")
    positions = outcome.answer["results_by_period"]["ITD"]["position_contributions"]
    assert [position["position_id"] for position in positions] == ["NOVA", "ORION", "PAX"]


def test_options_win_over_the_members_of_a_json_request(run: Run) -> None:
    answer = run(
        *("twr", EXAMPLES / "twr_daily_ten_years.json", "--period", "YTD", "--period", "2020-01-01..2020-12-31"),
        *("--frequency", "yearly", "--basis", "GROSS", "--annualize", "BUS/252", "--set", "rounding_precision=2"),
    ).answer
    assert list(answer["results_by_period"]) == ["YTD", "2020-01-01..2020-12-31"]
    buckets = answer["results_by_period"]["2020-01-01..2020-12-31"]["breakdowns"]["yearly"]
    assert [bucket["period"] for bucket in buckets] == ["2020"]
    assert answer["meta"]["annualization"]["basis"] == "BUS/252"
    figure = buckets[0]["summary"]["period_return_pct"]
    assert figure == round(figure, 2)


def test_defaults_of_a_csv_are_those_of_the_help(run: Run) -> None:
    answer = run("twr", EXAMPLES / "twr_five_days.csv").answer
    assert answer["portfolio_id"] == "twr_five_days"
    assert answer["meta"]["periods"] == {
        "requested": ["ITD"],
        "master_start": "2012-12-26",
        "master_end": "2013-01-02",
    }
    assert list(answer["results_by_period"]["ITD"]["breakdowns"]) == ["monthly"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text, id="byte order mark"),
        pytest.param(lambda text: text.replace(b"\n", b"\r\n"), id="lines of Windows"),
        pytest.param(lambda text: text.replace(b",", b" , "), id="spaces around cells"),
        pytest.param(lambda text: text.replace(b"\n", b"\n,,,,,\n\n"), id="blank lines"),
        pytest.param(lambda text: text.replace(b"996109.09", b'"+996109.090"'), id="quotes, sign, zero"),
    ],
)
def test_forms_of_a_csv_that_mean_the_same(run: Run, change: Callable[[bytes], bytes]) -> None:
    text = (EXAMPLES / "twr_five_days.csv").read_bytes()
    changed = from_csv(run, "twr", change(text), *TWR).answer
    assert changed["meta"]["input_fingerprint"] == from_csv(run, "twr", text, *TWR).answer["meta"]["input_fingerprint"]


def test_nothing_is_stored(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    assert run("mwr", EXAMPLES / "mwr_one_year.json").status == 0
    assert list(tmp_path.iterdir()) == []


def test_openapi_is_the_document_of_the_service(run: Run, client: FlaskClient) -> None:
    assert run("openapi").out == client.get("/openapi.json").text + "\n"


# ---------------------------------------------------------------- tables


def test_table_of_a_time_weighted_return(run: Run) -> None:
    # The last day by hand: (1,028,791.74 - 1,008,526.94) / 1,008,526.94.
    assert (
        run("twr", EXAMPLES / "twr_five_days.csv", *TWR, "--table").out
        == """\
TWENTY-STOCKS: time-weighted return, 2012-12-26 to 2013-01-02

period  return %
------  --------
ITD     1.859081

ITD, daily
period          begin_mv        end_mv  net_cash_flow   return %
----------  ------------  ------------  -------------  ---------
2012-12-26  1,000,000.00    996,109.09           0.00  -0.389091
2012-12-27    996,109.09    994,617.00           0.00  -0.149792
2012-12-28    994,617.00    980,957.97           0.00  -1.373295
2012-12-31    980,957.97    998,526.94        -153.22   1.791001
2013-01-02    998,526.94  1,028,791.74      10,000.00   2.009346
"""
    )


def test_table_of_a_money_weighted_return(run: Run) -> None:
    # 110 after a year for 100 is 10 %; no flow, so no table of flows.
    options = ["--begin-mv", "100", "--end-mv", "110", "--as-of", "2025-12-31", "--start", "2024-12-31"]
    assert (
        from_csv(run, "mwr", "date,amount\n", *options, "--set", "rounding_precision=2", "--table").out
        == """\
standard-input: money-weighted return, 2024-12-31 to 2025-12-31

method  return %  per year %
------  --------  ----------
XIRR       10.00       10.00
"""
    )


def test_table_of_a_contribution(run: Run) -> None:
    # One day: A earns 3 and B loses 1 of 200.
    rows = "position_id,kind,perf_date,begin_mv,end_mv\nA,x,2025-01-06,100,103\nB,y,2025-01-06,100,99\n"
    assert (
        from_csv(run, "contribution", rows, "--hierarchy", "kind", "--table").out
        == """\
standard-input: contribution to the return, 2025-01-06 to 2025-01-06

ITD, by kind
kind   contribution %    weight %
-----  --------------  ----------
x            1.500000   50.000000
y           -0.500000   50.000000
-----  --------------  ----------
total        1.000000  100.000000

ITD, in total
contribution %    weight %  residual bp
--------------  ----------  -----------
      1.000000  100.000000     0.000000
"""
    )
    assert (
        from_csv(run, "contribution", rows, "--label", "kind", "--table").out
        == """\
standard-input: contribution to the return, 2025-01-06 to 2025-01-06

ITD, by position_id
position_id  contribution %   weight %   return %
-----------  --------------  ---------  ---------
A                  1.500000  50.000000   3.000000
B                 -0.500000  50.000000  -1.000000
-----------  --------------  ---------  ---------
total              1.000000              1.000000

ITD, in total
contribution %  return %  residual bp
--------------  --------  -----------
      1.000000  1.000000     0.000000
"""
    )


def test_table_of_an_attribution(run: Run) -> None:
    # Benchmark 0.5 x 2 % + 0.5 x 0 % = 1 %; allocation of x: (0.8 - 0.5) (2 % - 1 %); selection of y: 0.5 x 1 %.
    rows = """\
side,kind,date,weight_bop,return_base
portfolio,x,2025-01-06,0.8,0.02
portfolio,y,2025-01-06,0.2,0.01
benchmark,x,2025-01-06,0.5,0.02
benchmark,y,2025-01-06,0.5,0
"""
    assert (
        from_csv(run, "attribution", rows, "--group-by", "kind", "--set", "rounding_precision=2", "--table").out
        == """\
standard-input: attribution against the benchmark, 2025-01-06 to 2025-01-06

ITD, by kind
kind   allocation %  selection %  interaction %  total %
-----  ------------  -----------  -------------  -------
x              0.30         0.00           0.00     0.30
y              0.30         0.50          -0.30     0.50
-----  ------------  -----------  -------------  -------
total          0.60         0.50          -0.30     0.80

ITD, in total
active return %  effects %  residual %
---------------  ---------  ----------
           0.80       0.80        0.00
"""
    )


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_every_example_has_a_table_whose_lines_are_aligned(run: Run, path: Path) -> None:
    outcome = run(command_of(path.stem), path, "--table")
    assert outcome.status == 0
    for block in outcome.out.split("\n\n"):
        lines = block.splitlines()
        rules = [line for line in lines if re.fullmatch(r"-+(  -+)*", line)]
        assert len(set(rules)) <= 1
        for rule in rules[:1]:
            assert max(map(len, lines[lines.index(rule) :])) == len(rule)


def test_a_table_ends_with_warnings_and_notes(run: Run) -> None:
    rows = "perf_date,begin_mv,end_mv,mgmt_fees\n2025-01-07,101,102,1\n2025-01-06,100,101,\n"
    out = from_csv(run, "twr", rows, "--table", "--period", "ITD", "--set", "reset_policy.emit=true").out
    assert re.search(r"\n\nwarning positive_fee: .* \(2025-01-07\)\n", out, re.DOTALL)
    assert "\n\nnote: " in out


@pytest.mark.parametrize(("option", "is_table"), [((), True), (("--json",), False)], ids=["terminal", "--json"])
def test_a_terminal_gets_a_table_unless_json_is_asked_for(option: Sequence[str], is_table: bool) -> None:
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-m", "lotus_performance.cli", "mwr", str(EXAMPLES / "mwr_one_year.json"), *option]
    with subprocess.Popen(command, stdout=its_end) as process:  # noqa: S603
        os.close(its_end)
        first = os.read(terminal, 1)
        process.terminate()
    os.close(terminal)
    assert (first == b"R") == is_table


# ---------------------------------------------------------------- refusals


def test_every_fault_of_a_csv_is_told_with_its_line_and_column(run: Run) -> None:
    rows = """\
perf_date,begin_mv,end_mv
2025-01-06,"1,000",nan

2025-01-07,,5
2025-02-30,5 USD,6
"""
    outcome = from_csv(run, "twr", rows)
    assert (outcome.status, outcome.out) == (2, "")
    assert (
        outcome.err
        == """\
lotus-performance: 5 members are invalid; nothing was calculated.
standard input, line 2, begin_mv: must be a number such as 1234.56, without thousands separators, and is '1,000'
standard input, line 2, end_mv: must be a finite number
standard input, line 4, begin_mv: is required
standard input, line 5, perf_date: is no day of the calendar
standard input, line 5, begin_mv: must be a number such as 1234.56, without thousands separators, and is '5 USD'
"""
    )


def test_a_fault_of_a_json_request_is_told_with_its_pointer(run: Run, tmp_path: Path) -> None:
    request = json.loads((EXAMPLES / "twr_five_days.json").read_text())
    request["valuation_points"][3]["end_mv"] = "1"
    request["metric_basis"] = "BOTH"
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request))
    assert run("twr", file).faults == [
        f"{file}, /metric_basis: must be one of NET, GROSS",
        f"{file}, /valuation_points/3/end_mv: must be a number, without quotes (perf_date 2012-12-31)",
    ]


def test_a_fault_of_an_option_is_told_with_its_name(run: Run) -> None:
    faults = run(
        *("twr", EXAMPLES / "twr_five_days.csv", "--period", "YEAR", "--frequency", "hourly", "--basis", "net"),
        *("--set", "rounding_precision=99", "--set", "output.cumulative=true"),
    ).faults
    assert [fault.partition(": ")[0] for fault in faults] == [
        "--set rounding_precision",
        "--set output.cumulative",
        "--period",
        "--frequency",
        "--basis",
    ]


def test_what_options_lack_is_told_by_their_names(run: Run) -> None:
    outcome = from_csv(run, "mwr", "date,amount\n2025-03-31,5\n", "--begin-mv", "1'000", "--start", "2024-12-31")
    assert outcome.faults == [
        '--begin-mv: must be a number such as 1234.56, without thousands separators, and is "1\'000"',
        "--end-mv: is required",
        "--as-of: is required",
    ]


def test_two_rows_of_one_date_are_told_by_their_lines_with_the_remedy(run: Run) -> None:
    rows = "perf_date,begin_mv,end_mv\n\n2025-01-06,1,2\n2025-01-07,1,2\n2025-01-06,1,2\n"
    outcome = from_csv(run, "twr", rows)
    assert outcome.status == 2
    first, remedy = outcome.faults
    assert first == "standard input, line 5, perf_date: line 3 has the same date; merge the two or correct one"
    assert (
        remedy
        == "Merge the two rows into one, or correct a date; the list above names each row and the one it repeats."
    )


HEADER = "perf_date,begin_mv,end_mv\n"
POSITIONS = "position_id,kind,perf_date,begin_mv,end_mv\n"
GROUPS = "side,kind,date,weight_bop,return_base\n"
BY_KIND = ("--group-by", "kind")
REFUSED = {
    "semicolons": ("twr", HEADER.replace(",", ";"), (), "line 1: columns are separated by semicolons; use commas"),
    "tabs": ("twr", HEADER.replace(",", "\t"), (), "line 1: columns are separated by tabs"),
    "thousands": (
        "twr",
        HEADER + "2025-01-06,1,000,2\n",
        (),
        "line 2: has 4 cells, and the header 3; write numbers as",
    ),
    "misspelt": (
        "twr",
        "perf_date,begin_mv,endmv\n",
        (),
        "line 1: `endmv` is not a member here; did you mean `end_mv`?",
    ),
    "missing": ("twr", "perf_date,begin_mv\n", (), "line 1: column end_mv is required"),
    "twice": ("twr", HEADER.replace("\n", ",end_mv\n"), (), "line 1: column end_mv is there twice"),
    "no row": ("twr", HEADER, (), "must hold at least one row"),
    "empty": ("twr", "\n", (), "is empty; the first line must name the columns: perf_date"),
    "quotes": ("twr", HEADER + '2025-01-06,"1" 2,3\n', (), "line 2: is not CSV"),
    "latin 1": (
        "twr",
        HEADER.encode() + b"2025-01-06,1,2\xe9\n",
        (),
        "line 2: is not UTF-8; save the file as CSV in UTF-8",
    ),
    "utf-16": ("twr", HEADER.encode("utf-16"), (), "line 1: is not UTF-8"),
    "null": ("twr", HEADER + "\0", (), "is no text"),
    "digits": ("twr", HEADER + f"2025-01-06,{'1' * 401},2\n", (), "line 2, begin_mv: must be a number"),
    "overflow": ("twr", HEADER + "2025-01-06,1e999,2\n", (), "line 2, begin_mv: must be a finite number"),
    "label": ("contribution", POSITIONS, (), "line 1: `kind` is not a member here"),
    "labels": (
        "contribution",
        POSITIONS + "A,x,2025-01-06,1,2\nA,y,2025-01-07,1,2\n",
        ("--hierarchy", "kind"),
        "line 3, kind: is 'y', and 'x' above; a position has one label",
    ),
    "no position": (
        "contribution",
        POSITIONS + ",x,2025-01-06,1,2\n",
        ("--label", "kind"),
        "line 2, position_id: is required",
    ),
    "position row": (
        "contribution",
        POSITIONS + "A,x,2025-01-06,1,2\nB,x,2025-01-06,1,x\n",
        ("--label", "kind"),
        "line 3, end_mv: must be a number",
    ),
    "currencies": (
        "contribution",
        POSITIONS.replace("kind", "currency") + "A,EUR,2025-01-06,1,2\nB,USD,2025-01-06,1,2\n",
        (),
        "positions and portfolio are valued in EUR and USD, so that the portfolio is not their sum; give its rows by",
    ),
    "currency of some": (
        "contribution",
        POSITIONS.replace("kind", "currency") + "A,EUR,2025-01-06,1,2\nB,,2025-01-06,1,2\n",
        (),
        "valued in EUR and USD",
    ),
    "currency of all, converted": (
        "contribution",
        POSITIONS.replace("kind", "currency") + "A,EUR,2025-01-06,1,2\nB,EUR,2025-01-06,1,2\n",
        ("--set", "currency_mode=BOTH", "--set", "report_ccy=CHF"),
        "valued in CHF and EUR",
    ),
    "no day": (
        "contribution",
        POSITIONS + "A,x,6.1.2025,1,2\n",
        ("--label", "kind"),
        "line 2, perf_date: must be a date",
    ),
    "side": (
        "attribution",
        GROUPS + "mine,x,2025-01-06,1,0\n",
        BY_KIND,
        "line 2, side: must be one of portfolio, benchmark",
    ),
    "one side": ("attribution", GROUPS + "portfolio,x,2025-01-06,1,0\n", BY_KIND, "has no row of side benchmark"),
    "no group": ("attribution", GROUPS, (), "--group-by: is required"),
    "weights": (
        "attribution",
        GROUPS + "portfolio,x,2025-01-06,1,0\nbenchmark,x,2025-01-06,0.5,0\n",
        BY_KIND,
        "Send weights as fractions (0.25 is 25 %)",
    ),
    "unset": ("twr", HEADER, ("--set", "currency"), "--set currency: must be of the form MEMBER=VALUE"),
    "no object": (
        "twr",
        HEADER,
        ("--set", "currency=USD", "--set", "currency.x=1"),
        "currency.x: currency is no object here",
    ),
    "no text": ("twr", HEADER, ("--portfolio-id", "\udcff"), "--portfolio-id: is not UTF-8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_csv_that_is_refused_says_where_and_why(run: Run, name: str) -> None:
    command, text, options, expected = REFUSED[name]
    outcome = from_csv(run, command, text, *options)
    assert (outcome.status, outcome.out) == (2, "")
    assert expected in outcome.err


@pytest.mark.parametrize(
    ("stdin", "expected"),
    [
        (b"", "standard input: is empty; it must hold a JSON object"),
        (b"{", "standard input: The body is not valid JSON"),
        (b'{"a": 1, "a": 2}', "standard input: The member `a` is there twice in one object."),
        (b"[]", "standard input: must be an object"),
        (b"\x7fELF\xff\x00", "standard input: The body is not valid JSON"),
        (b'{"\\u001b[2J": 1}', "/\\x1b[2J: `\\x1b[2J` is not a member here"),
    ],
    ids=["empty", "broken", "twice", "list", "binary", "escape"],
)
def test_a_json_that_is_refused_says_why(run: Run, stdin: bytes, expected: str) -> None:
    outcome = run("twr", "-", stdin=stdin)
    assert outcome.status == 2
    assert expected in outcome.err


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("none.json", "No such file"),
        (".", "Is a directory"),
        ("/dev/zero", "holds more than 16777216 bytes"),
        ("a\0", "null"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(run: Run, file: str, expected: str) -> None:
    outcome = run("twr", file)
    assert outcome.status == 2
    assert expected in outcome.err


def test_options_of_a_csv_are_refused_with_a_json_request(run: Run) -> None:
    outcome = run("contribution", EXAMPLES / "contribution_three_days.json", "--label", "sector")
    assert outcome.faults == ["--label: goes with a CSV alone"]


def test_limits_and_number_of_faults_are_those_of_the_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOTUS_MAX_ERRORS", "2")
    outcome = from_csv(run, "twr", HEADER + "x,x,x\n" * 3)
    assert len(outcome.faults) == 3
    assert outcome.faults[-1] == "and 7 more"
    monkeypatch.setenv("LOTUS_MAX_ROWS", "1")
    assert "holds 2 rows; at most 1 are allowed" in from_csv(run, "twr", HEADER + "x,x,x\n" * 2).err
    monkeypatch.setenv("LOTUS_MAX_ROWS", "0")
    outcome = run("mwr", EXAMPLES / "mwr_one_year.json")
    assert outcome.status == 2
    assert "LOTUS_MAX_ROWS" in outcome.err


def test_a_valid_input_without_an_answer_ends_with_status_1(run: Run) -> None:
    # Five come in and five are there, on one day: no time in which they could earn.
    options = ["--begin-mv", "0", "--end-mv", "5", "--as-of", "2025-01-06", "--start", "2025-01-06"]
    outcome = from_csv(run, "mwr", "date,amount\n2025-01-06,5\n", *options)
    assert outcome.status == 1
    assert outcome.faults[-1] == "Ask for a measuring period that starts before `as_of`."


def test_a_calculation_that_breaks_ends_with_status_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twr_service, "shared_meta", lambda *_: 1 / 0)
    outcome = run("twr", EXAMPLES / "twr_five_days.json")
    assert outcome.status == 1
    assert "The calculation failed unexpectedly" in outcome.err


# ---------------------------------------------------------------- the process


@pytest.mark.parametrize("command", [[], *[[name] for name in COMMANDS], ["lineage", "replay"], ["lineage", "prune"]])
def test_help_has_an_example_and_the_exit_statuses(run: Run, command: list[str]) -> None:
    outcome = run(*command, "--help")
    assert outcome.status == 0
    assert "exit status:" in outcome.out
    assert not command or f"lotus-performance {command[0]}" in outcome.out.partition("example:")[2]
    assert not set(command) & set(CALCULATIONS) or "stores nothing" in " ".join(outcome.out.split())


def test_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").out == f"lotus-performance {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["twr"],
        ["twr", "x", "--json", "--table"],
        ["twr", "x", "--freq", "daily"],
        ["lineage", "prune", "--older-than", "1_0"],
    ],
    ids=["nothing", "no file", "both forms", "shortened", "days"],
)
def test_options_that_are_none_end_with_status_2(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("usage: ")


def test_help_loads_nothing_that_calculates() -> None:
    code = "import sys; from lotus_performance.cli import main\ntry: main(['twr', '--help'])\nexcept SystemExit: pass\n"
    heavy = "print(sorted({'numpy', 'sqlalchemy', 'marshmallow', 'flask'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code + heavy], capture_output=True, text=True, check=True)  # noqa: S603
    assert ended.stdout.endswith("\n[]\n")


def started(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "lotus_performance.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # noqa: S603


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_has_enough_ends_it_quietly(unbuffered: str) -> None:
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with started("twr", str(EXAMPLES / "twr_daily_ten_years.json"), env=environment) as process:
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_ctrl_c_ends_it_quietly() -> None:
    def as_in_a_terminal() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # jobs in the background of a shell ignore it

    with started("twr", "-", stdin=subprocess.PIPE, preexec_fn=as_in_a_terminal) as process:
        process.stdin.write(b" " * 1_000_000)  # more than a pipe holds: taken only when it reads
        process.stdin.flush()
        time.sleep(0.5)  # then it waits for more
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr.read() == b""
