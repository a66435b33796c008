"""Write one line per event to stderr."""

import json
import logging
import sys
import time
import traceback
from contextvars import ContextVar
from pathlib import Path

from local.console import quiet_localhost

# The function whose invocation runs in this context: lines of user code carry its name.
current_function: ContextVar[str | None] = ContextVar("current_function", default=None)

_LONGEST_MESSAGE = 500
_LIBRARIES = ("site-packages", "<frozen", "importlib", "concurrent/futures")
_FOREIGN = (*_LIBRARIES, str(Path(__file__).parent))
_CHATTY = ("azure", "aiohttp", "asyncio", "urllib3")


class _LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event = _describe(record)
        error = f": {event['error']}" if "error" in event else ""
        return f"{event['time']} {event['level']} {event['source']}: {event['message']}{error}"


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_describe(record), ensure_ascii=False)


def configure(*, verbose: bool, as_json: bool = False) -> None:
    """Send the log of the host and of the app to stderr: warnings, and with verbose also information."""
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(_JsonFormatter() if as_json else _LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    quiet_localhost()


def summarize(error: BaseException) -> str:
    """Return type, first line and place in the app of an exception."""
    return f"{type(error).__name__}: {shorten(str(error))}{find_place(error)}"


def shorten(text: str) -> str:
    """Return the first line of a text: further lines may quote a document."""
    return (text.splitlines() or [""])[0][:_LONGEST_MESSAGE]


def find_place(error: BaseException) -> str:
    """Return where an exception came from, as the last file and line of the app, if it went through the app."""
    return _find_last(error, _FOREIGN)


def find_place_in_host(error: BaseException) -> str:
    """Return the last file and line outside installed packages."""
    return _find_last(error, _LIBRARIES)


def _find_last(error: BaseException, foreign: tuple[str, ...]) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not any(part in frame.filename for part in foreign)]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""


def _describe(record: logging.LogRecord) -> dict[str, str]:
    event = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
        "level": record.levelname.lower(),
        "source": getattr(record, "function", None) or current_function.get() or _short(record.name),
        "message": " ".join(record.getMessage().splitlines()),
    }
    if record.exc_info and record.exc_info[1]:
        event["error"] = summarize(record.exc_info[1])
    return event


def _short(name: str) -> str:
    return "host" if name.startswith("local.functions") else name
