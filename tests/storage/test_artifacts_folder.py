"""Artifacts in their folder: there as a whole or not at all, and nothing served that is not what was written."""

import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lotus_performance.cli import main
from lotus_performance.errors import ArtifactNotFoundError, IntegrityError, LineageUnavailableError
from lotus_performance.storage import artifacts as module
from lotus_performance.storage import tables
from lotus_performance.storage.artifacts import Artifacts
from stored import Stored, new_id

FILES = {"request.json": b"{}", "response.json": b'{"a":1}', "empty.csv": b""}
SECONDS = 1.0
ID = "0f5433fb-3c9c-4d77-9b6e-c23f34d9b247"


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "lineage")


def written(artifacts: Artifacts, files: dict[str, bytes] = FILES, **about: Any) -> tuple[str, str]:
    calculation_id = new_id()
    return calculation_id, artifacts.write(calculation_id, files, {"calculation_id": calculation_id, **about})


def left_over(artifacts: Artifacts) -> list[Path]:
    return list(artifacts.root.glob(f"*/{module.PREFIX}*"))


# ---------------------------------------------------------------- writing


def test_what_was_written_is_read_again(artifacts: Artifacts) -> None:
    calculation_id, digest = written(artifacts)
    for name, content in FILES.items():
        assert artifacts.artifact(calculation_id, name, digest) == (content, hashlib.sha256(content).hexdigest())
    assert artifacts.verify(calculation_id, digest) == []
    assert left_over(artifacts) == []


def test_the_checksum_is_that_of_the_manifest(artifacts: Artifacts) -> None:
    calculation_id, digest = written(artifacts)
    content = (artifacts.folder(calculation_id) / "manifest.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest


def test_a_whole_folder_that_says_the_same_stays(artifacts: Artifacts) -> None:
    calculation_id, digest = written(artifacts, result_hash="1")
    before = (artifacts.folder(calculation_id) / "request.json").stat().st_ino
    about = {"calculation_id": calculation_id, "result_hash": "1"}
    assert artifacts.write(calculation_id, FILES | {"more.csv": b"1"}, about) == digest
    assert (artifacts.folder(calculation_id) / "request.json").stat().st_ino == before
    assert left_over(artifacts) == []


@pytest.mark.parametrize("broken", ["other-data", "no-manifest", "changed", "a-file", "a-link", "empty"])
def test_a_folder_that_is_not_whole_or_says_something_else_is_replaced(artifacts: Artifacts, broken: str) -> None:
    calculation_id, _ = written(artifacts, result_hash="2" if broken == "other-data" else "1")
    folder = artifacts.folder(calculation_id)
    if broken == "no-manifest":
        (folder / "manifest.json").unlink()
    elif broken == "changed":
        (folder / "request.json").write_bytes(b"[]")
    elif broken in ("a-file", "a-link", "empty"):
        shutil.rmtree(folder)
        {"a-file": folder.touch, "a-link": lambda: folder.symlink_to("/"), "empty": folder.mkdir}[broken]()
    digest = artifacts.write(calculation_id, FILES, {"calculation_id": calculation_id, "result_hash": "1"})
    assert artifacts.verify(calculation_id, digest) == []
    assert left_over(artifacts) == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/a", ".hidden", "a\x00", "a\n", "x" * 200, "manifest.json", "ä"]
)
def test_a_name_that_could_be_a_path_is_never_written(artifacts: Artifacts, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of an artifact"):
        written(artifacts, {name: b""})
    assert not artifacts.root.exists()


@pytest.mark.parametrize("calculation_id", ["", "..", "../../x", "A" * 36, ID.upper(), f"{ID}\n", ID[:-1]])
def test_an_id_that_could_be_a_path_is_never_asked_for(artifacts: Artifacts, calculation_id: str) -> None:
    with pytest.raises(ValueError, match="not a UUID"):
        artifacts.folder(calculation_id)


def test_what_is_removed_is_gone(artifacts: Artifacts) -> None:
    calculation_id, _ = written(artifacts)
    artifacts.remove(calculation_id)
    artifacts.remove(calculation_id)
    assert not artifacts.folder(calculation_id).exists()
    assert left_over(artifacts) == []


def test_left_overs_are_swept_when_nobody_can_be_writing_them_any_more(artifacts: Artifacts) -> None:
    calculation_id, digest = written(artifacts)
    parent = artifacts.folder(calculation_id).parent
    for name, age in (("old", module.LEFT_OVER_SECONDS + 5), ("fresh", 0)):
        (parent / f"{module.PREFIX}{name}").mkdir()
        (parent / f"{module.PREFIX}{name}" / "request.json").touch()
        os.utime(parent / f"{module.PREFIX}{name}", (time.time() - age,) * 2)
    artifacts.sweep()
    assert [path.name for path in left_over(artifacts)] == [f"{module.PREFIX}fresh"]
    assert artifacts.verify(calculation_id, digest) == []


def test_no_space_is_told_before_anything_is_accepted(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts.probe()
    real = os.statvfs(artifacts.root)

    class Full:
        f_bavail, f_frsize, f_files, f_favail = 0, real.f_frsize, 0, 0

    class NoEntries:
        f_bavail, f_frsize, f_files, f_favail = real.f_bavail, real.f_frsize, 200, 3

    for kind in (Full, NoEntries):
        monkeypatch.setattr(os, "statvfs", lambda _, kind=kind: kind)
        with pytest.raises(LineageUnavailableError):
            artifacts.probe()


# ---------------------------------------------------------------- tampering

NAME = "twr_calculation_details.csv"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(folder: Path) -> None:
    (folder / NAME).rename(folder / "x")
    (folder / "request.json").rename(folder / NAME)
    (folder / "x").rename(folder / "request.json")


def replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(path.parent)
        listening.bind(path.name)


def rewrite(folder: Path, change: Callable[[Any], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True))


def forge(folder: Path) -> None:
    """Change a file and the manifest with it, as one would who knows how it is made."""
    content = (folder / NAME).read_bytes().replace(b"1", b"2")
    (folder / NAME).write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    rewrite(folder, lambda manifest: manifest["artifacts"].update({NAME: entry}))


TAMPERING: dict[str, tuple[Callable[[Path], object], int]] = {
    "changed": (lambda folder: flip(folder / NAME), 500),
    "cut": (lambda folder: (folder / NAME).write_bytes((folder / NAME).read_bytes()[:-1]), 500),
    "longer": (lambda folder: (folder / NAME).write_bytes((folder / NAME).read_bytes() + b"\n"), 500),
    "huge": (lambda folder: os.truncate(folder / NAME, 2**40), 500),
    "emptied": (lambda folder: (folder / NAME).write_bytes(b""), 500),
    "swapped": (swap, 500),
    "missing": (lambda folder: (folder / NAME).unlink(), 500),
    "symbolic-link": (lambda folder: replace(folder / NAME, lambda path: path.symlink_to("request.json")), 500),
    "link-to-a-secret": (lambda folder: replace(folder / NAME, lambda path: path.symlink_to("/etc/passwd")), 500),
    "link-to-nothing": (lambda folder: replace(folder / NAME, lambda path: path.symlink_to("/nowhere")), 500),
    "fifo": (lambda folder: replace(folder / NAME, os.mkfifo), 500),
    "folder": (lambda folder: replace(folder / NAME, os.mkdir), 500),
    "socket": (lambda folder: replace(folder / NAME, listen), 500),
    "device": (lambda folder: replace(folder / NAME, lambda path: path.symlink_to("/dev/zero")), 500),
    "forged": (forge, 500),
    "manifest-empty": (lambda folder: (folder / "manifest.json").write_bytes(b""), 500),
    "manifest-no-json": (lambda folder: (folder / "manifest.json").write_bytes(b"{"), 500),
    "manifest-list": (lambda folder: (folder / "manifest.json").write_bytes(b"[]"), 500),
    "manifest-nested": (lambda folder: (folder / "manifest.json").write_bytes(b"[" * 100_000), 500),
    "manifest-not-utf8": (lambda folder: (folder / "manifest.json").write_bytes(b'{"a":"\xff"}'), 500),
    "manifest-huge": (lambda folder: os.truncate(folder / "manifest.json", 2**40), 500),
    "manifest-flipped": (lambda folder: flip(folder / "manifest.json"), 500),
    "manifest-no-size": (lambda folder: rewrite(folder, lambda m: m["artifacts"][NAME].pop("size")), 500),
    "manifest-size-a-text": (lambda folder: rewrite(folder, lambda m: m["artifacts"][NAME].update(size="1")), 500),
    "manifest-size-below-0": (lambda folder: rewrite(folder, lambda m: m["artifacts"][NAME].update(size=-5)), 500),
    "manifest-adds": (
        lambda folder: rewrite(folder, lambda m: m["artifacts"].update({"../x": m["artifacts"][NAME]})),
        500,
    ),
    "manifest-of-another": (lambda folder: rewrite(folder, lambda m: m.update(calculation_id=new_id())), 500),
    "manifest-a-link": (lambda folder: replace(folder / "manifest.json", lambda path: path.symlink_to(NAME)), 500),
    "manifest-a-fifo": (lambda folder: replace(folder / "manifest.json", os.mkfifo), 500),
    "manifest-missing": (lambda folder: (folder / "manifest.json").unlink(), 404),
    "folder-missing": (shutil.rmtree, 404),
}


def moved(folder: Path) -> Path:
    return folder.rename(folder.with_name("moved"))


@pytest.mark.parametrize("kind", TAMPERING)
def test_tampering_shows_and_nothing_is_served_as_good(
    stored: Stored, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(stored.settings.data_dir)
    calculation_id = stored.calculate()
    other = stored.calculate()
    stored.work()
    tamper, status = TAMPERING[kind]
    tamper(stored.folder(calculation_id))
    began = time.monotonic()
    answer = stored.get(f"/lineage/{calculation_id}/{NAME}")
    assert time.monotonic() - began < SECONDS
    code = {404: "manifest_missing", 500: "integrity_error"}[status]
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    view = stored.get(f"/performance/lineage/{calculation_id}")
    assert view.status_code == 200 or view.get_json()["code"] == code
    # `verify` names it, and only it.
    assert stored.lineage.faults(calculation_id)
    assert stored.lineage.faults(other) == []
    for name, value in stored.environment().items():
        monkeypatch.setenv(name, value)
    assert main(["lineage", "verify"]) == 1
    told = capsys.readouterr().out
    assert calculation_id in told
    assert other not in told


def test_a_folder_that_is_a_link_is_not_followed(stored: Stored) -> None:
    calculation_id = stored.calculate()
    stored.work()
    folder = stored.folder(calculation_id)
    folder.symlink_to(moved(folder))
    assert stored.code(f"/lineage/{calculation_id}/{NAME}") == (500, "integrity_error")


def test_the_folder_of_another_calculation_is_not_taken_for_this_one(stored: Stored) -> None:
    first, second = stored.calculate(), stored.calculate()
    stored.work()
    shutil.rmtree(stored.folder(first))
    shutil.copytree(stored.folder(second), stored.folder(first))
    assert stored.code(f"/performance/lineage/{first}") == (500, "integrity_error")


@pytest.mark.parametrize("name", ["extra.csv", ".new-x", "line\nbreak"])
def test_an_extra_file_is_not_served_and_is_found(stored: Stored, name: str) -> None:
    calculation_id = stored.calculate()
    stored.work()
    (stored.folder(calculation_id) / name).write_bytes(b"x")
    assert stored.get(f"/lineage/{calculation_id}/{name.replace(chr(10), '%0a')}").status_code == 404
    (fault,) = stored.lineage.faults(calculation_id)
    assert "is not in the manifest" in fault
    assert "\n" not in fault


def test_no_descriptor_stays_open(stored: Stored) -> None:
    calculation_id = stored.calculate()
    stored.work()
    replace(stored.folder(calculation_id) / NAME, os.mkdir)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        stored.get(f"/lineage/{calculation_id}/{NAME}")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_name_outside_the_manifest_is_not_found(artifacts: Artifacts) -> None:
    calculation_id, digest = written(artifacts)
    for name in ("manifest.json", "other.csv", "../x"):
        with pytest.raises(ArtifactNotFoundError):
            artifacts.artifact(calculation_id, name, digest)
    with pytest.raises(IntegrityError):
        artifacts.manifest(calculation_id, "0" * 64)


# ---------------------------------------------------------------- commands


@pytest.fixture
def command(stored: Stored, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `lotus-performance lineage` on the storage; it returns status and output."""
    for name, value in stored.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        status = main(["lineage", *arguments])
        return status, capsys.readouterr().out

    return run


def test_verify_finds_one_flipped_byte_of_any_file(stored: Stored, command: Callable[..., tuple[int, str]]) -> None:
    calculation_id = stored.calculate()
    stored.calculate()
    stored.work()
    assert command("verify") == (0, "2 calculations checked, 0 not as they were written\n")
    for path in sorted(stored.folder(calculation_id).iterdir()):
        flip(path)
        status, told = command("verify")
        assert (status, told.splitlines()[-1]) == (1, "2 calculations checked, 1 not as they were written")
        flip(path)
    assert command("verify")[0] == 0


def test_replay_of_all_says_when_a_figure_differs(
    stored: Stored, command: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [stored.calculate("mwr_one_year"), stored.calculate()]
    assert command("replay") == (0, "2 calculations calculated anew, 0 did not give their figures\n")
    assert command("replay", ids[0]) == (0, "1 calculations calculated anew, 0 did not give their figures\n")
    monkeypatch.setattr("lotus_performance.jobs.lineage._compared", lambda *_: (False, 1.5))
    status, told = command("replay", ids[1])
    assert (status, told.splitlines()[0]) == (1, f"{ids[1]}: differs by 1.5")


def test_prune_removes_what_is_old_and_all_of_it(
    stored: Stored, command: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = stored.calculate(), stored.calculate()
    stored.work()
    with stored.executions.database.writing() as connection:
        is_old = tables.executions.c.execution_id == old
        connection.execute(
            sa.update(tables.executions).where(is_old).values(created_at_utc="2020-01-01T00:00:00.000000Z")
        )
    assert command("prune", "--older-than", "30") == (0, "1 calculations removed\n")
    assert not stored.folder(old).exists()
    assert stored.code(f"/performance/lineage/{old}") == (404, "lineage_not_found")
    assert stored.get(f"/lineage/{new}/request.json").status_code == 200
    assert command("verify") == (0, "1 calculations checked, 0 not as they were written\n")


@pytest.mark.parametrize("days", ["-1", "x", "1.5", "99999999999999"])
def test_prune_refuses_days_that_are_none(command: Callable[..., tuple[int, str]], days: str) -> None:
    with pytest.raises(SystemExit):
        command("prune", "--older-than", days)
