"""The WSGI application."""

from lotus_performance.app import create_app
from lotus_performance.settings import read_settings
from lotus_performance.telemetry import configure_logging

_settings = read_settings()
configure_logging(_settings.log_level)
app = create_app(_settings)
