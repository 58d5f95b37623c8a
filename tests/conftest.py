"""What all tests share: the application, its client, and the amount of work of the property tests."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from answers import CheckedClient
from lotus_performance.app import create_app
from lotus_performance.settings import Settings

settings.register_profile("default", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("default"), max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

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
