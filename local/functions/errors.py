"""Name what stops the host."""


class HostError(Exception):
    """Say in one text why the app cannot run, for whoever started the host."""
