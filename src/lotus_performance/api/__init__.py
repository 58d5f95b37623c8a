"""The HTTP edge: Blueprints, error handlers, documentation."""
