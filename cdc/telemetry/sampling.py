"""Which traces are recorded."""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes


class OwnDecision(Sampler):
    """Ask the chosen sampler about every trace that comes from outside, as if it began here.

    The host marks most traces as not recorded: that is about its own records.
    """

    def __init__(self, chosen: Sampler) -> None:
        self._chosen = chosen

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,  # noqa: ARG002 - the SDK gives it
    ) -> SamplingResult:
        """Decide about one span."""
        parent = get_current_span(parent_context).get_span_context()
        known = Context() if parent.is_remote else parent_context
        return self._chosen.should_sample(known, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        """Name it."""
        return f"OwnDecision({self._chosen.get_description()})"
