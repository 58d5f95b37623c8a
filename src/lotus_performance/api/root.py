"""`GET /`: what this service is, for programs and for people."""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from lotus_performance import __version__
from lotus_performance.api.errors import with_domain_handlers
from lotus_performance.api.pages import page
from lotus_performance.api.wire import JSON

HTML = "text/html"

bp = with_domain_handlers(Blueprint("root", __name__))


@bp.get("/")
def get_root() -> ResponseReturnValue:
    """Say what this service is: as a page to those who would rather have HTML, else as JSON."""
    accepted = request.accept_mimetypes
    if accepted.quality(HTML) > accepted.quality(JSON):
        response = page("root.html", version=__version__)
    else:
        response = jsonify(
            message="Portfolio performance analytics: time-weighted and money-weighted returns.",
            service="lotus-performance",
            version=__version__,
            docs="/docs",
        )
    response.vary.add("Accept")
    return response
