"""A service that keeps what it calculates, as tests use it."""

import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lotus_performance.api.wire import EXTENSION
from lotus_performance.app import create_app
from lotus_performance.jobs.lineage import Lineage
from lotus_performance.jobs.worker import Worker
from lotus_performance.keep import keep
from lotus_performance.settings import Settings
from lotus_performance.storage.executions import Execution, Executions

ROOT = Path(__file__).resolve().parent.parent
ASYNC = {"Prefer": "respond-async"}
PATHS = {name: f"/performance/{name}" for name in ("twr", "mwr", "contribution", "attribution")}
EXAMPLES = {
    path.stem: next(name for name in PATHS if path.stem.startswith(name))
    for path in sorted((ROOT / "examples").glob("*.json"))
    if path.stem.startswith(tuple(PATHS))
}
"""Name of each example that is a request, and its kind of calculation."""


def example(name: str, **changes: Any) -> dict[str, Any]:
    """Return a request of the examples folder, members changed."""
    return json.loads((ROOT / "examples" / f"{name}.json").read_text()) | changes


def new_id() -> str:
    return str(uuid.uuid4())


class Stored:
    """A service with its storage, and whatever else of it a test needs at the same storage."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._opened: list[Lineage] = []
        self.lineage = self.another()
        self.lineage.prepare()
        self.app = self.application()
        self.client: FlaskClient = self.app.test_client()

    def another(self) -> Lineage:
        """Return what another process would have of the same storage."""
        kept = keep(self.settings)
        assert kept is not None
        self._opened.append(kept)
        return kept

    def application(self, **changes: Any) -> Flask:
        """Return an application on the same storage, settings changed."""
        app = create_app(Settings(**(vars(self.settings) | changes)))
        if app.extensions[EXTENSION].lineage is not None:
            self._opened.append(app.extensions[EXTENSION].lineage)
        return app

    @property
    def executions(self) -> Executions:
        return self.lineage.executions

    def work(self, lineage: Lineage | None = None) -> int:
        """Have a worker do all that is due now; return how much that was."""
        worker = Worker(lineage or self.lineage)
        n_done = 0
        while worker.work_once():
            n_done += 1
        return n_done

    def post(
        self, name: str = "twr_five_days", headers: Mapping[str, str] | None = None, **changes: Any
    ) -> TestResponse:
        """Post an example, members changed."""
        return self.client.post(PATHS[EXAMPLES[name]], json=example(name, **changes), headers=headers or {})

    def calculate(self, name: str = "twr_five_days", **changes: Any) -> str:
        """Have an example calculated; return its id."""
        answer = self.post(name, **changes)
        assert answer.status_code == 200, answer.text
        return str(answer.get_json()["calculation_id"])

    def get(self, path: str) -> TestResponse:
        return self.client.get(path)

    def code(self, path: str) -> tuple[int, str]:
        """Return status and code of a problem."""
        answer = self.get(path)
        return answer.status_code, answer.get_json().get("code", "")

    def all(self) -> list[Execution]:
        return [self.executions.get(each) for each in self.executions.ids()]

    def folder(self, calculation_id: str) -> Path:
        return self.lineage.artifacts.folder(calculation_id)

    def environment(self) -> dict[str, str]:
        """Return the environment of a process on the same storage."""
        return {"DATA_DIR": str(self.settings.data_dir), "DATABASE_URL": self.settings.database_url}

    def close(self) -> None:
        for kept in self._opened:
            kept.executions.database.close()


Store = Callable[..., Stored]
