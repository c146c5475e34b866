"""A tiny OTLP collector on loopback. Owns: what it was sent."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """Where it is, and the bodies that came."""

    endpoint: str = ""
    raw: list[bytes] = field(default_factory=list)

    def traces(self) -> dict[str, list[dict[str, Any]]]:
        """Spans by trace: service, name, attributes, parent."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for body in self.raw:
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                named = {one.key: one.value.string_value for one in group.resource.attributes}
                for scope in group.scope_spans:
                    for span in scope.spans:
                        found[span.trace_id.hex()].append({
                            "service": named["service.name"],
                            "name": span.name,
                            "parent": span.parent_span_id.hex(),
                            "ids": {one.key: one.value.string_value for one in span.attributes},
                        })  # fmt: skip
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """It answers as long as the block lasts."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.raw.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
