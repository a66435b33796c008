"""Load an app and invoke its functions in one of two engines: python -m tests.e2e.engines library|host [FOLDER].

Reads a list of calls from standard input, and writes the functions and what the calls returned.
"""

import asyncio
import json
import os
import sys
import threading
from pathlib import Path

from azure.functions.meta import Datum
from opentelemetry import metrics, trace

ROOT = Path(sys.argv[2]) if sys.argv[2:] else Path(__file__).parents[2]


class Message:
    """Stand in for the protobuf classes that the worker library fills."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


class BindingInfo(Message):
    """Number the directions and data types as the protocol does."""

    undefined, out, inout = 0, 1, 2


class Protos:
    """Name the messages that indexing makes."""

    BindingInfo = BindingInfo
    RpcRetryOptions = RpcFunctionMetadata = Message


def run_library(calls):
    """Index and invoke with the library that Azure's own worker consists of."""
    from azure_functions_runtime import handle_event, native_invocation
    from azure_functions_runtime.bindings.meta import load_binding_registry
    from azure_functions_runtime.utils.threadpool import start_threadpool_executor, stop_threadpool_executor

    async def invoke(call):
        count, limit = call["retry"]
        ok, answer, _, error, _ = await native_invocation.invocation_request_native(
            "invocation", ids[call["function"]], [(call["parameter"], read(call["payload"]))], {},
            trace_parent=call.get("trace", ""), retry_count=count, max_retry_count=limit,
        )  # fmt: skip
        return show(answer) if ok else error

    async def invoke_all():
        return [await invoke(call) for call in calls]

    sys.path.insert(0, str(ROOT))
    handle_event.protos = Protos
    load_binding_registry()
    start_threadpool_executor()
    handle_event.load_function_metadata(str(ROOT), "test")
    found = handle_event._metadata_result
    ids = {function.name: function.function_id for function in found}
    results = asyncio.run(invoke_all())
    stop_threadpool_executor()
    return {function.name: [json.loads(binding) for binding in function.raw_bindings] for function in found}, results


def run_host(calls):
    """Index and invoke with this repository's host."""
    from local.functions import host
    from local.functions.context import RetryContext
    from local.functions.invoke import Invoker

    def invoke(call):
        count, limit = call["retry"]
        answer = invoker.submit(
            functions[call["function"]],
            read(call["payload"]),
            RetryContext(retry_count=count, max_retry_count=limit),
        )
        error = answer.exception()
        return show(answer.result()) if error is None else repr(error)

    found = host.load(ROOT).functions
    functions = {function.name: function for function in found}
    invoker = Invoker(threads=1, stopping=threading.Event())
    results = [invoke(call) for call in calls]
    invoker.close()
    return {function.name: list(function.bindings) for function in found}, results


def read(payload):
    """Make a datum of a pair of kind and content."""
    kind, content = payload
    if kind == "bytes":
        return Datum(content.encode(), kind)
    if kind == "http":
        return Datum({name: read_part(part) for name, part in content.items()}, kind)
    return Datum(content, kind)


def read_part(part):
    """Make the datum of one part of a request, or the data of its headers, query or route."""
    return {name: read(each) for name, each in part.items()} if isinstance(part, dict) else read(part)


def show(value):
    """Make JSON of a datum."""
    if hasattr(value, "type") and hasattr(value, "value"):
        return [value.type, show(value.value)]
    if isinstance(value, dict):
        return {name: show(each) for name, each in value.items()}
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    functions, results = {"library": run_library, "host": run_host}[sys.argv[1]](json.load(sys.stdin))
    print(json.dumps({"functions": functions, "results": results}))
    sys.stdout.flush()
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        getattr(provider, "force_flush", bool)()
    # The app's connection pool makes the interpreter wait for its threads.
    os._exit(0)
