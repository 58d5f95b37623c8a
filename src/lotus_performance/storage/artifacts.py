"""Artifacts: one folder a calculation, there as a whole or not at all, every file checked when it is read."""

import hashlib
import json
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lotus_performance.errors import (
    ArtifactNotFoundError,
    IntegrityError,
    LineageUnavailableError,
    ManifestMissingError,
)
from lotus_performance.storage.room import refuse_without_room

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 1024 * 1024
PREFIX = ".new-"
"""Begins the name of what is not whole yet."""
LEFT_OVER_SECONDS = 600.0
"""Age from which on nobody is still writing what is not whole."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Artifacts:
    """The folder of all artifacts."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, calculation_id: str) -> Path:
        """Return the folder of one calculation; its name is made of nothing but a checked UUID."""
        if not _ID.fullmatch(calculation_id):
            raise ValueError("not a UUID")
        return self.root / calculation_id[:2] / calculation_id

    def write(self, calculation_id: str, files: Mapping[str, bytes], about: Mapping[str, Any]) -> str:
        """Write the files of a calculation and a manifest that says `about` them; return the manifest's checksum.

        All is written and forced to the disk in a folder of another name, the manifest last, and the folder renamed:
        a manifest exists if and only if all of its files do. A folder that is there already, says the same and is
        whole stays as it is.
        """
        for name in files:
            if not _NAME.fullmatch(name) or name == MANIFEST:
                raise ValueError(f"not the name of an artifact: {name!r}")
        listed = {name: {"sha256": _digest(content), "size": len(content)} for name, content in files.items()}
        manifest = json.dumps({**about, "artifacts": listed}, indent=2, sort_keys=True).encode()
        folder = self.folder(calculation_id)
        new = folder.with_name(f"{PREFIX}{uuid.uuid4()}")
        with _disk_faults_named():
            if not folder.parent.is_dir():
                folder.parent.mkdir(parents=True, exist_ok=True)
                _sync_folder(self.root)
            try:
                new.mkdir()
                for name, content in files.items():
                    _write(new / name, content)
                _write(new / f"{PREFIX}{MANIFEST}", manifest)
                os.rename(new / f"{PREFIX}{MANIFEST}", new / MANIFEST)
                _sync_folder(new)
                digest = self._put_in_place(new, calculation_id, about) or _digest(manifest)
                _sync_folder(folder.parent)
            finally:
                _discard(new)
        return digest

    def _put_in_place(self, new: Path, calculation_id: str, about: Mapping[str, Any]) -> str | None:
        """Rename a folder to its place; return the checksum of the manifest that stands there and stays."""
        folder = self.folder(calculation_id)
        if os.path.lexists(folder):
            if not self.verify(calculation_id):
                there, digest = self._manifest(calculation_id)
                if there.items() >= about.items():
                    return digest
            old = folder.with_name(f"{PREFIX}{uuid.uuid4()}")
            os.rename(folder, old)
            os.rename(new, folder)
            _discard(old)
        else:
            os.rename(new, folder)
        return None

    def probe(self) -> None:
        """Raise LineageUnavailableError when nothing could be written at the moment."""
        with _disk_faults_named():
            self.root.mkdir(parents=True, exist_ok=True)
            refuse_without_room(self.root)

    def manifest(self, calculation_id: str, digest: str | None = None) -> dict[str, Any]:
        """Return the manifest of a calculation; `digest` is the checksum that it must have.

        Raises
        ------
        ManifestMissingError, IntegrityError
            It is not there, or not what was written.
        LineageUnavailableError
            The disk does not answer.
        """
        manifest, found = self._manifest(calculation_id)
        if digest not in (None, found):
            raise IntegrityError("The manifest of this calculation is not the one that was written.")
        return manifest

    def listed(self, calculation_id: str, digest: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the artifacts that a manifest names, each there with its size; raises what `manifest` does."""
        found: dict[str, dict[str, Any]] = self.manifest(calculation_id, digest)["artifacts"]
        folder = self.folder(calculation_id)
        with _disk_faults_named():
            for name, entry in found.items():
                try:
                    there = (folder / name).lstat()
                except FileNotFoundError:
                    raise IntegrityError("An artifact that the manifest names is missing.") from None
                if not stat.S_ISREG(there.st_mode) or there.st_size != entry["size"]:
                    raise IntegrityError("An artifact does not match its checksum.")
        return found

    def ids(self) -> Iterator[str]:
        """Yield the ids of all calculations that have a folder."""
        with _disk_faults_named():
            for path in self.root.glob("[0-9a-f][0-9a-f]/*"):
                if _ID.fullmatch(path.name):
                    yield path.name

    def artifact(self, calculation_id: str, name: str, digest: str | None = None) -> tuple[bytes, str]:
        """Return an artifact that its manifest names, and its checksum; raises what `manifest` does, and
        ArtifactNotFoundError."""
        entry = self.manifest(calculation_id, digest)["artifacts"].get(name)
        if entry is None or not _NAME.fullmatch(name):
            raise ArtifactNotFoundError("The calculation has no artifact of this name.")
        return self._checked(calculation_id, name, entry), entry["sha256"]

    def verify(self, calculation_id: str, digest: str | None = None) -> list[str]:
        """Return what is wrong with the artifacts of a calculation, a sentence each; nothing when all is well."""
        try:
            manifest = self.manifest(calculation_id, digest)
        except (ManifestMissingError, IntegrityError) as error:
            return [error.message]
        faults = []
        for name, entry in manifest["artifacts"].items():
            try:
                self._checked(calculation_id, name, entry)
            except IntegrityError as error:
                faults.append(f"{name}: {error.message}")
        with _disk_faults_named():
            there = set(os.listdir(self.folder(calculation_id)))
        extra = sorted(there - manifest["artifacts"].keys() - {MANIFEST})
        return faults + [f"{name!r} is not in the manifest." for name in extra]

    def remove(self, calculation_id: str) -> None:
        """Remove the artifacts of a calculation: all at once first, and then from the disk."""
        folder = self.folder(calculation_id)
        old = folder.with_name(f"{PREFIX}{uuid.uuid4()}")
        with _disk_faults_named():
            if os.path.lexists(folder):
                os.rename(folder, old)
                _discard(old)

    def sweep(self) -> None:
        """Remove what was never whole and is left over from a process that was killed."""
        oldest = time.time() - LEFT_OVER_SECONDS
        with _disk_faults_named():
            for path in self.root.glob(f"[0-9a-f][0-9a-f]/{PREFIX}*"):
                if path.lstat().st_mtime < oldest:
                    _discard(path)

    def _manifest(self, calculation_id: str) -> tuple[dict[str, Any], str]:
        text = self._read(calculation_id, MANIFEST, MAX_MANIFEST_BYTES)
        if text is None:
            raise ManifestMissingError("The calculation is known, but its manifest is missing.")
        try:
            manifest = json.loads(text)
            is_ours = manifest["calculation_id"] == calculation_id and all(
                type(entry["sha256"]) is str and type(entry["size"]) is int for entry in manifest["artifacts"].values()
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            is_ours = False
        if not is_ours:
            raise IntegrityError("The manifest of this calculation is broken.")
        return manifest, _digest(text)

    def _checked(self, calculation_id: str, name: str, entry: Mapping[str, Any]) -> bytes:
        content = self._read(calculation_id, name, entry["size"])
        if content is None:
            raise IntegrityError("An artifact that the manifest names is missing.")
        if len(content) != entry["size"] or _digest(content) != entry["sha256"]:
            raise IntegrityError("An artifact does not match its checksum.")
        return content

    def _read(self, calculation_id: str, name: str, most: int) -> bytes | None:
        """Return the content of a regular file, None where there is none; raises IntegrityError for anything else, or
        when it has more than `most` bytes."""
        folder = self.folder(calculation_id)
        path = folder / name
        with _disk_faults_named():
            try:
                # Neither a link out of the folder nor a pipe that never ends is followed.
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError:
                if not stat.S_ISREG(path.lstat().st_mode):
                    raise IntegrityError("An artifact is no regular file.") from None
                raise
            try:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode) or folder.is_symlink():
                    raise IntegrityError("An artifact is no regular file.")
                if found.st_size > most:
                    raise IntegrityError("An artifact does not match its checksum.")
                with open(descriptor, "rb", closefd=False) as file:
                    return file.read()
            finally:
                os.close(descriptor)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(path: Path) -> None:
    """Remove a folder or a file of a name that nobody reads; what cannot be removed is left to the next sweep."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _disk_faults_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LineageUnavailableError("The artifacts cannot be read or written at the moment.") from error
