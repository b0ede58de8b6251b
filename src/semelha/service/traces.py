"""Traces of OpenTelemetry: a span for each request and each batch, sent where the environment (`OTEL_…`) says."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from importlib import import_module

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from semelha import tracing
from semelha.service.metrics import known_method
from semelha.service.paths import route_of

logger = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTERS = {
    "otlp": ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "OTLPSpanExporter"),
    "console": ("opentelemetry.sdk.trace.export", "ConsoleSpanExporter"),
}


def configure_traces() -> bool:
    """Send the spans of this process where the environment says; whether it says so and it can be done.

    `OTEL_TRACES_EXPORTER` is otlp or console, or a variable of `ENDPOINTS` is set. What `opentelemetry-instrument` has
    configured stays.
    """
    wanted = os.environ.get("OTEL_TRACES_EXPORTER", "otlp" if any(map(os.environ.get, ENDPOINTS)) else "none").strip()
    if wanted == "none" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if wanted not in EXPORTERS:
        logger.warning("OTEL_TRACES_EXPORTER must be otlp, console or none: there are no traces")
        return False
    try:
        trace = import_module("opentelemetry.trace")
        sdk, export = import_module("opentelemetry.sdk.trace"), import_module("opentelemetry.sdk.trace.export")
        resources = import_module("opentelemetry.sdk.resources")
        module, name = EXPORTERS[wanted]
        exporter = getattr(import_module(module), name)()
    except ModuleNotFoundError:
        logger.warning('there are no traces, because packages are missing: pip install "semelha[otel]"')
        return False
    if isinstance(trace.get_tracer_provider(), sdk.TracerProvider):
        return True
    service = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": tracing.NAME}
    provider = sdk.TracerProvider(resource=resources.Resource.create(service))
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return True


class Traces:
    """A span for each request, named by its method and route, within the trace of the caller if it sends one.

    It has neither the path nor the query of the request, in which names of subjects are.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or tracing.loaded() is None:
            await self.app(scope, receive, send)
            return
        from opentelemetry import propagate, trace

        status = 0

        async def counted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method = known_method(scope["method"])
        with tracing.span(method, context=propagate.extract(headers), kind=trace.SpanKind.SERVER) as span:
            try:
                await self.app(scope, receive, counted_send)
            finally:
                route = route_of(scope)
                span.update_name(f"{method} {route}")
                values = {"http.request.method": method, "http.route": route, "http.response.status_code": status}
                state = scope.get("state", {})
                known = {name: state[name] for name in ("request_id", "gallery") if name in state}
                span.set_attributes(values | {f"semelha.{name}": value for name, value in known.items()})
                if status >= 500:
                    span.set_status(trace.StatusCode.ERROR)


@contextmanager
def batch_span(requests: Sequence[Context], pictures: int) -> Iterator[None]:
    """A span for the batch of several requests, by the contexts that they were sent in.

    It is in the trace of the first one, with links to the others.
    """
    if tracing.loaded() is None:
        yield
        return
    from opentelemetry import context, trace

    spans = [one.run(trace.get_current_span).get_span_context() for one in requests]
    within = requests[0].run(context.get_current)
    links = [trace.Link(one) for one in spans[1:] if one.is_valid]
    attributes = {"semelha.requests": len(requests), "semelha.pictures": pictures}
    with tracing.span("batch", context=within, links=links, attributes=attributes):
        yield
