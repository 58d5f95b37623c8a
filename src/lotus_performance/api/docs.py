"""The documentation: `/openapi.json`, the interactive page, the problems explained. All of it works offline."""

from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, abort, current_app, request, send_from_directory
from flask.typing import ResponseReturnValue

from lotus_performance.api.conventions import conventions
from lotus_performance.api.errors import with_domain_handlers
from lotus_performance.api.openapi import build_document
from lotus_performance.api.pages import page, with_code
from lotus_performance.api.problems import FAULTS, PROBLEMS
from lotus_performance.api.wire import JSON, services
from lotus_performance.strict_json import dump_json

DOCUMENT = "lotus-performance-openapi"
SWAGGER_UI = str(files("flask_swagger_ui") / "dist")
OWN = str(files("lotus_performance") / "api" / "static")
ASSETS = {
    "swagger-ui.css": SWAGGER_UI,
    "swagger-ui-bundle.js": SWAGGER_UI,
    "favicon-32x32.png": SWAGGER_UI,
    "docs.js": OWN,
    "docs.css": OWN,
    "nav.css": OWN,
    "pages.css": OWN,
    "root.css": OWN,
    "root.js": OWN,
}
"""Files that pages may load, and the folder of each."""

ASSET_SECONDS = 3600

bp = with_domain_handlers(Blueprint("docs", __name__))
bp.add_app_template_filter(with_code)


@bp.get("/openapi.json")
def get_openapi() -> ResponseReturnValue:
    """Return the OpenAPI document, which is built once for each application."""
    extensions: dict[str, Any] = current_app.extensions
    if DOCUMENT not in extensions:
        extensions[DOCUMENT] = dump_json(build_document(current_app))
    response = Response(extensions[DOCUMENT], mimetype=JSON, headers={"Cache-Control": "no-cache"})
    response.add_etag()
    return response.make_conditional(request)


@bp.get("/docs")
def get_docs() -> ResponseReturnValue:
    """Show the interactive documentation."""
    return page("docs.html")


@bp.get("/docs/conventions")
def get_conventions() -> ResponseReturnValue:
    """Show what holds for every operation, with the limits of this service."""
    shared = services()
    return page("conventions.html", is_kept=shared.lineage is not None, **conventions(shared.limits))


@bp.get("/docs/problems")
def get_problems() -> ResponseReturnValue:
    """Explain each problem at its anchor."""
    return page("problems.html", problems=PROBLEMS.values(), faults=FAULTS)


@bp.get("/docs/assets/<name>")
def get_asset(name: str) -> ResponseReturnValue:
    """Return a file that pages load, if it is one of those listed."""
    if name not in ASSETS:
        abort(404)
    return send_from_directory(ASSETS[name], name, max_age=ASSET_SECONDS)
