"""The application factory."""

from flask import Flask

from lotus_performance.api import (
    attribution,
    contribution,
    docs,
    executions,
    health,
    integration,
    lineage,
    mwr,
    root,
    twr,
)
from lotus_performance.api.errors import register_application_handlers
from lotus_performance.api.integration import register_integration
from lotus_performance.api.trace import register_tracing
from lotus_performance.api.wire import EXTENSION, Services
from lotus_performance.jobs.run import Jobs
from lotus_performance.keep import keep, limits_of, returns_jobs
from lotus_performance.schemas.attribution import AttributionRequestSchema
from lotus_performance.schemas.contribution import ContributionRequestSchema
from lotus_performance.schemas.limits import Limits
from lotus_performance.schemas.mwr import MwrRequestSchema
from lotus_performance.schemas.twr import TwrRequestSchema
from lotus_performance.services.capabilities import STATEFUL, STATELESS, Switches
from lotus_performance.settings import Settings, read_settings

BLUEPRINTS = (
    twr.bp,
    mwr.bp,
    contribution.bp,
    attribution.bp,
    integration.bp,
    lineage.bp,
    executions.bp,
    health.bp,
    root.bp,
    docs.bp,
)
SCHEMAS = (TwrRequestSchema, MwrRequestSchema, ContributionRequestSchema, AttributionRequestSchema)


def create_app(settings: Settings | None = None) -> Flask:
    """Return the service; settings default to those of the environment."""
    settings = settings or read_settings()
    app = Flask("lotus_performance", static_folder=None, template_folder="api/templates")
    limits = limits_of(settings)
    shared = app.extensions[EXTENSION] = _services(settings, limits)
    register_tracing(app)
    register_integration(app, returns_jobs(settings, shared.lineage), _switches(settings))
    register_application_handlers(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


def _services(settings: Settings, limits: Limits) -> Services:
    """Return what the views share; a database of another schema is refused here."""
    kept = keep(settings)
    if kept is None:
        return Services(Jobs(), limits, SCHEMAS)
    kept.executions.database.refuse_other_schema()
    jobs = Jobs(kept.executions, kept.ensure if settings.lineage_mode == "sync" else None)
    return Services(jobs, limits, SCHEMAS, kept)


def _switches(settings: Settings) -> Switches:
    is_on = {
        "pa.analytics.twr": settings.cap_twr,
        "pa.analytics.mwr": settings.cap_mwr,
        "pa.analytics.contribution": settings.cap_contribution,
        "pa.analytics.attribution": settings.cap_attribution,
        STATELESS: settings.mode_stateless,
        STATEFUL: settings.mode_stateful,
    }
    return Switches(is_on, has_core=bool(settings.core_url))
