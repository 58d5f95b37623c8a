"""The command line: ``lotus-performance``."""

import argparse
import os
import sys
from collections.abc import Sequence

from lotus_performance import __version__
from lotus_performance.settings import SettingsError, read_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _serve(options)
    except SettingsError as error:
        print(f"lotus-performance: {error}", file=sys.stderr)  # noqa: T201
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lotus-performance", description="Portfolio performance analytics.")
    parser.add_argument("--version", action="version", version=f"lotus-performance {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the service", description="Run the service until SIGTERM.")
    serve.add_argument("--host", help="address to listen on (setting HOST, default 127.0.0.1)")
    serve.add_argument("--port", help="port to listen on (setting PORT, default 8000)")
    serve.add_argument("--workers", help="processes (setting WEB_CONCURRENCY, default one a core)")
    return parser


def _serve(options: argparse.Namespace) -> int:
    given = {"HOST": options.host, "PORT": options.port, "WEB_CONCURRENCY": options.workers}
    os.environ.update({name: value for name, value in given.items() if value is not None})
    read_settings()  # a fault is told here, in one line, and not in the middle of the server's start
    server = ["-m", "gunicorn", "--config", "python:lotus_performance.gunicorn_conf", "lotus_performance.wsgi:app"]
    os.execv(sys.executable, [sys.executable, *server])  # noqa: S606 -- our own interpreter, no shell


if __name__ == "__main__":
    raise SystemExit(main())
