"""Keep the console for what matters."""

import warnings


def quiet_localhost() -> None:
    """Let urllib3 not warn at every request that the SDK trusts the certificate of a Cosmos server on this machine."""
    warnings.filterwarnings("ignore", message="Unverified HTTPS request is being made to host '(localhost|127.0.0.1)'")
