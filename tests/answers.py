"""What tests do with answers: get them, check them against the OpenAPI document, and read them."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.test import TestResponse

from lotus_performance.api.openapi import build_document

PAGES = ("/openapi.json", "/docs", "/docs/conventions", "/docs/problems", "/docs/assets/<name>")
"""Routes that belong to no operation of the document."""

CHANGING = {"calculation_id", "engine_version", "input_fingerprint", "calculation_hash", "result_hash"}
"""Members of an answer that differ between requests or versions."""

PROBLEM_JSON = "application/problem+json"
CHECKED = "document-of-checked-client"

Post = Callable[..., Any]
"""Posts a request, of which its arguments change members."""


class CheckedClient(FlaskClient):
    """A client that fails when an answer is not as the application's document describes it.

    Set `any_problem` where a test makes views raise what they never do.
    """

    any_problem = False

    @property
    def document(self) -> Any:
        """The document of the application, which takes longer to build than most tests to run: built once."""
        extensions = self.application.extensions
        if CHECKED not in extensions:
            extensions[CHECKED] = build_document(self.application)
        return extensions[CHECKED]

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        body = answer.data if answer.is_json else b""
        method, rule = answer.request.method, self.rule_of(answer)
        validate_answer(
            self.document, method, rule, answer.status_code, body, answer.content_type, any_problem=self.any_problem
        )
        return answer

    def rule_of(self, answer: TestResponse) -> str | None:
        routes = self.application.url_map.bind_to_environ(answer.request.environ)
        try:
            return routes.match(return_rule=True)[0].rule
        except (HTTPException, RequestRedirect):
            return None


def validate_answer(
    document: Any,
    method: str,
    rule: str | None,
    status: int,
    body: bytes,
    content_type: str | None,
    *,
    any_problem: bool = False,
) -> None:
    """Fail unless the document describes the answer.

    `rule` is the route's template as Flask writes it, None where no route matched. With `any_problem` a problem may
    have a status or code that its operation does not list: for tests that raise what the views never do.
    """
    place = f"{method} {rule} answered {status}"
    media_type = (content_type or "").partition(";")[0]
    operation = operation_of(document, method, rule)
    response = (operation or {}).get("responses", {}).get(str(status))
    if method == "OPTIONS":
        return
    if response is None or (any_problem and status >= 400):
        if status < 400:
            assert rule in PAGES, f"{place}, which is not documented"
            return
        assert any_problem or operation is None, f"{place}, which is not documented"
        assert media_type == PROBLEM_JSON, f"{place} as {media_type}, which is no problem document"
        schema = {"$ref": "urn:document#/components/schemas/Problem"}
    else:
        content = resolved(document, response)["content"]
        assert media_type in content, f"{place} as {media_type}, documented are {', '.join(content)}"
        if not media_type.endswith("json"):
            return
        schema = absolute(content[media_type]["schema"])
    if method != "HEAD":
        faults = faults_of(document, schema, json.loads(body))
        assert not faults, f"{place}; the body is not as documented: {'; '.join(faults[:5])}"


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield method, path and operation of each operation of the document."""
    for path, by_method in document["paths"].items():
        for method, operation in by_method.items():
            yield method.upper(), path, operation


def operation_of(document: Any, method: str, rule: str | None) -> Any:
    """Return the operation of a route and method, None where there is none."""
    path = re.sub(r"<(?:[^<>:]+:)?([^<>]+)>", r"{\1}", rule or "")
    return document["paths"].get(path, {}).get("get" if method == "HEAD" else method.lower())


def resolved(document: Any, node: Any) -> Any:
    """Return what a reference leads to, anything else as it is."""
    while "$ref" in node:
        target = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def faults_of(document: Any, schema: Any, instance: Any) -> list[str]:
    """Return what is wrong with a value; references of the schema start with `urn:document`."""
    registry = Registry().with_resource("urn:document", DRAFT202012.create_resource(document))
    checker = Draft202012Validator.FORMAT_CHECKER
    validator = Draft202012Validator(schema, registry=registry, format_checker=checker)
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(instance)]


def absolute(schema: Any) -> Any:
    """Return a schema of the document with references that can be followed from outside."""
    return json.loads(json.dumps(schema).replace('"#/', '"urn:document#/'))


def without_changing(value: Any) -> Any:
    """Return an answer without its members that differ between requests or versions."""
    if isinstance(value, dict):
        return {name: without_changing(member) for name, member in value.items() if name not in CHANGING}
    return [without_changing(element) for element in value] if isinstance(value, list) else value


def posting(client: FlaskClient, path: str, request: Callable[..., Any]) -> Post:
    """Return a function that posts a request that is to succeed, and returns the answer."""

    def post(**changes: Any) -> Any:
        answer = client.post(path, json=request(**changes))
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    return post


def refusing(client: FlaskClient, path: str, request: Callable[..., Any]) -> Post:
    """Return a function that posts a request; it returns status, code and the pointers of the faults."""

    def post(**changes: Any) -> tuple[int, str, list[str]]:
        answer = client.post(path, json=request(**changes))
        problem = answer.get_json()
        return answer.status_code, problem["code"], [fault["pointer"] for fault in problem.get("errors", [])]

    return post


def warning(answer: Any, code: str) -> Any:
    """Return the one warning of a code."""
    (found,) = (each for each in answer["diagnostics"]["warnings"] if each["code"] == code)
    return found


def codes(answer: Any) -> list[str]:
    """Return the codes of the warnings."""
    return [each["code"] for each in answer["diagnostics"]["warnings"]]


def fingerprint(answer: Any) -> str:
    return str(answer["meta"]["input_fingerprint"])


def checked(app: Flask) -> FlaskClient:
    """Return a client of an application whose answers are checked."""
    app.test_client_class = CheckedClient
    return app.test_client()
