"""The HTTP API, without a framework."""
