"""PostgreSQL: connections, the ledger, rows, and the state of the source containers."""
