"""What all HTML pages share: they load nothing from another host and run no script but ours."""

from typing import Any

from flask import Response, make_response, render_template
from markupsafe import Markup, escape

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Swagger UI's style sheet draws its arrows from data:
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def page(template: str, **context: Any) -> Response:
    """Return a page that a browser asks for again each time."""
    response = make_response(render_template(template, **context))
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-cache"
    return response


def with_code(text: str) -> Markup:
    """Return a text with what stands between backticks marked as code."""
    parts = text.split("`")
    return Markup().join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
    )
