"""Executions: recorded in one short transaction, claimed by lease, found again."""

import base64
import binascii
import hashlib
import json
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
import zstandard
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from lotus_performance.errors import ExecutionNotFoundError, InvalidCursorError
from lotus_performance.errors import IntegrityError as StoredIntegrityError
from lotus_performance.storage.database import Database
from lotus_performance.storage.tables import executions, payloads, stages, utc_in, utc_now

TENANT = "default"
"""Owner of everything while there is no access control."""

LEASE_SECONDS, LONG_LEASE_SECONDS = 15.0, 60.0
"""How long nobody else may do what a process has taken, and what it waits for others with; whoever ends first wins, so
that a short lease does no harm."""
POLL_SECONDS = 0.02
MAX_ATTEMPTS = 5
FIRST_RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 60.0
COMPRESSION_LEVEL = 1
PAGE = 500

_CURSOR = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([0-9a-f-]{36})")


class Status(StrEnum):
    """Where an execution, a stage of it, or its lineage stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


NOT_ENDED: Mapping[str, Any] = {"problem": None, "completed_at_utc": None, "lineage_status": Status.PENDING}
"""What an execution that is tried again no longer says."""


class ExecutionMode(StrEnum):
    """Whether the caller waits for the answer."""

    SYNC = "sync"
    ASYNC = "async"


class Stage(StrEnum):
    """What an execution goes through."""

    CALCULATE = "calculate"
    MATERIALISE = "materialise"


@dataclass(frozen=True)
class Ticket:
    """What identifies an execution, and what of its request is told without reading the request."""

    execution_id: str
    analytics_type: str
    portfolio_id: str
    requested_window: Mapping[str, str]
    engine_version: str
    input_fingerprint: str
    calculation_hash: str
    mode: ExecutionMode = ExecutionMode.SYNC


@dataclass(frozen=True)
class Execution:
    """One execution as it stands in the database."""

    execution_id: str
    analytics_type: str
    portfolio_id: str
    mode: str
    status: Status
    requested_window: Mapping[str, Any]
    engine_version: str
    input_fingerprint: str
    calculation_hash: str
    result_hash: str | None
    response_sha256: str | None
    problem: Mapping[str, Any] | None
    created_at_utc: str
    started_at_utc: str | None
    completed_at_utc: str | None
    lineage_status: Status
    lineage_error: str | None
    manifest_sha256: str | None
    attempts: int


@dataclass(frozen=True)
class Payload:
    """The canonical request, and the answer as it was sent."""

    request: bytes
    response: bytes | None

    @property
    def answer(self) -> bytes:
        """The answer; raises IntegrityError where there is none."""
        if self.response is None:
            raise StoredIntegrityError("The answer of this calculation was not kept.")
        return self.response


def sha256_of(text: bytes) -> str:
    """Return the digest of a text, with the name of its method."""
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


class Executions:
    """All executions of one tenant.

    Equal data gives an equal answer: an execution that two processes are at, because the lease of one ran out, is
    completed by the first of them, and what the other one says of it later changes nothing.
    """

    def __init__(self, database: Database, tenant_id: str = TENANT) -> None:
        self.database = database
        self.tenant_id = tenant_id

    # ------------------------------------------------------------------ recording

    def record(self, ticket: Ticket, request: bytes, response: bytes, result_hash: str, started: str) -> bool:
        """Keep an answered calculation, whole or not at all; return whether its id was free."""
        done = utc_now()
        answered = {
            "result_hash": result_hash,
            "response_sha256": sha256_of(response),
            "completed_at_utc": done,
            "due_utc": done,
        }
        return self._insert(self._row(ticket, Status.COMPLETE, started) | answered, request, response)

    def claim(self, ticket: Ticket, request: bytes) -> Execution | None:
        """Take an execution for this process: None when it is ours now, else what stands there already.

        An execution is ours when its id was free, or when whoever had it failed or let the lease run out.
        """
        row = self._row(ticket, Status.RUNNING, utc_now()) | {"due_utc": utc_in(LEASE_SECONDS)}
        if self._insert(row, request) or self._taken_over(ticket):
            return None
        return self.get(ticket.execution_id)

    def _taken_over(self, ticket: Ticket) -> bool:
        is_free = (executions.c.status == Status.FAILED) | (executions.c.due_utc < utc_now())
        with self.database.writing() as connection:
            taken = connection.execute(
                sa.update(executions)
                .where(self._is_open(ticket), is_free)
                .values(
                    status=Status.RUNNING,
                    started_at_utc=utc_now(),
                    due_utc=utc_in(LEASE_SECONDS),
                    **NOT_ENDED,
                )
            ).rowcount
            if taken:
                self._move(connection, ticket.execution_id, Stage.CALCULATE, Status.RUNNING)
                self._move(connection, ticket.execution_id, Stage.MATERIALISE, Status.PENDING)
        return bool(taken)

    def complete(self, ticket: Ticket, response: bytes, result_hash: str) -> bool:
        """Keep the answer of a claimed execution; return whether it was the first one."""
        done = utc_now()
        with self.database.writing() as connection:
            is_first = connection.execute(
                sa.update(executions)
                .where(self._is_open(ticket))
                .values(
                    status=Status.COMPLETE,
                    engine_version=ticket.engine_version,
                    calculation_hash=ticket.calculation_hash,
                    result_hash=result_hash,
                    response_sha256=sha256_of(response),
                    problem=None,
                    completed_at_utc=done,
                    lineage_status=Status.PENDING,
                    attempts=0,
                    due_utc=done,
                )
            ).rowcount
            if is_first:
                connection.execute(
                    sa.update(payloads)
                    .where(*self._keys(payloads, ticket.execution_id))
                    .values(response=_compressed(response))
                )
                self._move(connection, ticket.execution_id, Stage.CALCULATE, Status.COMPLETE)
        return bool(is_first)

    def fail(self, ticket: Ticket, request: bytes | None, problem: Mapping[str, Any], started: str) -> None:
        """Keep that a calculation failed, and how it was answered; one that has an answer keeps it.

        Without its request only what is recorded already is changed.
        """
        values = {
            "status": Status.FAILED,
            "problem": json.dumps(problem),
            "completed_at_utc": utc_now(),
            "lineage_status": Status.FAILED,
            "due_utc": None,
        }
        if request is not None and self._insert(self._row(ticket, Status.FAILED, started) | values, request):
            return
        with self.database.writing() as connection:
            if connection.execute(sa.update(executions).where(self._is_open(ticket)).values(**values)).rowcount:
                self._move(connection, ticket.execution_id, Stage.CALCULATE, Status.FAILED)
                self._move(connection, ticket.execution_id, Stage.MATERIALISE, Status.FAILED)

    def refuse(self, ticket: Ticket, problem: Mapping[str, Any]) -> None:
        """Forget a claimed execution whose request was refused: its id is free again.

        One that had been accepted before, for a worker to answer, keeps the refusal as its answer.
        """
        with self.database.writing() as connection:
            gone = connection.execute(
                sa.delete(executions).where(self._is_open(ticket), executions.c.execution_mode == ExecutionMode.SYNC)
            ).rowcount
        if not gone:
            self.fail(ticket, None, problem, utc_now())

    def enqueue(self, ticket: Ticket, request: bytes) -> Execution | None:
        """Keep a request that a worker will answer; return what stands under its id already, None when it was free.

        What failed under the id is tried again.
        """
        if self._insert(self._row(ticket, Status.PENDING, None), request):
            return None
        again = {
            "execution_mode": ticket.mode,
            "status": Status.PENDING,
            "attempts": 0,
            "due_utc": utc_now(),
            **NOT_ENDED,
        }
        with self.database.writing() as connection:
            is_failed = executions.c.status == Status.FAILED
            if connection.execute(
                sa.update(executions).where(self._is_open(ticket), is_failed).values(**again)
            ).rowcount:
                self._move(connection, ticket.execution_id, Stage.CALCULATE, Status.PENDING)
                self._move(connection, ticket.execution_id, Stage.MATERIALISE, Status.PENDING)
        return self.get(ticket.execution_id)

    # ------------------------------------------------------------------ work to be done later

    def claim_next(self, slow: Collection[str] = ()) -> Execution | None:
        """Take the execution that has waited longest for its calculation or its lineage; None when there is none.

        Calculations of the kinds in `slow` are taken for longer. Raises IntegrityError after a row that cannot be read
        was set aside.
        """
        due = (executions.c.tenant_id == self.tenant_id) & (executions.c.due_utc <= utc_now())
        columns = (executions.c.execution_id, executions.c.status, executions.c.analytics_type)
        oldest = sa.select(*columns).where(due).order_by(executions.c.due_utc).limit(1)
        with self.database.reading() as connection:
            if connection.execute(oldest).first() is None:
                return None  # asked many times a second: what only looks takes no lock
        with self.database.writing() as connection:
            found = connection.execute(oldest.with_for_update(skip_locked=True)).one_or_none()
            if found is None:
                return None
            if found.status == Status.COMPLETE:
                taken: dict[str, Any] = {"lineage_status": Status.RUNNING}
                stage = Stage.MATERIALISE
            else:
                taken = {"status": Status.RUNNING, "started_at_utc": utc_now()}
                stage = Stage.CALCULATE
            is_slow = stage is Stage.CALCULATE and found.analytics_type in slow
            seconds = LONG_LEASE_SECONDS if is_slow else LEASE_SECONDS
            self._take(connection, self._is(found.execution_id), taken, seconds)
            self._move(connection, found.execution_id, stage, Status.RUNNING)
        try:
            return self.get(found.execution_id)
        except StoredIntegrityError:
            self._set_aside(found.execution_id)
            raise

    def _set_aside(self, execution_id: str) -> None:
        """Leave alone for ever what cannot be read."""
        failed = {"lineage_status": Status.FAILED, "due_utc": None}
        is_open = executions.c.status != Status.COMPLETE
        with self.database.writing() as connection:
            connection.execute(sa.update(executions).where(self._is(execution_id)).values(**failed))
            connection.execute(
                sa.update(executions).where(self._is(execution_id), is_open).values(status=Status.FAILED)
            )
            self._move(connection, execution_id, Stage.MATERIALISE, Status.FAILED)

    def claim_lineage(self, execution_id: str) -> bool:
        """Take one execution whose lineage is pending, be it time for another attempt or not; return whether it is
        ours."""
        is_free = (executions.c.lineage_status == Status.PENDING) | (executions.c.due_utc <= utc_now())
        is_due = (executions.c.status == Status.COMPLETE) & is_free
        with self.database.writing() as connection:
            values = {"lineage_status": Status.RUNNING}
            taken = self._take(connection, self._is(execution_id) & is_due, values, LEASE_SECONDS)
            if taken:
                self._move(connection, execution_id, Stage.MATERIALISE, Status.RUNNING)
        return taken

    def _take(
        self,
        connection: Connection,
        which: sa.ColumnElement[bool],
        values: Mapping[str, Any],
        seconds: float,
    ) -> bool:
        lease = {"attempts": executions.c.attempts + 1, "due_utc": utc_in(seconds)}
        return bool(connection.execute(sa.update(executions).where(which).values(**values, **lease)).rowcount)

    def finish_lineage(self, execution_id: str, digest: str) -> None:
        """Say that an execution's artifacts are there, and the checksum of their manifest."""
        self._end_lineage(
            execution_id, Status.COMPLETE, {"manifest_sha256": digest, "lineage_error": None, "due_utc": None}
        )

    def give_up_lineage(self, execution_id: str, reason: str) -> None:
        """Say that an execution's artifacts never will be there, and why."""
        self._end_lineage(execution_id, Status.FAILED, {"lineage_error": reason, "due_utc": None})

    def reopen_lineage(self, execution_id: str) -> bool:
        """Have the artifacts of an answered calculation written anew; return whether there is such a calculation."""
        values = {"lineage_status": Status.PENDING, "lineage_error": None, "attempts": 0, "due_utc": utc_now()}
        is_answered = self._is(execution_id) & (executions.c.status == Status.COMPLETE)
        with self.database.writing() as connection:
            is_known = bool(connection.execute(sa.update(executions).where(is_answered).values(**values)).rowcount)
            if is_known:
                self._move(connection, execution_id, Stage.MATERIALISE, Status.PENDING)
        return is_known

    def put_back(self, execution_id: str, reason: str) -> None:
        """Put back a lineage that the disk does not take: no attempt, however often it is asked."""
        due = utc_in(FIRST_RETRY_SECONDS)
        self._end_lineage(execution_id, Status.PENDING, {"lineage_error": reason, "attempts": 0, "due_utc": due})

    def postpone(self, execution: Execution, reason: str) -> None:
        """Put a claimed execution back for a later attempt, the later the more there were."""
        wait = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (min(execution.attempts, 10) - 1))
        if execution.status is Status.COMPLETE:
            self._end_lineage(
                execution.execution_id, Status.PENDING, {"lineage_error": reason, "due_utc": utc_in(wait)}
            )
            return
        is_running = executions.c.status == Status.RUNNING
        with self.database.writing() as connection:
            if connection.execute(
                sa.update(executions)
                .where(self._is(execution.execution_id), is_running)
                .values(status=Status.PENDING, due_utc=utc_in(wait))
            ).rowcount:
                self._move(connection, execution.execution_id, Stage.CALCULATE, Status.PENDING)

    def _end_lineage(self, execution_id: str, status: Status, values: Mapping[str, Any]) -> None:
        is_open = (executions.c.status == Status.COMPLETE) & (executions.c.lineage_status != Status.COMPLETE)
        with self.database.writing() as connection:
            if connection.execute(
                sa.update(executions).where(self._is(execution_id), is_open).values(lineage_status=status, **values)
            ).rowcount:
                self._move(connection, execution_id, Stage.MATERIALISE, status)

    # ------------------------------------------------------------------ reading

    def get(self, execution_id: str) -> Execution:
        """Return an execution; raises ExecutionNotFoundError, and IntegrityError when its row cannot be read."""
        with self.database.reading() as connection:
            row = connection.execute(sa.select(executions).where(self._is(execution_id))).one_or_none()
        if row is None:
            raise ExecutionNotFoundError("There is no calculation with this id.")
        return _execution(row)

    def settled(self, execution_id: str, patience: float) -> Execution:
        """Return an execution, after some seconds of patience for one that has no answer yet."""
        end = time.monotonic() + patience
        while True:
            found = self.get(execution_id)
            if found.status in (Status.COMPLETE, Status.FAILED) or time.monotonic() > end:
                return found
            time.sleep(POLL_SECONDS)

    def payload(self, execution_id: str) -> Payload:
        """Return request and answer of an execution, found to be what was written.

        Raises
        ------
        ExecutionNotFoundError
            There is no such calculation.
        IntegrityError
            One of them does not match its checksum.
        """
        checksums = (executions.c.input_fingerprint, executions.c.response_sha256)
        query = sa.select(payloads.c.request, payloads.c.response, *checksums).join_from(payloads, executions)
        with self.database.reading() as connection:
            row = connection.execute(query.where(*self._keys(payloads, execution_id))).one_or_none()
        if row is None:
            raise ExecutionNotFoundError("There is no calculation with this id.")
        response = None if row.response is None else _checked(row.response, row.response_sha256, "answer")
        return Payload(_checked(row.request, row.input_fingerprint, "request"), response)

    def stages_of(self, execution_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the stages of executions, in order, by id."""
        query = sa.select(stages).where(
            stages.c.tenant_id == self.tenant_id, stages.c.execution_id.in_(list(execution_ids))
        )
        found: dict[str, list[dict[str, Any]]] = {each: [] for each in execution_ids}
        with self.database.reading() as connection:
            for row in connection.execute(query.order_by(stages.c.stage_name)):
                told = {name: getattr(row, name) for name in ("started_at_utc", "completed_at_utc")}
                known = {name: value for name, value in told.items() if value is not None}
                found[row.execution_id].append({"stage_name": row.stage_name, "status": row.status, **known})
        return found

    def newest(
        self, filters: Mapping[str, str], limit: int, cursor: str | None = None
    ) -> tuple[list[Execution], str | None]:
        """Return executions, the newest first, and the cursor of those that follow, None at the end."""
        query = sa.select(executions).where(executions.c.tenant_id == self.tenant_id)
        for name, value in filters.items():
            query = query.where(executions.c[name] == value)
        if cursor is not None:
            created, execution_id = _read_cursor(cursor)
            query = query.where(
                (executions.c.created_at_utc < created)
                | ((executions.c.created_at_utc == created) & (executions.c.execution_id < execution_id))
            )
        query = query.order_by(executions.c.created_at_utc.desc(), executions.c.execution_id.desc()).limit(limit + 1)
        with self.database.reading() as connection:
            rows = [_execution(row) for row in connection.execute(query)]
        if len(rows) <= limit:
            return rows, None
        last = rows[limit - 1]
        return rows[:limit], _cursor(last.created_at_utc, last.execution_id)

    def is_known(self, execution_id: str) -> bool:
        """Return whether there is such an execution."""
        with self.database.reading() as connection:
            query = sa.select(executions.c.execution_id).where(self._is(execution_id))
            return connection.execute(query).first() is not None

    def ids(self, before: str | None = None, **among: Collection[str]) -> Iterator[str]:
        """Yield ids, the newest first: of those made before a time, and of which columns have one of some values."""
        place = (executions.c.created_at_utc, executions.c.execution_id)
        query = sa.select(*place).where(executions.c.tenant_id == self.tenant_id)
        if before is not None:
            query = query.where(executions.c.created_at_utc < before)
        for name, values in among.items():
            query = query.where(executions.c[name].in_(list(values)))
        query = query.order_by(*(column.desc() for column in place)).limit(PAGE)
        following = query
        while True:
            with self.database.reading() as connection:
                rows = connection.execute(following).all()
            for row in rows:
                yield row.execution_id
            if len(rows) < PAGE:
                return
            following = query.where(sa.tuple_(*place) < sa.tuple_(*rows[-1]))

    def delete(self, execution_id: str) -> None:
        """Remove an execution, its stages and its payload."""
        with self.database.writing() as connection:
            connection.execute(sa.delete(executions).where(self._is(execution_id)))

    # ------------------------------------------------------------------ rows

    def _insert(self, row: Mapping[str, Any], request: bytes, response: bytes | None = None) -> bool:
        """Insert an execution, its stages and its payload; return whether its id was free."""
        key = self._key(row["execution_id"])
        payload = {"request": _compressed(request), "response": None if response is None else _compressed(response)}
        done = row.get("completed_at_utc")
        failed = done if row["lineage_status"] == Status.FAILED else None
        calculate = {"status": row["status"], "started_at_utc": row["started_at_utc"], "completed_at_utc": done}
        materialise = {"status": row["lineage_status"], "started_at_utc": None, "completed_at_utc": failed}
        try:
            with self.database.writing() as connection:
                connection.execute(sa.insert(executions), row)
                connection.execute(
                    sa.insert(stages),
                    [
                        {**key, "stage_name": Stage.CALCULATE, **calculate},
                        {**key, "stage_name": Stage.MATERIALISE, **materialise},
                    ],
                )
                connection.execute(sa.insert(payloads), {**key, **payload})
        except IntegrityError:
            return False
        return True

    def _row(self, ticket: Ticket, status: Status, started: str | None) -> dict[str, Any]:
        now = utc_now()
        return {
            **self._key(ticket.execution_id),
            "analytics_type": ticket.analytics_type,
            "portfolio_id": ticket.portfolio_id,
            "execution_mode": ticket.mode,
            "status": status,
            "requested_window": json.dumps(ticket.requested_window),
            "engine_version": ticket.engine_version,
            "input_fingerprint": ticket.input_fingerprint,
            "calculation_hash": ticket.calculation_hash,
            "created_at_utc": started or now,
            "started_at_utc": started,
            "lineage_status": Status.PENDING,
            "due_utc": now,
            "attempts": 0,
        }

    def _move(self, connection: Connection, execution_id: str, stage: Stage, status: Status) -> None:
        """Set where a stage stands, and since when."""
        now = utc_now()
        times: dict[Status, dict[str, str | None]] = {
            Status.PENDING: {"started_at_utc": None, "completed_at_utc": None},
            Status.RUNNING: {"started_at_utc": now, "completed_at_utc": None},
        }
        connection.execute(
            sa.update(stages)
            .where(*self._keys(stages, execution_id), stages.c.stage_name == stage)
            .values(status=status, **times.get(status, {"completed_at_utc": now}))
        )

    def _key(self, execution_id: str) -> dict[str, str]:
        return {"tenant_id": self.tenant_id, "execution_id": execution_id}

    def _keys(self, table: sa.Table, execution_id: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return table.c.tenant_id == self.tenant_id, table.c.execution_id == execution_id

    def _is(self, execution_id: str) -> sa.ColumnElement[bool]:
        return sa.and_(*self._keys(executions, execution_id))

    def _is_open(self, ticket: Ticket) -> sa.ColumnElement[bool]:
        """Return the condition that an execution is that of a ticket, and has no answer yet."""
        return (
            self._is(ticket.execution_id)
            & (executions.c.status != Status.COMPLETE)
            & (executions.c.input_fingerprint == ticket.input_fingerprint)
            & (executions.c.analytics_type == ticket.analytics_type)
        )


def _execution(row: Row[Any]) -> Execution:
    try:
        return _read(row)
    except ValueError:
        raise StoredIntegrityError(f"The row of calculation {row.execution_id} is not what was written.") from None


def _read(row: Row[Any]) -> Execution:
    return Execution(
        execution_id=row.execution_id,
        analytics_type=row.analytics_type,
        portfolio_id=row.portfolio_id,
        mode=row.execution_mode,
        status=Status(row.status),
        requested_window=json.loads(row.requested_window),
        engine_version=row.engine_version,
        input_fingerprint=row.input_fingerprint,
        calculation_hash=row.calculation_hash,
        result_hash=row.result_hash,
        response_sha256=row.response_sha256,
        problem=None if row.problem is None else json.loads(row.problem),
        created_at_utc=row.created_at_utc,
        started_at_utc=row.started_at_utc,
        completed_at_utc=row.completed_at_utc,
        lineage_status=Status(row.lineage_status),
        lineage_error=row.lineage_error,
        manifest_sha256=row.manifest_sha256,
        attempts=row.attempts,
    )


def _compressed(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, write_checksum=True).compress(text)


def _expanded(text: bytes) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(text)
    except zstandard.ZstdError as error:
        raise StoredIntegrityError("What was kept of this calculation is not what was written.") from error


def _checked(compressed: bytes, digest: str | None, what: str) -> bytes:
    text = _expanded(compressed)
    if sha256_of(text) != digest:
        raise StoredIntegrityError(f"The {what} of this calculation is not the one that was kept.")
    return text


def _cursor(created: str, execution_id: str) -> str:
    return base64.urlsafe_b64encode(f"{created} {execution_id}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[str, str]:
    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii")
    except (binascii.Error, UnicodeError):
        text = ""
    read = _CURSOR.fullmatch(text)
    if read is None:
        raise InvalidCursorError("The cursor is none of ours; send `next_cursor` of an earlier answer.")
    return read[1], read[2]
