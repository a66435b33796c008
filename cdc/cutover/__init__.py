"""The cut-over to PostgreSQL as the primary store: rehearsed, run, stopped, and watched afterwards."""
