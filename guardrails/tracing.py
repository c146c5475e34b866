"""Traces over processes. Owns: spans, and carrying a trace in the `_meta` of a call.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set, and then nothing of it is even imported. A span
names what was done and ids; never an address, a body or an argument. It decides nothing, and a
collector that is away costs nobody anything but the trace.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACEPARENT = "traceparent"  # W3C; the name that MCP's `_meta` reserves for it
_EXPORT_S = 5
_END_S = 1.0
_OFF: AbstractContextManager[None] = nullcontext()


class _State:
    """Of this process."""

    provider: TracerProvider | None = None
    tracer: Tracer | None = None


def begin(service: str, endpoint: str | None) -> None:
    """Send this process's spans to the collector at `endpoint` (OTLP over HTTP); None: do not."""
    if not endpoint or _State.tracer is not None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    # Its own complaints about a collector that is away would fill the log.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    url = f"{endpoint.rstrip('/')}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=url, timeout=_EXPORT_S, session=_session(url))
    provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, schedule_delay_millis=1000, export_timeout_millis=5000)
    )
    _State.provider, _State.tracer = provider, provider.get_tracer("chiefaiofficer-swarm")


def end() -> None:
    """Send what is left, in bounded time: a collector that is away holds nobody up."""
    provider, _State.provider, _State.tracer = _State.provider, None, None
    if provider is not None:
        last = threading.Thread(target=provider.shutdown, name="traces", daemon=True)
        last.start()
        last.join(_END_S)


def span(name: str, **ids: str | int | None) -> AbstractContextManager[None]:
    """The block's work as a span, below the one that is under way."""
    return _OFF if _State.tracer is None else _span(name, ids, None)


def continued(
    meta: Mapping[str, Any] | None, name: str, **ids: str | int | None
) -> AbstractContextManager[None]:
    """The block's work as a span of the caller's trace, as its `_meta` names it."""
    return _OFF if _State.tracer is None else _span(name, ids, meta)


def note(**ids: str | int | None) -> None:
    """Add ids to the span that is under way."""
    if _State.tracer is None:
        return
    from opentelemetry import trace  # noqa: PLC0415

    under_way = trace.get_current_span()
    for key, value in _attributes(ids).items():
        under_way.set_attribute(key, value)


def as_meta() -> dict[str, str]:
    """The trace that is under way, for the `_meta` of a call."""
    if _State.tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return {name: text for name, text in carrier.items() if name == _TRACEPARENT}


@contextmanager
def _span(
    name: str, ids: Mapping[str, str | int | None], meta: Mapping[str, Any] | None
) -> Iterator[None]:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

    assert _State.tracer is not None
    with _State.tracer.start_as_current_span(
        name,
        context=_parent(meta),
        attributes=_attributes(ids),
        record_exception=False,  # its message could name somebody
        set_status_on_exception=False,
    ) as made:
        try:
            yield
        except BaseException as error:
            made.set_status(
                Status(StatusCode.ERROR, str(getattr(error, "code", type(error).__name__)))
            )
            raise


def _parent(meta: Mapping[str, Any] | None) -> Any:
    carried = (meta or {}).get(_TRACEPARENT)
    if not isinstance(carried, str):
        return None
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    return TraceContextTextMapPropagator().extract({_TRACEPARENT: carried})


def _attributes(ids: Mapping[str, str | int | None]) -> dict[str, str | int]:
    return {f"swarm.{name}": value for name, value in ids.items() if value is not None}


def _session(url: str) -> Any:
    import requests  # noqa: PLC0415  the exporter's own client

    session = requests.Session()
    # A proxy of the environment is not for what stays on this machine.
    session.trust_env = urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1")
    return session
