"""Spans, and the trace that an invocation belongs to. No span has an identity, a value or an error's text."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Protocol

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_TRACER = trace.get_tracer("cdc")
_PROPAGATOR = TraceContextTextMapPropagator()

Attribute = str | int | float


class Name(StrEnum):
    """The name of a span."""

    REQUEST = "cdc.request"
    MAINTAIN = "cdc.maintain"
    BATCH = "cdc.batch"
    APPLY = "cdc.apply"
    MAP = "cdc.map"
    COMMIT = "cdc.commit"
    REREAD = "cdc.reread"
    BACKFILL_PLAN = "cdc.backfill.plan"
    BACKFILL_COPY = "cdc.backfill.copy"
    RECONCILE = "cdc.reconcile"


# The other names; `cdc.` stands before these.
_CONVENTIONAL = {"trigger": "faas.trigger", "function": "faas.name", "system": "db.system.name"}
_KINDS = {Name.REQUEST: SpanKind.SERVER, Name.BATCH: SpanKind.CONSUMER, Name.APPLY: SpanKind.CLIENT}


class TraceContext(Protocol):
    """The trace of an invocation, as the host tells it."""

    @property
    def trace_parent(self) -> str | None:
        """Return the header `traceparent`."""
        ...

    @property
    def trace_state(self) -> str | None:
        """Return the header `tracestate`."""
        ...


@contextmanager
def continued(host: TraceContext) -> Iterator[None]:
    """Continue the host's trace: in a thread, the worker does not do it."""
    named = {"traceparent": host.trace_parent, "tracestate": host.trace_state}
    carrier = {name: text for name, text in named.items() if text}
    token = contexts.attach(_PROPAGATOR.extract(carrier))
    try:
        yield
    finally:
        contexts.detach(token)


def carry() -> str | None:
    """Return what `of` takes elsewhere to continue this trace, or None if it is not recorded."""
    carrier: dict[str, str] = {}
    if trace.get_current_span().is_recording():
        _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: Name, *, of: str | None = None, **attributes: Attribute) -> Iterator[Span]:
    """Make a span, in the current trace or in the one that `carry` has told; then the current one is linked."""
    context, links = _find_place(of)
    with _TRACER.start_as_current_span(
        name,
        context,
        _KINDS.get(name, SpanKind.INTERNAL),
        links=links,
        attributes=_full_names(attributes),
        record_exception=False,  # its text may quote a document
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except BaseException as error:
            made.set_status(StatusCode.ERROR)
            # Azure Monitor leaves out the conventional name.
            made.set_attributes(dict.fromkeys(("error.type", "cdc.error"), type(error).__name__))
            raise


@contextmanager
def step(name: Name, **attributes: Any) -> Iterator[None]:
    """Make a span inside a recorded one; nothing otherwise."""
    if not trace.get_current_span().is_recording():
        yield
        return
    with span(name, **attributes):
        yield


@contextmanager
def beside(name: Name, **attributes: Attribute) -> Iterator[None]:
    """Make a span inside a recorded one that overlaps with others: they do not belong below it."""
    if not trace.get_current_span().is_recording():
        yield
        return
    made = _TRACER.start_span(name, attributes=_full_names(attributes))
    try:
        yield
    finally:
        made.end()


def describe(made: Span, **attributes: Attribute) -> None:
    """Add attributes to a span."""
    made.set_attributes(_full_names(attributes))


def _find_place(of: str | None) -> tuple[contexts.Context | None, list[Link]]:
    if of is None:
        return None, []
    stored = _PROPAGATOR.extract({"traceparent": of})
    here, there = (trace.get_current_span(each).get_span_context() for each in (None, stored))
    if not there.is_valid or there.trace_id == here.trace_id:
        return None, []
    return stored, [Link(here)] if here.is_valid else []


def _full_names(attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    return {_CONVENTIONAL.get(name, f"cdc.{name}"): value for name, value in attributes.items()}
