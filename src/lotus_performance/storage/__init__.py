"""What is kept of every calculation: executions and payloads in a database, artifacts in a folder."""
