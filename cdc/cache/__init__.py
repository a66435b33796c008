"""The application's cache in Redis."""
