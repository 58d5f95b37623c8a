"""The command line: ``lotus-performance``."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from lotus_performance.cli.output import complain
from lotus_performance.cli.parser import make_parser
from lotus_performance.errors import PerformanceError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        try:
            return _run(make_parser().parse_args(arguments))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has enough. What is still buffered must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _run(options: Any) -> int:
    # Only now, so that --help need not wait for what calculates.
    command: Callable[[Any], int] = getattr(import_module(f"{__name__}.{options.module}"), options.function)
    from lotus_performance.settings import SettingsError

    try:
        return command(options)
    except (SettingsError, PerformanceError) as error:
        complain([f"lotus-performance: {error}"])
        return 2
