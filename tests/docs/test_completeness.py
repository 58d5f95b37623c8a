"""The runbook names every route, member, setting, error code and gate, as the code has them."""

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema, fields

from lotus_performance.api.problems import DOMAIN_PROBLEMS, FAULTS, PROBLEMS
from lotus_performance.app import create_app
from lotus_performance.engine.requests import TRADING_CALENDARS
from lotus_performance.errors import PerformanceError
from lotus_performance.schemas import fields as wire_fields
from lotus_performance.schemas.base import RequestSchema
from lotus_performance.schemas.holdings import StackField
from lotus_performance.settings import VARIABLES, Settings, SettingsError, read_settings

ROOT = Path(__file__).resolve().parents[2]
API, DEPLOY, ERRORS, CONTRIBUTING = (
    (ROOT / "runbook" / f"{name}.md").read_text() for name in ("api", "deploy", "errors", "contributing")
)


def test_every_route_is_in_api_md_and_no_other(app: Flask) -> None:
    documented = re.findall(r"^\| ([A-Z]+) \| `(\S+)` \|", API, re.MULTILINE)
    routes = [
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    ]
    assert sorted(documented) == sorted(routes)


# ---------------------------------------------------------------- members


def members_of(field: Any) -> Iterator[str]:
    """Yield the names of all members below a schema or field."""
    if isinstance(field, Schema):
        children = field.fields
    elif isinstance(field, fields.Nested):
        children = field.schema.fields
    elif isinstance(field, StackField):
        children = field.fields
    else:
        children = getattr(field, "columns", {})
    for name, child in children.items():
        yield name
        yield from members_of(child)
    if hasattr(field, "inner"):
        yield from members_of(field.inner)


def requests_of(kind: type[RequestSchema] = RequestSchema) -> Iterator[type[RequestSchema]]:
    """Yield the requests of endpoints: those from which no other is derived."""
    for child in kind.__subclasses__():
        yield from requests_of(child) if child.__subclasses__() else [child]


@pytest.mark.parametrize("schema", list(requests_of()), ids=lambda schema: schema.__name__)
def test_every_member_of_a_request_is_in_api_md(schema: type[RequestSchema]) -> None:
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", API))))
    assert set(members_of(schema())) - named == set()


def test_every_exchange_is_in_api_md_and_no_other() -> None:
    listed = re.search(r"^Exchanges that `calendar.trading_calendar` knows: ([^.]+)\.$", API, re.MULTILINE)
    assert listed is not None
    assert tuple(re.split(r",\s+", listed[1])) == TRADING_CALENDARS


# ---------------------------------------------------------------- settings

SETTINGS_ROWS = {
    variable: (default.replace(",", ""), bounds.replace(",", ""))
    for variable, default, bounds in re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \| ([^|]+) \|", DEPLOY, re.MULTILINE)
}
BOUNDED = {name: row[1].split(" to ") for name, row in SETTINGS_ROWS.items() if " to " in row[1]}


def test_every_setting_is_in_deploy_md_with_its_default() -> None:
    defaults = {variable: str(getattr(Settings(), name)) or "none" for name, variable in VARIABLES.items()}
    defaults |= {"WEB_CONCURRENCY": "one a core", "LINEAGE_MODE": "async"}
    defaults |= {"DATABASE_URL": "none", "LINEAGE_STORAGE_PATH": "none"}
    assert {variable: default for variable, (default, _) in SETTINGS_ROWS.items()} == defaults


@pytest.mark.parametrize("variable", BOUNDED)
def test_bounds_of_deploy_md_are_those_of_the_setting(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    number = float if "." in BOUNDED[variable][0] else int
    low, high = map(number, BOUNDED[variable])
    for value in (low, high):
        monkeypatch.setenv(variable, str(value))
        read_settings()
    for value in (low - 1, high + 1):
        monkeypatch.setenv(variable, str(value))
        with pytest.raises(SettingsError, match=variable):
            read_settings()


# ---------------------------------------------------------------- errors

DOCUMENTED_STATUS = {
    code: int(status) for code, status in re.findall(r"^\| `([\w.]+)` \| (\d{3}) \|", ERRORS, re.MULTILINE)
}
DOCUMENTED_FAULTS = dict(
    re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", ERRORS.partition("## Faults of members")[2], re.MULTILINE)
)
REFUSALS = {
    "malformed_json": ("POST", "/performance/twr", b"{", "application/json"),
    "validation_failed": ("POST", "/performance/twr", b"{}", "application/json"),
    "unsupported_media_type": ("POST", "/performance/twr", b"{}", "text/plain"),
    "request_entity_too_large": ("POST", "/performance/twr", b" " * 2000, "application/json"),
    "method_not_allowed": ("GET", "/performance/twr", b"", None),
    "not_found": ("GET", "/no-such-route", b"", None),
}


def domain_errors(kind: type[PerformanceError] = PerformanceError) -> Iterator[type[PerformanceError]]:
    if hasattr(kind, "code"):
        yield kind
    for child in kind.__subclasses__():
        yield from domain_errors(child)


@pytest.mark.parametrize("kind", list(domain_errors()), ids=lambda kind: kind.__name__)
def test_every_domain_error_is_in_errors_md_with_its_status(kind: type[PerformanceError]) -> None:
    assert DOCUMENTED_STATUS.get(kind.code) == DOMAIN_PROBLEMS[kind].status


@pytest.mark.parametrize("code", REFUSALS)
def test_every_error_of_http_is_in_errors_md_with_its_status(code: str) -> None:
    method, path, body, media_type = REFUSALS[code]
    client = create_app(Settings(max_body_bytes=1024)).test_client()
    answer = client.open(path, method=method, data=body, content_type=media_type)
    assert answer.json["code"] == code
    assert DOCUMENTED_STATUS.get(code) == answer.status_code


def test_errors_md_names_the_problems_of_the_documentation_page_and_no_other() -> None:
    assert {code: problem.status for code, problem in PROBLEMS.items()} == DOCUMENTED_STATUS


def fault_codes() -> Iterator[str]:
    """Yield the codes of faults: keys of the fields' messages, and those written out in the schemas."""
    for kind in vars(wire_fields).values():
        if isinstance(kind, type) and issubclass(kind, wire_fields.StrictField):
            keys = vars(kind).get("default_error_messages", {})
            yield from ("missing" if key == "required" else key for key in keys)
    position_of_code = {"Message": 1, "refuse": 2}
    for path in Path(wire_fields.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in position_of_code:
                argument = node.args[position_of_code[node.func.id]]
                choices = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
                constants = (part for choice in choices for part in ast.walk(choice) if isinstance(part, ast.Constant))
                yield from (str(constant.value) for constant in constants)


def test_errors_md_names_exactly_the_codes_of_faults() -> None:
    never_shown = {"unreported"}
    assert DOCUMENTED_FAULTS.keys() == set(fault_codes()) - never_shown


def test_errors_md_says_of_each_fault_what_the_documentation_page_says() -> None:
    assert DOCUMENTED_FAULTS == FAULTS


# ---------------------------------------------------------------- warnings, gates, commands


def test_every_warning_is_in_api_md() -> None:
    package = Path(wire_fields.__file__).parents[1]
    source = "".join(path.read_text() for path in package.rglob("*.py"))
    codes = set(re.findall(r'(?:Notice|add|dated)\(\s*"([a-z_]+)"', source))
    assert codes == set(re.findall(r"^\| `([a-z_]+)` \| [^|]+ \|$", API.partition("| warning |")[2], re.MULTILINE))


def test_every_gate_is_in_contributing_md() -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "tox.ini")
    in_tox = set(config["tox"]["env_list"].split(", "))
    by_name = {section.removeprefix("testenv:") for section in config if section.startswith("testenv:")} - in_tox
    documented = {"yes": set(), "by name": set()}
    for names, how in re.findall(r"^\| (`[^|]+`) \| [^|]+ \| (yes|by name)\b[^|]*\|$", CONTRIBUTING, re.MULTILINE):
        documented[how] |= set(re.findall(r"`([\w-]+)`", names))
    assert documented == {"yes": in_tox, "by name": by_name}


def test_commands_of_the_readme_are_those_that_the_gates_and_the_image_run() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "\npip install . && lotus-performance serve\n" in readme
    assert "\npip install tox && tox\n" in readme
    assert re.search(r"pip install (--quiet )?tox\n.*tox run ", (ROOT / ".ci" / "run").read_text())
    assert 'CMD ["lotus-performance", "serve"]' in (ROOT / "Dockerfile").read_text()


# ---------------------------------------------------------------- truth cases

TRUTH_CASES = (ROOT / "runbook" / "truth-cases.md").read_text()
TRUTH_ROWS = [
    (group, *map(int, numbers))
    for group, *numbers in re.findall(r"^\| ([^|]+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", TRUTH_CASES, re.MULTILINE)
]


def test_truth_cases_add_up() -> None:
    *groups, (last, *total) = TRUTH_ROWS
    assert last == "all"
    assert total == [sum(column) for column in zip(*(numbers for _, *numbers in groups), strict=True)]
    for group, n_cases, n_expressible, n_agree, n_otherwise in TRUTH_ROWS:
        assert n_cases >= n_expressible == n_agree + n_otherwise, group


def test_truth_cases_name_every_answer_that_differs_and_every_case_without_a_request() -> None:
    *_, n_cases, n_expressible, _, n_otherwise = TRUTH_ROWS[-1]
    otherwise, _, not_expressible = TRUTH_CASES.partition("## Answered otherwise")[2].partition("## Not expressible")
    named = re.findall(r"^\| (?!pyxirr's sample|case)([^|-][^|]*) \|", otherwise, re.MULTILINE)
    counts = re.findall(r"^\| (\d+)\b", not_expressible, re.MULTILINE)
    assert len(named) == n_otherwise
    assert sum(map(int, counts)) == n_cases - n_expressible
