"""From the wire to engine types: one marshmallow schema for each request."""
