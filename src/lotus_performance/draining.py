"""Whether the service is about to stop: one byte that the server's processes share."""

import mmap

# Anonymous shared memory, made before the server forks its workers, which inherit it.
_flag = mmap.mmap(-1, 1)


def begin_draining() -> None:
    """Tell every process that no new requests are welcome."""
    _flag[0] = 1


def is_draining() -> bool:
    """Return whether the service is about to stop."""
    return _flag[0] == 1
