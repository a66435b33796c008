"""The command line: see python -m cdc --help."""

import errno
import os
import signal
import sys


def main() -> int:
    """Run one command; Ctrl-C, a reader that went away, and a disk that is full end it without a traceback."""
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
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more
        if error.errno == errno.EPIPE:
            return 128 + signal.SIGPIPE
        print(f"What the command writes has no room: {error.strerror}.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
