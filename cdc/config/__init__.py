"""Settings and connections."""
