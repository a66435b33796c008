"""The sink's server: connections, the ledger, rows, and what is known of the source containers."""
