"""Load function_app.py and index its functions, as the Python worker does."""

import importlib
import json
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from azure.functions.decorators.function_app import Function as Declared
from azure.functions.decorators.function_app import FunctionRegister

from local.functions import log, retry, signature
from local.functions.errors import HostError
from local.functions.retry import RetryPolicy
from local.functions.signature import JsonObject

_MODULE = "function_app"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
_DURABLE = {"orchestrationTrigger", "activityTrigger"}
_SUPPORTED = {"httpTrigger", "http", "timerTrigger", "cosmosDBTrigger", "durableClient", *_DURABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """Hold one indexed function and everything that an invocation needs to know of it."""

    name: str
    call: Callable[..., Any]
    trigger: JsonObject
    bindings: tuple[JsonObject, ...]
    directory: str
    retry: RetryPolicy | None
    takes_context: bool
    takes_text: bool

    @property
    def output(self) -> JsonObject | None:
        """Return the binding of the return value, if there is one; durable triggers are their own."""
        if self.trigger["type"] in _DURABLE:
            return self.trigger
        return next((binding for binding in self.bindings if binding["name"] == "$return"), None)

    @property
    def durable_clients(self) -> list[str]:
        """Return the parameters that are clients of durable functions."""
        return [binding["name"] for binding in self.bindings if binding["type"] == "durableClient"]


def load(root: Path, *, default_retry: RetryPolicy | None) -> list[Function]:
    """Import function_app.py from a folder and return its functions."""
    if not (root / f"{_MODULE}.py").is_file():
        raise HostError(f"{root / _MODULE}.py does not exist; --root names the folder of the app")
    app = _find_app(_import(root))
    # An app without HTTP functions makes the library warn about an auth level that nobody set.
    logging.disable(logging.WARNING)
    try:
        declared = app.get_functions()
    except (ValueError, TypeError) as error:
        raise HostError(f"{_MODULE}.py: {error}") from error
    finally:
        logging.disable(logging.NOTSET)
    if not declared:
        raise HostError(f"{_MODULE}.py declares no function: decorate one, with brackets, as by @app.route()")
    return [_index(function, root, default_retry) for function in declared]


def _import(root: Path) -> ModuleType:
    sys.path.insert(0, str(root))
    try:
        return importlib.import_module(_MODULE)
    except SystemExit as error:
        raise HostError(f"{_MODULE}.py cannot be imported: it ends the process (SystemExit: {error})") from error
    except Exception as error:
        place = "" if "\n" in str(error) else log.find_place(error)
        raise HostError(f"{_MODULE}.py cannot be imported: {type(error).__name__}: {error}{place}") from error


def _find_app(module: ModuleType) -> FunctionRegister:
    # A second name for the same app counts, as it does for the worker.
    found = {name: value for name, value in vars(module).items() if isinstance(value, FunctionRegister)}
    if len(found) != 1:
        names = f": {', '.join(found)}" if found else ""
        raise HostError(f"{_MODULE}.py must have exactly one FunctionApp, it has {len(found)}{names}")
    return next(iter(found.values()))


def _index(declared: Declared, root: Path, default_retry: RetryPolicy | None) -> Function:
    name = str(declared.get_function_name())
    if not _NAME.fullmatch(name):
        raise HostError(f"function {name}: a name has letters, digits, _ and -, begins with a letter and ends by 128")
    call = declared.get_user_function()
    bindings = tuple(json.loads(text) for text in declared.get_raw_bindings())
    _refuse_unsupported(name, bindings)
    signature.check(name, call, bindings)
    trigger = next(binding for binding in bindings if binding["type"].endswith("Trigger"))
    return Function(
        name=name,
        call=call,
        trigger=trigger,
        bindings=bindings,
        directory=str(root),
        retry=_read_retry(name, declared) or default_retry,
        takes_context=signature.takes_context(call, bindings),
        # An activity's input is JSON, whatever its annotation.
        takes_text=trigger["type"] != "activityTrigger" and signature.takes_text(call, trigger["name"]),
    )


def _refuse_unsupported(name: str, bindings: tuple[JsonObject, ...]) -> None:
    for binding in bindings:
        if binding["type"] not in _SUPPORTED:
            raise HostError(f"function {name}: this host does not run the binding {binding['type']}")


def _read_retry(name: str, declared: Declared) -> RetryPolicy | None:
    try:
        return retry.from_decorator(declared.get_settings_dict("retry_policy"))
    except HostError as error:
        raise HostError(f"function {name}: {error}") from None
