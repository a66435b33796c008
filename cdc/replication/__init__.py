"""Batches of changes, from the change feed to the committed rows."""
