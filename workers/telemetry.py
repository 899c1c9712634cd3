"""One trace from the CLI through workflow, activity, Claude and MCP server, where OTLP is configured.

Without OTEL_EXPORTER_OTLP_ENDPOINT there are no spans, and no trace context travels.
No prompt, argument or result is ever an attribute.
"""

import os

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, create_tracer_provider
from temporalio.plugin import SimplePlugin

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def start_tracing(service: str) -> SimplePlugin:
    """Set up the process's tracer once, before any client is made; the plugin to give to the client."""
    provider = create_tracer_provider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(_exporter()))
    trace.set_tracer_provider(provider)
    return OpenTelemetryPlugin(add_temporal_spans=True)


def is_collected() -> bool:
    """Whether somebody collects the spans of this process."""
    return any(os.environ.get(name) for name in _ENDPOINTS)


def stop_tracing() -> None:
    """Send what is left; at most a few seconds."""
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        shutdown()


def _exporter() -> SpanExporter:
    """Imported late: it is heavy, and rarely configured."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
