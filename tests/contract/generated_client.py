"""A client that openapi-python-client generates out of the document compiles, and passes the examples.

Its name keeps it out of `pytest tests/contract`: the generator is installed in the tox environment `contract` alone.
"""

import compileall
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from answers import operations, without_changing
from lotus_performance.app import create_app
from lotus_performance.settings import Settings
from real_server import Server, await_ready, start_server

PACKAGE = "generated_lotus_client"
DOCUMENT = create_app(Settings()).test_client().get("/openapi.json").get_json()
POSTS = {operation["operationId"]: operation for _, _, operation in operations(DOCUMENT) if "requestBody" in operation}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("server") / "log")
    try:
        await_ready(server)
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def package(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Generate the client out of what the server answers, and make it importable."""
    folder = tmp_path_factory.mktemp("generated")
    options = ["--meta", "none", "--fail-on-warning", "--output-path", str(folder / PACKAGE)]
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--url", f"{server.url}/openapi.json"]
    generator = subprocess.run([*command, *options], capture_output=True, text=True, check=False)  # noqa: S603
    assert generator.returncode == 0, generator.stdout + generator.stderr
    sys.path.insert(0, str(folder))
    yield folder / PACKAGE
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def client(server: Server, package: Path) -> Iterator[Any]:
    with module("client").Client(base_url=server.url, raise_on_unexpected_status=True) as client:
        yield client


def module(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.{name}")


def call(client: Any, name: str, body: Any) -> Any:
    """Post a body by the typed function of an operation, and return the parsed answer."""
    schema = POSTS[name]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    request = getattr(module("models"), schema).from_dict(body)
    tag, *_ = POSTS[name]["tags"]
    return module(f"api.{tag}.{name}").sync(client=client, body=request)


def test_every_module_compiles_and_every_operation_has_a_function(package: Path) -> None:
    assert compileall.compile_dir(package, quiet=1)
    for path in package.rglob("*.py"):
        importlib.import_module(".".join(path.relative_to(package.parent).with_suffix("").parts))
    functions = {path.stem for path in (package / "api").glob("*/*.py")} - {"__init__"}
    assert functions == {operation["operationId"] for _, _, operation in operations(DOCUMENT)}


@pytest.mark.parametrize("name", POSTS)
def test_every_example_is_answered_as_documented(client: Any, name: str) -> None:
    content = POSTS[name]["responses"]["200"]["content"]["application/json"]
    for example, request in POSTS[name]["requestBody"]["content"]["application/json"]["examples"].items():
        answer = call(client, name, request["value"])
        assert type(answer).__name__ == content["schema"]["$ref"].rpartition("/")[2]
        assert without_changing(answer.to_dict()) == without_changing(content["examples"][example]["value"])


def test_a_problem_is_parsed_with_its_code(client: Any) -> None:
    (example,) = POSTS["post_mwr"]["requestBody"]["content"]["application/json"]["examples"].values()
    problem = call(client, "post_mwr", example["value"] | {"end_mv": -1, "flags": {"fail_fast": True}})
    assert type(problem).__name__ == "Problem422"
    assert (problem.status, problem.code) == (422, "not_computable.no_root")
