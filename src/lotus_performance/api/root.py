"""`GET /`: what this service is, for programs and for people."""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from lotus_performance import __version__
from lotus_performance.api.errors import with_domain_handlers
from lotus_performance.api.openapi_lineage import read_example
from lotus_performance.api.pages import page
from lotus_performance.api.wire import JSON

HTML = "text/html"
MEMBERS = ("perf_date", "begin_mv", "bod_cf", "end_mv", "eod_cf", "mgmt_fees")
"""Columns of the example, in the order in which a day has them."""

bp = with_domain_handlers(Blueprint("root", __name__))


@bp.get("/")
def get_root() -> ResponseReturnValue:
    """Say what this service is: as a page to those who would rather have HTML, else as JSON."""
    accepted = request.accept_mimetypes
    if accepted.quality(HTML) > accepted.quality(JSON):
        response = page("root.html", version=__version__, members=MEMBERS, example=read_example("twr_five_days"))
    else:
        response = jsonify(
            message="Portfolio performance analytics: returns, time- and money-weighted, contribution, attribution.",
            service="lotus-performance",
            version=__version__,
            docs="/docs",
        )
    response.vary.add("Accept")
    return response
