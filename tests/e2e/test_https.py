"""The commands against a Cosmos server with https and a certificate of its own, as the official emulator has."""

import os
import subprocess
import sys

from local.cosmos import CosmosServer
from local.patience import PATIENCE_SECONDS
from local.stack import ROOT, make_settings

COMMANDS = {
    "local.sample --documents 3 --seed 1": 0,
    "cdc setup": 0,
    "cdc check": 0,
    "local.compare": 1,
}


def test_commands_over_https_say_what_they_did_and_nothing_else(dsn: str) -> None:
    """Write, prepare, check and compare; the comparison finds that nothing was replicated."""
    with CosmosServer(tls=True) as server:
        settings = make_settings(server.connection_string, dsn)
        for command, code in COMMANDS.items():
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
