"""Check the templates without Azure; `python -m infra.check` prints what is wrong."""
