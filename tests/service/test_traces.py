"""Traces: a span for each request with those of its steps, in the caller's trace, and without names."""

import asyncio
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, near, png
from tests.tiny_model import noise

from semelha import tracing
from semelha.service.traces import batch_span, configure_traces

pytest.importorskip("opentelemetry.sdk")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def exporter() -> Any:
    """Spans in memory; the provider of a process can be set once."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    trace.set_tracer_provider(provider)
    return made


@pytest.fixture
def spans(exporter: Any) -> Iterator[Any]:
    exporter.clear()
    yield exporter
    exporter.clear()


def test_a_request_and_its_steps(client: TestClient, spans: Any) -> None:
    client.post("/api/v1/subjects", data={"name": "secret"}, files=files(png(noise(1)))).raise_for_status()
    spans.clear()
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "id-1"}
    client.post("/api/v1/identify", files=files(near(1), near(2)), headers=headers).raise_for_status()
    found = {one.name.replace("/api/v1", ""): one for one in spans.get_finished_spans()}
    assert set(found) == {"POST /identify", "batch", "decode", "embed", "search"}
    assert {f"{one.context.trace_id:032x}" for one in found.values()} == {TRACE}
    request = found["POST /identify"]
    assert f"{request.parent.span_id:016x}" == PARENT
    assert found["batch"].parent.span_id == request.context.span_id
    assert {found[name].parent.span_id for name in ("decode", "embed", "search")} == {found["batch"].context.span_id}
    assert request.attributes["http.response.status_code"] == 200
    assert (request.attributes["semelha.request_id"], request.attributes["semelha.gallery"]) == ("id-1", "new")
    assert found["embed"].attributes["semelha.pictures"] == 2


def test_spans_have_no_names(client: TestClient, spans: Any) -> None:
    client.post("/api/v1/subjects", data={"name": "secret"}, files=files(png(noise(1))))
    client.get("/api/v1/subjects/secret?x=secret")
    client.get("/api/v1/subjects/secret-2")
    client.post("/api/v1/identify", files=[("picture", ("secret.png", b"no picture"))])
    found = spans.get_finished_spans()
    assert "GET /subjects/{name}" in {one.name.replace("/api/v1", "") for one in found}
    assert {one.attributes.get("error.type") for one in found if one.name == "decode"} == {None, "NotAPicture"}
    assert "secret" not in "".join(one.to_json() for one in found)


def test_a_batch_is_linked_to_its_other_requests(spans: Any) -> None:
    contexts = []
    for name in ("first", "second"):
        with tracing.span(name):
            contexts.append(copy_context())
    with batch_span(contexts, 3):
        pass
    found = {one.name: one for one in spans.get_finished_spans()}
    assert found["batch"].parent.span_id == found["first"].context.span_id
    assert [one.context.span_id for one in found["batch"].links] == [found["second"].context.span_id]


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch, exporter: Any) -> None:
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    assert not configure_traces()
    for wanted, is_on in (("none", False), ("console", True), ("zipkin", False)):
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", wanted)
        assert configure_traces() is is_on
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not configure_traces()


def test_spans_of_tasks_do_not_mix(spans: Any) -> None:
    async def task(name: str) -> None:
        with tracing.span(name):
            await asyncio.sleep(0)
            with tracing.span(f"{name} inner"):
                await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(task("a"), task("b"))

    asyncio.run(both())
    found = {one.name: one for one in spans.get_finished_spans()}
    for name in ("a", "b"):
        assert found[f"{name} inner"].parent.span_id == found[name].context.span_id
