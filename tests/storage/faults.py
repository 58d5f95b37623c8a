"""Faults at the n-th call that our code makes of the file system or the database, and what must be true afterwards.

Run as a script, it ends a process at the n-th call, n = 1, 2, ... until none is left, and looks at what is there then.
"""

import builtins
import errno
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lotus_performance.api.wire import EXTENSION
from lotus_performance.settings import Settings
from lotus_performance.storage import artifacts, executions
from lotus_performance.storage.executions import Status
from stored import ASYNC, Stored, new_id

NO_ROOT = {"begin_mv": 0, "end_mv": 100.0, "cash_flows": []}
OWN_CODE = str(Path(artifacts.__file__).parent.parent)

Fault = Callable[[], None]


class Counter:
    """Counts calls, and does what was asked for at one of them."""

    def __init__(self, at: int, fault: Fault) -> None:
        self.n = 0
        self.at = at
        self.fault = fault

    @property
    def has_struck(self) -> bool:
        return self.n >= self.at

    def __call__(self) -> None:
        self.n += 1
        if self.n == self.at:
            self.fault()


def disk_fault(number: int) -> Fault:
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail


class _File:
    """A file whose every call counts."""

    def __init__(self, file: Any, count: Counter) -> None:
        self._file = file
        self._count = count

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._file, name)

        def counted(*arguments: Any) -> Any:
            if name in ("write", "read", "flush"):
                self._count()
            return method(*arguments)

        return counted


@contextmanager
def file_system_faults(root: Path, count: Counter) -> Iterator[None]:
    """Have every call on the folder of artifacts counted."""
    calls = ("open", "fsync", "rename", "mkdir", "unlink", "rmdir", "listdir", "statvfs", "fstat", "lstat")
    real = {name: getattr(os, name) for name in calls}
    real_open = builtins.open

    def is_ours(what: Any) -> bool:
        return isinstance(what, int) or str(root) in str(what)

    def counted(name: str) -> Callable[..., Any]:
        def call(what: Any, *arguments: Any, **named: Any) -> Any:
            if is_ours(what) and OWN_CODE in sys._getframe(1).f_code.co_filename + _callers():
                count()
            return real[name](what, *arguments, **named)

        return call

    def opened(what: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if not is_ours(what) or "b" not in mode or OWN_CODE not in sys._getframe(1).f_code.co_filename:
            return real_open(what, mode, *arguments, **named)
        count()
        return _File(real_open(what, mode, *arguments, **named), count)

    try:
        for name in calls:
            setattr(os, name, counted(name))
        builtins.open = opened  # type: ignore[assignment]
        yield
    finally:
        for name in calls:
            setattr(os, name, real[name])
        builtins.open = real_open


def _callers() -> str:
    # `pathlib` and `shutil` call for our code.
    frame = sys._getframe(2)
    names = []
    for _ in range(8):
        if frame.f_back is None:
            break
        frame = frame.f_back
        names.append(frame.f_code.co_filename)
    return "".join(name for name in names if name.endswith("artifacts.py"))


@contextmanager
def database_faults(dialects: list[Any], count: Counter, *, after: bool = False) -> Iterator[None]:
    """Have every statement and commit counted; with `after` a fault comes when the database has done it."""
    calls = ("do_execute", "do_executemany", "do_execute_no_params", "do_commit")

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if not after:
                count()
            done = real(*arguments, **named)
            if after:
                count()
            return done

        return call

    try:
        for dialect in dialects:
            for name in calls:
                setattr(dialect, name, counted(getattr(dialect, name)))
        yield
    finally:
        for dialect in dialects:
            for name in calls:
                delattr(dialect, name)


def database_fault(stored: Stored) -> Fault:
    error = stored.executions.database.engine.dialect.dbapi.OperationalError  # type: ignore[union-attr]

    def fail() -> None:
        raise error("disk I/O error")

    return fail


def dialects_of(stored: Stored) -> list[Any]:
    return [
        kept.executions.database.engine.dialect for kept in (stored.lineage, stored.app.extensions[EXTENSION].lineage)
    ]


class Story:
    """What happens to a service until the fault and after it, and what was promised to its clients."""

    def __init__(self, stored: Stored, told: Callable[[str], object] = lambda _: None) -> None:
        self.stored = stored
        self.ids = {name: new_id() for name in ("named", "left", "refused")}
        self.promised: dict[str, str] = {}
        """Checksum of each answer that was given with a 200, none for what was accepted only, by id."""
        self.told = told

    def promise(self, calculation_id: str, digest: str) -> None:
        self.promised[calculation_id] = digest
        self.told(f"{calculation_id} {digest}\n")

    def post(self, name: str, headers: dict[str, str] | None = None, **changes: Any) -> int:
        answer = self.stored.post(name, headers=headers, **changes)
        assert answer.status_code in (200, 202, 422, 503), answer.text
        if answer.status_code == 200:
            self.promise(answer.get_json()["calculation_id"], hashlib.sha256(answer.data).hexdigest())
        elif answer.status_code == 202:
            self.promise(answer.get_json()["execution_id"], "")
        elif answer.status_code == 503:
            assert answer.get_json()["code"] == "storage_unavailable"
        return answer.status_code

    def happen(self) -> None:
        self.post("mwr_one_year")
        self.post("twr_five_days", calculation_id=self.ids["named"])
        self.post("twr_five_days", calculation_id=self.ids["named"])
        self.post("mwr_one_year", calculation_id=self.ids["left"], headers=ASYNC)
        self.post("mwr_one_year", calculation_id=self.ids["refused"], **NO_ROOT)
        self.read(self.ids["named"])
        self.work()
        self.read(self.ids["left"])
        self.stored.get("/performance/executions")

    def work(self) -> None:
        from lotus_performance.errors import LineageUnavailableError, StorageUnavailableError
        from lotus_performance.jobs.worker import Worker

        worker = Worker(self.stored.lineage)
        for _ in range(40):
            try:
                if not worker.work_once():
                    return
            except (LineageUnavailableError, StorageUnavailableError):
                pass
        raise AssertionError("the worker comes to no end")

    def read(self, calculation_id: str) -> None:
        """Read what is there; whatever is served must be what its checksum says."""
        view = self.stored.get(f"/performance/lineage/{calculation_id}")
        assert view.status_code in (200, 404, 500, 503), view.text
        if view.status_code != 200:
            return
        for listed in view.get_json()["artifacts"].values():
            artifact = self.stored.get(listed["url"])
            assert artifact.status_code in (200, 500, 503), artifact.text
            if artifact.status_code == 200:
                assert hashlib.sha256(artifact.data).hexdigest() == listed["sha256"]

    def check_files(self) -> None:
        """A manifest exists if and only if its files do, at any moment."""
        root = self.stored.lineage.artifacts.root
        for path in root.rglob("manifest.json"):
            for name, entry in json.loads(path.read_bytes())["artifacts"].items():
                content = (path.parent / name).read_bytes()
                assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["size"], entry["sha256"])

    def check_end(self) -> None:
        """When the fault has passed and the leases have run out, all that was promised is there, and nothing half."""
        self.check_files()
        self.work()
        for kept in self.stored.all():
            assert kept.status in (Status.COMPLETE, Status.FAILED), kept
            assert self.stored.lineage.faults(kept.execution_id) == []
            assert kept.lineage_status is kept.status, kept
            stages = self.stored.executions.stages_of([kept.execution_id])[kept.execution_id]
            assert {stage["status"] for stage in stages} == {kept.status}
        for calculation_id, digest in self.promised.items():
            assert self.stored.executions.get(calculation_id).status is Status.COMPLETE
            result = self.stored.get(f"/performance/executions/{calculation_id}/result")
            assert result.status_code == 200
            assert digest in ("", hashlib.sha256(result.data).hexdigest())
        # Whoever was told to try again does so.
        assert self.post("twr_five_days", calculation_id=self.ids["named"]) == 200
        assert self.post("mwr_one_year", calculation_id=self.ids["left"]) == 200
        assert self.post("mwr_one_year", calculation_id=self.ids["refused"]) == 200
        self.work()
        self.check_files()
        self.end()

    def end(self) -> None:
        """Remove what the story has left."""
        for kept in self.stored.all():
            self.stored.executions.delete(kept.execution_id)
        shutil.rmtree(self.stored.lineage.artifacts.root)


@contextmanager
def memory_folder() -> Iterator[Path]:
    """Make a folder in memory where there is one: thousands of forced writes take no time there."""
    memory = Path("/dev/shm")  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix="lotus-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def no_waiting() -> None:
    """Let leases and waits be over at once."""
    executions.LEASE_SECONDS = 0.0
    executions.FIRST_RETRY_SECONDS = executions.LONGEST_RETRY_SECONDS = -1.0


def killed_at_every_call() -> int:
    """End a process at the n-th call for every n; return how many there were."""
    logging.disable(logging.CRITICAL)
    no_waiting()
    n = 0
    with memory_folder() as folder:
        stored = Stored(Settings(data_dir=folder / "data", lineage_mode="async"))
        while True:
            n += 1
            (folder / "told").write_text("")
            ids, is_done = killed_at(stored, n, folder / "told")
            story = Story(stored)
            story.ids = ids
            for line in (folder / "told").read_text().splitlines():
                calculation_id, _, digest = line.partition(" ")
                story.promised[calculation_id] = digest
            story.check_end()
            stored.close()  # no connection goes through the next fork
            if is_done:
                return n - 1


def killed_at(stored: Stored, n: int, told: Path) -> tuple[dict[str, str], bool]:
    """Have a child process live through the story until its n-th call; return its ids, and whether it ended."""
    with told.open("ab", buffering=0) as file:
        story = Story(stored, lambda line: file.write(line.encode()))
        child = os.fork()
        if child == 0:
            count = Counter(n, lambda: os._exit(7))
            try:
                with database_faults(dialects_of(stored), count), file_system_faults(folder_of(stored), count):
                    story.happen()
                os._exit(0)
            except BaseException as error:
                sys.stderr.write(repr(error))
                os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 7), code
    return story.ids, code == 0


def folder_of(stored: Stored) -> Path:
    return stored.lineage.artifacts.root


ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC}

if __name__ == "__main__":
    sys.stdout.write(str(killed_at_every_call()))
