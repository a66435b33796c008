"""The engine: it knows changes, rows and stores, and no entity."""
