"""The OpenAPI document, without a server."""

import argparse
from dataclasses import replace

from lotus_performance.api.openapi import build_document
from lotus_performance.app import create_app
from lotus_performance.cli.output import write
from lotus_performance.settings import read_settings
from lotus_performance.strict_json import dump_json


def run(options: argparse.Namespace) -> int:
    """Print what ``GET /openapi.json`` answers under the same settings."""
    # Nothing is kept, so that no database is opened for it.
    app = create_app(replace(read_settings(), lineage_mode="off"))
    write(f"{dump_json(build_document(app)).decode()}\n")
    return 0
