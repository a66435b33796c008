"""The command line: see python -m cdc --help."""

import os
import signal
import sys


def main() -> int:
    """Run one command; Ctrl-C, and a reader that went away, end it without a traceback."""
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # imports take seconds, and leave nothing to clean up
    from cdc import command

    signal.signal(signal.SIGINT, interrupt)
    try:
        try:
            return command.main()
        finally:
            print(end="", flush=True)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(main())
