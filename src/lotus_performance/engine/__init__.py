"""The calculations: pure functions on numpy arrays, without input, output, clock or log."""

ENGINE_VERSION = "1"
"""Changes whenever a figure of an unchanged request can change."""
