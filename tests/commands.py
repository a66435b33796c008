"""Run commands of the app in this process: one of its own would take seconds to import what is here already."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import cdc.command
from local import stack
from local.stack import ROOT


def prepare(settings: Mapping[str, str]) -> dict[str, str]:
    """Do as `local.stack.prepare` does, without a process."""
    return stack.prepare(settings, set_up=lambda owners: run_command("setup", settings=owners).returncode)


def run_command(
    *arguments: str, settings: Mapping[str, str], folder: Path = ROOT, main: Callable[[], int] = cdc.command.main
) -> "subprocess.CompletedProcess[str]":
    """Do as `python -m cdc` does in a folder with an environment of these settings; return what it prints and its code.

    `main` is the command's own.
    """
    out, err = StringIO(), StringIO()
    with (
        patch.object(os, "environ", {"PATH": os.environ["PATH"], **settings}),
        patch.object(sys, "argv", ["cdc", *arguments]),
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
