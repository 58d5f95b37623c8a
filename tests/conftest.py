"""What all tests share: the application, its client, and the amount of work of the property tests."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from answers import CheckedClient
from databases import PostgreSql, running_postgresql
from lotus_performance.app import create_app
from lotus_performance.settings import Settings
from stored import Stored

settings.register_profile("default", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("default"), max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Servers that tests start keep what they calculate here, and not in the folder of the project.
_FOLDER = tempfile.TemporaryDirectory(prefix="lotus-test-")
os.environ.setdefault("DATA_DIR", _FOLDER.name)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def app() -> Flask:
    app = create_app(Settings())
    app.test_client_class = CheckedClient
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def example() -> Any:
    """Return a function that reads a request of the examples folder."""
    return lambda name: json.loads((ROOT / "examples" / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the setting of an empty database of each kind; empty is the file of SQLite in the folder of data."""
    return "" if request.param == "sqlite" else request.getfixturevalue("postgresql").new_database()


@pytest.fixture
def stored(database_url: str, tmp_path: Path) -> Iterator[Stored]:
    """Return a service that keeps what it calculates."""
    service = Stored(Settings(data_dir=tmp_path / "data", database_url=database_url, lineage_mode="async"))
    yield service
    service.close()
