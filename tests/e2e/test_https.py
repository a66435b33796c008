"""The commands against a Cosmos server with https and a certificate of its own, as the official emulator has."""

import os
import subprocess
import sys

from local import roles
from local.cosmos import CosmosServer
from local.patience import PATIENCE_SECONDS
from local.stack import ROOT, make_settings

COMMANDS = {
    "local.sample --documents 3 --seed 1": ("writer", 0),
    "cdc setup": ("owner", 0),
    "cdc check": ("writer", 0),
    "local.compare": ("reader", 1),
}


def test_commands_over_https_say_what_they_did_and_nothing_else(dsn: str) -> None:
    """Write, prepare, check and compare; the comparison finds that nothing was replicated."""
    with CosmosServer(tls=True) as server:
        logins = roles.create(dsn)
        for command, (login, code) in COMMANDS.items():
            settings = make_settings(server.connection_string, getattr(logins, login))
            done = subprocess.run(
                [sys.executable, "-m", *command.split()],
                cwd=ROOT,
                env={**os.environ, **settings},
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_SECONDS,
            )

            assert (command, done.stderr, done.returncode) == (command, "", code)
            roles.grant(logins)
