"""Spans of a pretend system, exported only where OpenTelemetry's own environment variable says to."""

import os

# A collector that is gone must not keep a server from ending.
EXPORT_TIMEOUT_SECONDS = 2


def export_spans(service_name: str) -> None:
    """Register a tracer provider when an OTLP endpoint is configured; the mcp SDK makes the spans."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return
    # Imported here: most starts have no collector, and these imports are a quarter of a second.
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service_name}))
    exporter = OTLPSpanExporter(timeout=EXPORT_TIMEOUT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)
