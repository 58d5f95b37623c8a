"""From SQLite to PostgreSQL by the script of the runbook."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from databases import PostgreSql
from lotus_performance.settings import Settings
from stored import ASYNC, ROOT, Stored, new_id


def test_a_storage_moves_from_sqlite_to_postgresql(
    tmp_path: Path, postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = re.search(r"```python\n(.*?)```", (ROOT / "runbook" / "storage.md").read_text(), re.DOTALL)
    assert script is not None
    old = Stored(Settings(data_dir=tmp_path / "data", lineage_mode="async"))
    new = Stored(Settings(data_dir=tmp_path / "data", database_url=postgresql.new_database(), lineage_mode="async"))
    ids = [old.calculate(calculation_id=new_id()), old.calculate("mwr_ten_years")]
    answers = [old.get(f"/performance/executions/{each}/result").data for each in ids]
    old.work()
    left = old.post("mwr_one_year", headers=ASYNC).get_json()["execution_id"]
    subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", script[1], f"sqlite:///{old.settings.database}", new.settings.database],
        env=os.environ,
        timeout=30,
        check=True,
    )
    assert [each.execution_id for each in new.all()] == [left, *reversed(ids)]
    assert [new.get(f"/performance/executions/{each}/result").data for each in ids] == answers
    assert all(new.lineage.faults(each.execution_id) == [] for each in new.all())
    new.work()
    assert new.executions.get(left).status == "complete"
    old.close()
    new.close()
