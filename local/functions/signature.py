"""Refuse functions whose parameters do not fit their bindings, as the Python worker does."""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import azure.functions as func
from azure.functions.meta import get_binding_registry

from local.functions.errors import HostError

JsonObject = dict[str, Any]

_RETURN = "$return"
_FITTING = {
    "http": "str or azure.functions.HttpResponse",
    "httpTrigger": "azure.functions.HttpRequest",
    "timerTrigger": "azure.functions.TimerRequest",
    "cosmosDBTrigger": "azure.functions.DocumentList or str",
}


def check(name: str, call: Callable[..., Any], bindings: Sequence[JsonObject]) -> None:
    """Refuse a function whose parameters, annotations or return value its bindings do not admit."""
    annotations = _annotations(name, call)
    parameters = set(inspect.signature(call).parameters)
    bound = {binding["name"]: binding for binding in bindings if binding["name"] != _RETURN}
    if "context" in parameters and "context" not in bound:
        _check_context(name, annotations)
        parameters.remove("context")
    _check_names(name, parameters, set(bound))
    for parameter, binding in bound.items():
        if parameter in annotations:
            _check_parameter(name, parameter, binding, annotations[parameter])
    _check_client(name, call, bindings)
    returned = [binding for binding in bindings if binding["name"] == _RETURN]
    if returned and "return" in annotations:
        _check_return(name, returned[0], annotations["return"])


def takes_context(call: Callable[..., Any], bindings: Sequence[JsonObject]) -> bool:
    """Tell whether a function asks for its invocation context."""
    return "context" in inspect.signature(call).parameters and all(b["name"] != "context" for b in bindings)


def takes_text(call: Callable[..., Any], parameter: str) -> bool:
    """Tell whether a function wants a payload as its text."""
    return typing.get_type_hints(call).get(parameter) in {str, bytes}


def _annotations(name: str, call: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(call)
    except (NameError, TypeError, SyntaxError) as error:
        raise HostError(f"function {name}: its annotations cannot be read: {error}") from error


def _check_context(name: str, annotations: Mapping[str, Any]) -> None:
    declared = annotations.get("context", func.Context)
    if getattr(declared, "__name__", None) != "Context":
        raise HostError(f"function {name}: the parameter context must be annotated with azure.functions.Context")


def _check_names(name: str, parameters: set[str], bound: set[str]) -> None:
    found = {"parameter without a binding": parameters - bound, "binding without a parameter": bound - parameters}
    told = [f"{fault}: {', '.join(sorted(names))}" for fault, names in found.items() if names]
    if told:
        raise HostError(f"function {name}: {'; '.join(told)}")


def _check_client(name: str, call: Callable[..., Any], bindings: Sequence[JsonObject]) -> None:
    # The decorator wraps the function in a coroutine: in production a sync one fails when that awaits its answer.
    declared = inspect.unwrap(call)
    if any(binding["type"] == "durableClient" for binding in bindings) and not inspect.iscoroutinefunction(declared):
        raise HostError(f"function {name}: a function with a client of durable functions must be async def")


def _check_parameter(name: str, parameter: str, binding: JsonObject, declared: Any) -> None:
    converter = get_binding_registry().get(binding["type"])  # type: ignore[no-untyped-call]
    if converter is None or (declared in {str, bytes} and binding["type"] != "httpTrigger"):
        return
    if not _admits(converter.check_input_type_annotation, declared):
        kind = binding["type"]
        raise HostError(
            f"function {name}: the annotation {_show(declared)} of {parameter} does not fit {kind}{_advise(kind)}"
        )


def _check_return(name: str, binding: JsonObject, declared: Any) -> None:
    converter = get_binding_registry().get(binding["type"])  # type: ignore[no-untyped-call]
    if converter is None or declared is str:
        return
    if not _is_plain_type(declared) or not converter.check_output_type_annotation(declared):
        kind = binding["type"]
        raise HostError(f"function {name}: the return annotation {_show(declared)} does not fit {kind}{_advise(kind)}")


def _admits(check: Callable[[Any], bool], declared: Any) -> bool:
    # Of generic types the worker takes those of typing (Dict[...]) but not the built-in ones (dict[...]).
    if not _is_plain_type(declared) and not _is_of_typing(declared):
        return False
    try:
        return check(declared)
    except TypeError:  # the converter compares classes
        return False


def _is_of_typing(declared: Any) -> bool:
    return type(declared).__module__ == "typing" and typing.get_origin(declared) not in {None, typing.Union}


def _is_plain_type(declared: Any) -> bool:
    return isinstance(declared, type) and typing.get_origin(declared) is None


def _advise(kind: str) -> str:
    return f", {_FITTING[kind]} does" if kind in _FITTING else ""


def _show(declared: Any) -> str:
    return declared.__name__ if _is_plain_type(declared) else str(declared)
