"""Room on a disk: what is full or cannot be written is found out before something is half written."""

import os
from pathlib import Path

FEWEST_BYTES = 256 * 1024
FEWEST_FILES = 16
"""Free space and file entries below which nothing more is taken."""


def refuse_without_room(folder: Path) -> None:
    """Raise OSError when nothing more can be written to a folder."""
    space = os.statvfs(folder)
    has_space = space.f_bavail * space.f_frsize >= FEWEST_BYTES
    has_entries = space.f_files == 0 or space.f_favail >= FEWEST_FILES  # some file systems do not count them
    if not (has_space and has_entries and os.access(folder, os.W_OK)):
        raise OSError("no space or no permission")
