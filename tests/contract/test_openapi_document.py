from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator


@pytest.fixture
def document(client: FlaskClient) -> Any:
    return client.get("/openapi.json").get_json()


def request_examples(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield path and body of each example of a POST request."""
    for path, operations in document["paths"].items():
        if "post" in operations:
            media = operations["post"]["requestBody"]["content"]["application/json"]
            for example in media["examples"].values():
                yield path, example["value"]


def test_document_is_valid_openapi_3_1(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_every_request_example_is_answered_with_200(client: FlaskClient, document: Any) -> None:
    answers = [(path, client.post(path, json=body).status_code) for path, body in request_examples(document)]
    assert answers
    assert answers == [(path, 200) for path, _ in answers]


def test_every_post_has_an_example(document: Any) -> None:
    posts = {path for path, operations in document["paths"].items() if "post" in operations}
    assert {path for path, _ in request_examples(document)} == posts
