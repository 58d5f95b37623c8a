"""Every request that a page shows is posted to the application, and gives the status and the figures shown.

A request is a line with a method and a path, and a block of JSON right below it, or a block that ends in a curl command
with a file. The answer follows as a line that begins with ``Answer 200`` and a block of JSON. It may leave out members,
and objects of a list; what it shows must be so.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "runbook").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]

EXAMPLE = re.compile(
    r"(?:^`POST (?P<path>\S+)`\n```json\n(?P<body>.*?)^```$|^(?P<curl>curl [^\n]*)\n```$)"
    r"(?:\n+Answer (?P<status>\d{3})[^\n]*\n+```json\n(?P<answer>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
CURL_PATH = re.compile(r"https?://[^/\s]+(/\S*)")
CURL_FILE = re.compile(r"(?:-d|--data|--data-binary) @(\S+)")


class Example(NamedTuple):
    path: str
    body: bytes
    status: int
    answer: Any


def read_example(match: re.Match[str]) -> Example:
    status, answer = int(match["status"] or 200), json.loads(match["answer"] or "{}")
    if match["body"]:
        return Example(match["path"], match["body"].encode(), status, answer)
    body = (ROOT / CURL_FILE.search(match["curl"])[1]).read_bytes()
    return Example(CURL_PATH.search(match["curl"])[1], body, status, answer)


EXAMPLES = [
    pytest.param(match, id=f"{page.relative_to(ROOT)}:{page.read_text()[: match.start()].count(chr(10)) + 1}")
    for page in PAGES
    for match in EXAMPLE.finditer(page.read_text())
    if match["body"] or CURL_FILE.search(match["curl"])
]


def differences(shown: Any, answer: Any, place: str = "") -> Iterator[str]:
    """Yield where an answer is not as a page shows it."""
    if isinstance(shown, dict) and isinstance(answer, dict):
        for name, value in shown.items():
            yield from differences(value, answer.get(name, "nothing"), f"{place}/{name}")
    elif isinstance(shown, list) and isinstance(answer, list) and any(isinstance(element, dict) for element in shown):
        rest = iter(answer)
        for i, element in enumerate(shown):
            if not any(not list(differences(element, other)) for other in rest):
                yield f"{place}/{i}: {element} is not there, or not in this order"
    elif shown != answer:
        yield f"{place}: {shown} is shown, {answer} is answered"


@pytest.mark.parametrize("match", EXAMPLES)
def test_request_that_a_page_shows_gives_the_answer_shown(client: FlaskClient, match: re.Match[str]) -> None:
    example = read_example(match)
    answer = client.post(example.path, data=example.body, content_type="application/json")
    assert answer.status_code == example.status
    assert list(differences(example.answer, answer.json)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_json_of_a_page_escapes_the_test_above(page: Path) -> None:
    examples = EXAMPLE.findall(page.read_text())
    n_tested = sum(bool(body) + bool(answer) for _, body, _, _, answer in examples)
    assert page.read_text().count("```json\n") == n_tested


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_curl_commands_ask_for_routes_and_files_that_exist(app: Flask, page: Path) -> None:
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    for command in re.findall(r"^curl .*$", page.read_text(), re.MULTILINE):
        assert CURL_PATH.search(command)[1] in routes
        assert all((ROOT / name).is_file() for name in CURL_FILE.findall(command))


def test_readme_shows_a_request_on_a_file_and_its_answer() -> None:
    assert any(match["curl"] and match["answer"] for match in EXAMPLE.finditer((ROOT / "README.md").read_text()))
